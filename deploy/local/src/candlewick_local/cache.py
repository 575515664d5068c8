"""A redis-server that is only a cache: its command line, and when it answers. Touches Redis."""

from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from candlewick_local.found import Programs
from candlewick_local.ports import HOST


@dataclass(frozen=True, slots=True)
class Cache:
    """Where one redis-server listens."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"


def prepare(cache: Cache, programs: Programs) -> list[str]:
    """Make its folder and return the command line; nothing is saved, since nothing is lost with a cache."""
    cache.folder.mkdir(parents=True, exist_ok=True)
    return [
        *(programs.redis_server, "--bind", HOST, "--port", str(cache.port), "--dir", str(cache.folder)),
        *("--save", "", "--appendonly", "no", "--daemonize", "no"),
        *("--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru"),
    ]


def why_not_ready(cache: Cache) -> str | None:
    """None when it answers a PING."""
    once = Retry(NoBackoff(), 0)
    client = redis.Redis(host=HOST, port=cache.port, socket_timeout=1, socket_connect_timeout=1, retry=once)
    with client:
        try:
            client.ping()
        except redis.RedisError as error:
            return str(error)[:200]
    return None
