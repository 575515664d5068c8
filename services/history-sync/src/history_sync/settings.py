"""The settings of history-sync."""

from pydantic import Field, SecretStr

from chassis.settings import HttpSettings, KafkaSettings, LogSettings, MongoSettings, RedisSettings


class HistorySettings(KafkaSettings, MongoSettings, RedisSettings, HttpSettings, LogSettings):
    tradingview_url: str = Field(
        "wss://data.tradingview.com/socket.io/websocket",
        description="WebSocket of TradingView, or of its simulator",
        pattern=r"^wss?://[^\s@]+$",
        max_length=500,
    )
    tradingview_auth_token: SecretStr | None = Field(
        None, description="Token of an account; without one the provider is asked anonymously"
    )
    history_replica: str = Field(
        "history-1",
        description="Name of this process in the leases of its jobs",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
    )
    history_workers: int = Field(4, description="Jobs that are worked on at once", ge=1, le=4)
    fetch_deadline_s: float = Field(45.0, description="Longest wait for one answer of the provider", gt=0, le=300)
