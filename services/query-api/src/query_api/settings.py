"""The settings of the API, from environment variables."""

from pydantic import Field, SecretStr

from chassis.settings import HttpSettings, KafkaSettings, LogSettings, MongoSettings, RedisSettings


class ApiSettings(KafkaSettings, MongoSettings, RedisSettings, HttpSettings, LogSettings):
    """All of them; `python -m query_api --help` prints the table."""

    api_key: SecretStr = Field(
        description="What callers send as X-API-Key with every request that changes something", min_length=8
    )
    sync_timeout: float = Field(
        30.0, description="Seconds that POST /market-data/sync waits before it answers 202 with a link", gt=0, le=300
    )
