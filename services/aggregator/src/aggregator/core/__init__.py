"""From ticks and marks to bars: pure, in log order, with no clock but the log's."""
