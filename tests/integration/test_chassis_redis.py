"""A real Redis, and one that is away."""

import json

import pytest
import redis.exceptions
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from chassis.redis import BestEffort, client, redis_errors
from chassis.settings import RedisSettings
from contracts.errors import Unavailable
from tests.support.parts import Parts


def settings(url: str) -> RedisSettings:
    return RedisSettings(redis_url=SecretStr(url))


def failures() -> float:
    return REGISTRY.get_sample_value("redis_failures_total") or 0.0


async def test_a_client_answers_with_bytes(parts: Parts) -> None:
    async with client(settings(parts.redis), "test") as cache:
        await cache.set("chassis:test", "value", ex=5)
        assert await cache.get("chassis:test") == b"value"


async def test_redis_that_is_away_is_unavailable_and_its_password_is_not_shown() -> None:
    async with client(settings("redis://:hunter2@127.0.0.1:1/0"), "test") as cache:
        with pytest.raises(Unavailable, match="Redis") as caught, redis_errors():
            await cache.get("x")
    assert "hunter2" not in str(caught.value)


async def test_a_command_that_redis_refuses_is_a_bug(parts: Parts) -> None:
    async with client(settings(parts.redis), "test") as cache:
        await cache.set("chassis:test", "text", ex=5)
        with pytest.raises(redis.exceptions.ResponseError), redis_errors():
            await cache.incr("chassis:test")


async def test_best_effort_gives_results_and_goes_on_without_redis_counting_and_logging_once(
    parts: Parts,
) -> None:
    best_effort, before = BestEffort(), failures()
    with capture_logs() as said:
        async with client(settings("redis://127.0.0.1:1/0"), "test") as away:
            for _ in range(3):
                assert await best_effort(away.get("x")) is None
        assert failures() == before + 3
        async with client(settings(parts.redis), "test") as there:
            await there.set("chassis:test", json.dumps(1), ex=5)
            assert await best_effort(there.get("chassis:test")) == b"1"
    assert [line["event"] for line in said] == ["going on without", "answers again"]


async def test_best_effort_goes_on_without_a_redis_that_refuses(parts: Parts) -> None:
    best_effort, before = BestEffort(), failures()
    async with client(settings(parts.redis), "test") as cache:
        await cache.set("chassis:test", "text", ex=5)
        assert await best_effort(cache.incr("chassis:test")) is None
    assert failures() == before + 1
