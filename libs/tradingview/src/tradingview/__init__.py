"""TradingView's WebSocket protocol without I/O, clock or chance: frames, quote sessions, chart sessions, symbols."""
