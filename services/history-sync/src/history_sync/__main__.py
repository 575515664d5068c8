"""`python -m history_sync`: price history from TradingView into MongoDB."""

from chassis.process import leave
from history_sync.app import run

if __name__ == "__main__":
    leave(run())
