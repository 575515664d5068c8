"""The settings of ingest-ws."""

import socket
from typing import Self

from pydantic import Field, SecretStr, model_validator

from chassis.settings import HttpSettings, KafkaSettings, LogSettings, RedisSettings
from tradingview.connection import ANONYMOUS


class IngestSettings(KafkaSettings, RedisSettings, HttpSettings, LogSettings):
    tradingview_url: str = Field(
        "wss://data.tradingview.com/socket.io/websocket",
        description="WebSocket of the quotes",
        pattern=r"^wss?://[^\s/@]+/\S*$",
        max_length=1000,
    )
    tradingview_auth_token: SecretStr = Field(
        SecretStr(ANONYMOUS),
        description="Token (JWT) of a TradingView account; without one most exchanges are delayed",
        min_length=1,
    )
    tradingview_cookies: SecretStr | None = Field(
        None,
        description="Cookies of a signed-in browser, sessionid=…; sessionid_sign=…: tokens are fetched with them",
        min_length=1,
        max_length=8192,
    )
    tradingview_http_url: str = Field(
        "https://www.tradingview.com",
        description="Site that tokens are fetched from",
        pattern=r"^https?://[^\s/@]+/?$",
        max_length=1000,
    )
    ingest_replica: str = Field(
        default_factory=lambda: socket.gethostname()[:100] or "ingest-ws",
        description="Name of this replica in statuses and events; no two running ones share it",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
    )
    ingest_group: str = Field(
        "ingest-ws",
        description="Consumer group by which replicas share the symbols",
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
    )
    ingest_connection_symbols: int = Field(
        200, description="Symbols of one connection; more open further ones", ge=1, le=10_000
    )
    ingest_buffer_mb: int = Field(
        64,
        description="Ticks and calendars kept while Kafka is away; beyond it only the newest state of each symbol",
        ge=1,
        le=4096,
    )

    @model_validator(mode="after")
    def _is_one_identity(self) -> Self:
        if self.tradingview_cookies is not None and self.tradingview_auth_token.get_secret_value() != ANONYMOUS:
            raise ValueError("TRADINGVIEW_AUTH_TOKEN and TRADINGVIEW_COOKIES are both set; set one of them")
        return self
