"""TradingView's live quotes to Kafka: ticks, and marks that tell what was heard."""
