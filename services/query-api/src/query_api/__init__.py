"""One API over the store, the cache and the commands."""
