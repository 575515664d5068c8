"""The sink: bars into MongoDB, forming bars into Redis, doing a thing twice being doing it once."""
