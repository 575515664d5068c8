"""Redis through redis-py: a client whose waits are bounded, its errors by answer, and work that may fail."""

import re
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from chassis import logs
from chassis.redaction import SECRETS
from chassis.settings import RedisSettings
from contracts.errors import Unavailable

T = TypeVar("T")

REDIS = "Redis"
"""How Redis is called in logs and as a condition of readiness."""

CACHE_FAILURES = Counter("redis_failures_total", "Uses of Redis that were given up: it was away, or refused")

_PASSING = re.compile(r"(^|error: )\W*(MISCONF|NOREPLICAS|BUSY|UNKILLABLE|CLUSTERDOWN|EXECABORT) ")
"""Refusals that pass without the command being another: a disk that is full, replicas that are away, a long script. In
a pipeline, redis-py tells which command it was before the server's words."""

_log = logs.get("chassis.redis")


def client(settings: RedisSettings, name: str) -> Redis:
    """A client that connects at its first use, answers with bytes, waits at most a second, and tries twice."""
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        client_name=name,
        socket_connect_timeout=1.0,
        socket_timeout=1.0,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=15,
        max_connections=50,
        decode_responses=False,
    )


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn what a server that is away, loading, full or not allowed to write causes into `Unavailable`."""
    try:
        yield
    except (
        RedisConnectionError,
        RedisTimeoutError,
        ClusterDownError,
        MasterDownError,
        OutOfMemoryError,
        ReadOnlyError,
        TryAgainError,
        OSError,
    ) as error:
        raise _unavailable(error) from error
    except ResponseError as error:
        if _PASSING.search(str(error)) is None:
            raise
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(REDIS, SECRETS.text(f"{type(error).__name__} {error}")[:300])


class BestEffort:
    """Runs work on a cache whose loss loses nothing: failures are counted, and an outage is logged once."""

    def __init__(self) -> None:
        self._is_away = False

    async def __call__(self, work: Awaitable[T]) -> T | None:
        """The result of the work, or None if Redis is away or does not do it."""
        try:
            result = await work
        except (RedisError, OSError) as error:
            CACHE_FAILURES.inc()
            if not self._is_away:
                cause = SECRETS.text(f"{type(error).__name__} {error}")[:300]
                _log.warning("going on without", part=REDIS, cause=cause)
            self._is_away = True
            return None
        if self._is_away:
            _log.info("answers again", parts=[REDIS])
        self._is_away = False
        return result
