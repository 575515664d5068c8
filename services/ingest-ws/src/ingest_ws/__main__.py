"""`python -m ingest_ws`: live quotes from TradingView to Kafka."""

from chassis.process import leave
from ingest_ws.app import run

if __name__ == "__main__":
    leave(run())
