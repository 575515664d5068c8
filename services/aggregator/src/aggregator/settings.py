"""The settings of both roles."""

from pydantic import Field

from chassis.settings import HttpSettings, KafkaSettings, LogSettings, MongoSettings, RedisSettings


class EngineSettings(KafkaSettings, HttpSettings, LogSettings):
    engine_instance_id: str = Field(
        "engine-1",
        description="Name of this engine: no two running ones share it, and a restarted one has it again",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
    )
    lateness_ms: int = Field(
        2_000,
        description="How long a bar waits for stragglers after its close; one value for all engines",
        ge=0,
        le=60_000,
    )
    silence_ms: int = Field(
        10_000, description="The engine marks the log itself when nobody has for this long", ge=500, le=600_000
    )


class SinkSettings(KafkaSettings, MongoSettings, RedisSettings, HttpSettings, LogSettings):
    sink_batch_records: int = Field(2_000, description="Most bars that are stored at once", ge=1, le=20_000)
