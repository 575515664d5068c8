"""TradingView's live quotes to Kafka: ticks, trading calendars, and marks that say what was covered."""
