"""Chart sessions: history of symbols as series of bars (protocol §5)."""
