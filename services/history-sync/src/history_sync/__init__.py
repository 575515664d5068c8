"""history-sync: price history from TradingView into MongoDB, on request."""
