"""Replay: fold the log again, compare with what was published, and issue what a fixed bug changes."""
