"""The processes of the system and what each is told."""

from pathlib import Path

from candlewick_local.addresses import DEFAULTS, addresses
from candlewick_local.services import Service, services, simulator

SECRETS = {"API_KEY": "key", "TRADINGVIEW_AUTH_TOKEN": "token", "TRADINGVIEW_COOKIES": "sessionid=s"}


def started(environment: dict[str, str], key_file: Path | None = None) -> dict[str, Service]:
    where = addresses(DEFAULTS, "mongodb://m", environment)
    return {service.name: service for service in services(DEFAULTS, where, environment, key_file)}


def test_processes_start_in_the_order_in_which_data_flows() -> None:
    assert list(started({})) == ["ingest-ws", "engine", "sink", "history-sync", "query-api"]


def test_each_process_listens_on_its_own_port_and_is_asked_there() -> None:
    found = started({})
    assert found["query-api"].environment["HTTP_PORT"] == "8000"
    assert found["query-api"].ready_url == "http://127.0.0.1:8000/readyz"
    assert len({service.environment["HTTP_PORT"] for service in found.values()}) == len(found)


def test_all_are_told_the_same_parts_and_partitions() -> None:
    for service in started({"KAFKA_BOOTSTRAP_SERVERS": "elsewhere:1", "KAFKA_PARTITIONS": "24"}).values():
        assert service.environment["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:9092"
        assert service.environment["KAFKA_PARTITIONS"] == "4"
        assert service.environment["MONGODB_URL"] == "mongodb://m"
        assert service.environment["REDIS_URL"] == "redis://127.0.0.1:6379/0"


def test_other_settings_pass_through() -> None:
    assert started({"CLOSE_DELAY_MS": "1000"})["engine"].environment["CLOSE_DELAY_MS"] == "1000"


def test_bars_of_an_anonymous_feed_wait_longer_for_stragglers() -> None:
    feed = {"TRADINGVIEW_URL": "wss://feed"}
    assert started(feed)["engine"].environment["CLOSE_DELAY_MS"] == "5000"
    assert started(feed | {"CLOSE_DELAY_MS": "1000"})["engine"].environment["CLOSE_DELAY_MS"] == "1000"
    for known in ({}, feed | {"TRADINGVIEW_AUTH_TOKEN": "token"}, feed | {"TRADINGVIEW_COOKIES_FILE": "/cookies"}):
        assert "CLOSE_DELAY_MS" not in started(known)["engine"].environment


def test_a_secret_goes_only_to_those_that_need_it() -> None:
    found = started(SECRETS)
    with_key = {name for name, service in found.items() if "API_KEY" in service.environment}
    with_token = {name for name, service in found.items() if "TRADINGVIEW_AUTH_TOKEN" in service.environment}
    with_cookies = {name for name, service in found.items() if "TRADINGVIEW_COOKIES" in service.environment}
    assert with_key == {"query-api"}
    assert with_token == {"ingest-ws", "history-sync"}
    assert with_cookies == {"ingest-ws"}
    assert not SECRETS.keys() & simulator(DEFAULTS, SECRETS).environment.keys()


def test_a_key_that_was_made_here_goes_as_a_file() -> None:
    told = started({}, Path("/kept/api-key"))["query-api"].environment
    assert told["API_KEY_FILE"] == "/kept/api-key"
    assert "API_KEY" not in told


def test_a_secret_in_a_file_is_passed_on_as_a_file() -> None:
    found = started({"API_KEY_FILE": "/key", "TRADINGVIEW_AUTH_TOKEN_FILE": "/token"})
    assert found["query-api"].environment["API_KEY_FILE"] == "/key"
    assert found["ingest-ws"].environment["TRADINGVIEW_AUTH_TOKEN_FILE"] == "/token"
    assert "API_KEY_FILE" not in found["sink"].environment


def test_the_feed_is_the_simulator_unless_another_is_named() -> None:
    assert started({})["ingest-ws"].environment["TRADINGVIEW_URL"].startswith("ws://127.0.0.1:8765/")
    named = started({"TRADINGVIEW_URL": "wss://feed"})["ingest-ws"].environment
    assert named["TRADINGVIEW_URL"] == "wss://feed"
    assert "TRADINGVIEW_HTTP_URL" not in named


def test_the_simulator_is_asked_over_http() -> None:
    service = simulator(DEFAULTS, {})
    assert service.command[-4:] == ("--port", "8765", "--http-port", "8766")
    assert service.ready_url == "http://127.0.0.1:8766/healthz"
