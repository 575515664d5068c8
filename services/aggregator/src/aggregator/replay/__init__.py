"""Replay: fold the log again, compare with what was published, and publish what differs."""
