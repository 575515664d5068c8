"""The whole of Candlewick on one machine, without Docker."""
