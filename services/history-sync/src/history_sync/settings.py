"""The settings of history-sync."""

import socket

from pydantic import Field, SecretStr

from chassis.settings import HttpSettings, KafkaSettings, LogSettings, MongoSettings, RedisSettings
from tradingview.connection import ANONYMOUS


class HistorySettings(KafkaSettings, MongoSettings, RedisSettings, HttpSettings, LogSettings):
    tradingview_url: str = Field(
        "wss://data.tradingview.com/socket.io/websocket",
        description="WebSocket of the history",
        pattern=r"^wss?://[^\s/@]+/\S*$",
        max_length=1000,
    )
    tradingview_auth_token: SecretStr = Field(
        SecretStr(ANONYMOUS),
        description="Token (JWT) of a TradingView account; without one most exchanges are delayed",
        min_length=1,
    )
    history_replica: str = Field(
        default_factory=lambda: socket.gethostname()[:100] or "history-sync",
        description="Name of this replica in the leases of its jobs, for people",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
    )
    history_workers: int = Field(
        4, description="Fetches at once, each in a thread with a socket of its own", ge=1, le=16
    )
    fetch_deadline_s: float = Field(45.0, description="Longest wait for one answer of the provider", ge=1, le=300)
    history_lease_s: float = Field(
        30.0, description="A job whose worker has been silent for this long is given to another", ge=1, le=600
    )
    history_attempts: int = Field(
        5, description="Fetches of a job, when the provider does not answer, before it ends in an error", ge=1, le=50
    )
