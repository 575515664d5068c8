"""`python -m history_sync`: price history from TradingView into MongoDB."""

import os
import time

os.environ["TZ"] = "UTC"  # tvDatafeed answers in the process's local time
time.tzset()

from chassis.process import leave  # noqa: E402 - only in UTC
from history_sync.app import run  # noqa: E402 - likewise

if __name__ == "__main__":
    leave(run())
