"""The settings of every role."""

from pydantic import Field, field_validator

from chassis.settings import HttpSettings, KafkaSettings, LogSettings, MongoSettings, RedisSettings
from contracts.errors import BadData
from contracts.intervals import Interval


class FoldSettings(KafkaSettings, LogSettings):
    close_delay_ms: int = Field(
        2_000,
        description="How long a bar waits after its close for ticks on their way, 5000 for an anonymous feed; "
        "one value for all engines",
        ge=0,
        le=60_000,
    )
    intervals: str = Field(
        ",".join(Interval),
        description="Intervals that are built, separated by commas, 1m among them; one value for all engines",
        max_length=200,
    )

    @field_validator("intervals")
    @classmethod
    def _parsed(cls, text: str) -> str:
        try:
            named = {Interval.parse(word) for word in text.split(",")}
        except BadData as error:
            raise ValueError(error.cause) from error
        if Interval.M1 not in named:
            raise ValueError("1m must be among them: all others are made of it")
        return ",".join(interval for interval in Interval if interval in named)

    @property
    def built(self) -> tuple[Interval, ...]:
        """The intervals that are built, from short to long."""
        return tuple(Interval(word) for word in self.intervals.split(","))


class EngineSettings(FoldSettings, HttpSettings):
    engine_instance_id: str = Field(
        "engine-1",
        description="Name of this engine: no two running ones share it, and a restarted one has it again",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
    )
    silence_ms: int = Field(
        10_000, description="The engine marks the log itself when nobody has for this long", ge=500, le=600_000
    )


class ReplaySettings(FoldSettings):
    """Settings of a replay; they must be those of the engines."""


class SinkSettings(KafkaSettings, MongoSettings, RedisSettings, HttpSettings, LogSettings):
    sink_batch_records: int = Field(2_000, description="Most bars that are stored at once", ge=1, le=20_000)
