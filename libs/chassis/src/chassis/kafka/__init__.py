"""Kafka: topics as they must be, a broker that loses nothing, batches, and readers without a group."""
