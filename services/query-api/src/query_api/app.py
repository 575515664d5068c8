"""The API as a whole: the only place where its parts are chosen, started and closed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from chassis import mongo, redis
from chassis.clock import now_ms
from chassis.kafka import broker as kafka
from chassis.kafka.errors import KAFKA
from chassis.kafka.topics import ensure_topics
from chassis.mongo import MONGODB
from chassis.probes import Readiness
from chassis.redis import REDIS
from chassis.stop import Stop
from chassis.waiting import persistently
from contracts.documents import BARS_VERSION
from contracts.topics import CONTROL, HISTORY_REQUESTS, STATUS, SUBSCRIPTIONS
from query_api.background import Background
from query_api.cache import RedisCache
from query_api.commands import PUBLISH_WITHIN_S, KafkaCommands
from query_api.core.desired import Control, Statuses, Wanted
from query_api.desired import Follower
from query_api.ports import Parts
from query_api.settings import ApiSettings
from query_api.store import MongoStore
from query_api.surface import surface
from query_api.watching import watch

NAME = "query-api"
_FOLLOWED = (SUBSCRIPTIONS, CONTROL, STATUS)
_TOPICS = (*_FOLLOWED, *(topic.dead for topic in _FOLLOWED), HISTORY_REQUESTS)


def build(settings: ApiSettings, stop: Stop) -> FastAPI:
    """The application. Its lifespan starts and closes the parts, and waits for none of them: routes answer 503.

    A bug in its background work ends the process through `stop`, as does a store of another version.
    """
    ready = Readiness((KAFKA, MONGODB, REDIS, *(topic.name for topic in _FOLLOWED)))
    broker = kafka.build_broker(settings, NAME)
    publish = kafka.publisher(broker, PUBLISH_WITHIN_S)
    commands = KafkaCommands(publish, settings.kafka_partitions, now_ms)

    mongo_client = mongo.client(settings, NAME)
    db = mongo.database(mongo_client, settings)
    store = MongoStore(db)
    redis_client = redis.client(settings, NAME)
    cache = RedisCache(redis_client)

    servers, count = settings.kafka_bootstrap_servers, settings.kafka_partitions
    wanted = Follower(servers, SUBSCRIPTIONS, count, Wanted, publish)
    control = Follower(servers, CONTROL, count, Control, publish)
    statuses = Follower(servers, STATUS, count, Statuses, publish)

    background = Background(stop)

    async def use_kafka() -> None:
        await ensure_topics(servers, _TOPICS, count, ready, stop)
        await kafka.start(broker, ready, stop)
        commands.is_connected = True
        background.spawn(kafka.watch(broker, ready, stop))
        for follower in (wanted, control, statuses):
            background.spawn(follower.run(ready, stop))

    async def use_mongo() -> None:
        await persistently(lambda: mongo.check_version(db, BARS_VERSION), ready, stop)
        await watch(MONGODB, store.ping, ready, stop)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as resources:
            resources.push_async_callback(mongo_client.close)
            resources.push_async_callback(redis_client.aclose)
            resources.push_async_callback(kafka.close, broker)
            resources.push_async_callback(background.close)
            background.spawn(use_kafka())
            background.spawn(use_mongo())
            background.spawn(watch(REDIS, cache.ping, ready, stop))
            yield

    app = surface(lifespan)
    app.state.parts = Parts(
        store=store,
        cache=cache,
        commands=commands,
        wanted=wanted,
        control=control,
        statuses=statuses,
        ready=ready,
        stop=stop,
        api_key=settings.api_key.get_secret_value(),
        sync_timeout_s=settings.sync_timeout,
        now_ms=now_ms,
    )
    return app
