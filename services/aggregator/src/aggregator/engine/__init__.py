"""The engine: one synchronous loop that folds its partitions of the tick log and issues what the fold finds."""
