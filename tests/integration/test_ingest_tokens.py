"""Who ingest-ws is to TradingView: given tokens, tokens of cookies, files that change."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from chassis.clock import now_ms
from chassis.redaction import SECRETS
from chassis.settings import SecretSource
from contracts.errors import Unavailable
from ingest_ws import provider, tokens
from ingest_ws.settings import IngestSettings
from ingest_ws.tokens import Tokens, Unauthorized, expiry_ms
from tests.support.ingest import fault, ingest, log_of, settings_of, topics_of, wishes
from tests.support.journal import verify
from tests.support.parts import Parts
from tests.support.stalls import stalls
from tradingview.connection import ANONYMOUS
from tradingview_simulator import Simulator, SimulatorSettings, serve

NAME = "SIM:S1601"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with serve(SimulatorSettings(needs_token=True, token_seconds=3_600)) as running:
        yield running


class Clock:
    """Our clock, as far ahead as a test likes."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead_ms


def settings(url: str = "http://127.0.0.1:1", **fields: str) -> IngestSettings:
    secrets = {name: SecretStr(value) for name, value in fields.items()}
    return IngestSettings(redis_url=SecretStr("redis://127.0.0.1"), tradingview_http_url=url, **secrets)  # type: ignore[arg-type]


def tokens_of(chosen: IngestSettings, clock: Clock | None = None) -> Tokens:
    given, cookies = SecretSource(chosen, "tradingview_auth_token"), SecretSource(chosen, "tradingview_cookies")
    return Tokens(given, cookies, chosen.tradingview_http_url, clock or Clock())


async def test_without_anything_it_is_nobody_and_a_given_token_is_used_until_it_ends(simulator: Simulator) -> None:
    assert await tokens_of(settings()).current() == ANONYMOUS
    assert await tokens_of(settings(tradingview_auth_token="no JWT")).current() == "no JWT"
    given, clock = simulator.sign_in.token(), Clock()
    mine = tokens_of(settings(tradingview_auth_token=given), clock)
    assert await mine.current() == given
    clock.ahead_ms = 3_601_000
    with pytest.raises(Unauthorized, match="expired"):
        await mine.current()


async def test_cookies_give_a_token_that_is_kept_and_renewed_before_it_ends(simulator: Simulator) -> None:
    clock = Clock()
    mine = tokens_of(settings(simulator.http_url, tradingview_cookies=simulator.sign_in.cookies()), clock)
    first = await mine.current()
    assert simulator.sign_in.is_valid(first)
    assert await mine.current() == first
    assert first not in SECRETS.text(f"set_auth_token {first}")
    clock.ahead_ms = 3_600_000 - tokens.RENEW_BEFORE_MS - 5_000
    assert await mine.current() == first
    clock.ahead_ms += 10_000
    assert await mine.current() != first


async def test_a_redirect_to_another_host_of_the_site_is_followed(simulator: Simulator) -> None:
    await fault(simulator.http_url, "signin", how="redirect")
    mine = tokens_of(settings(simulator.http_url, tradingview_cookies=simulator.sign_in.cookies()))
    assert simulator.sign_in.is_valid(await mine.current())


@pytest.mark.parametrize(
    ("how", "said"), [("not_logged_in", "not logged in"), ("blocked", "403"), ("loop", "redirected more than 5 times")]
)
async def test_what_only_a_person_can_mend_is_asked_once(simulator: Simulator, how: str, said: str) -> None:
    await fault(simulator.http_url, "signin", how=how)
    cookies = simulator.sign_in.cookies()
    mine = tokens_of(settings(simulator.http_url, tradingview_cookies=cookies))
    with pytest.raises(Unauthorized, match=said) as refused:
        await mine.current()
    assert cookies.split("=")[1][:8] not in str(refused.value)
    await fault(simulator.http_url, "none")
    with pytest.raises(Unauthorized, match=said):
        await mine.current()
    mine.forget()
    assert simulator.sign_in.is_valid(await mine.current())


async def test_a_site_that_is_away_is_asked_again_after_a_while(simulator: Simulator) -> None:
    await fault(simulator.http_url, "signin", how="unavailable")
    clock = Clock()
    mine = tokens_of(settings(simulator.http_url, tradingview_cookies=simulator.sign_in.cookies()), clock)
    with pytest.raises(Unavailable, match="503"):
        await mine.current()
    await fault(simulator.http_url, "none")
    with pytest.raises(Unavailable, match="503"):
        await mine.current()
    clock.ahead_ms = tokens.ASK_AGAIN_MS + 1_000
    assert simulator.sign_in.is_valid(await mine.current())


async def test_a_redirect_to_a_stranger_gets_no_cookies() -> None:
    mine = tokens_of(settings("https://www.tradingview.com", tradingview_cookies="sessionid=x"))
    for url, is_theirs in (
        ("https://fr.tradingview.com/", True),
        ("http://fr.tradingview.com/", False),
        ("https://tradingview.com.example.org/", False),
        ("https://eviltradingview.com/", False),
    ):
        assert mine._is_theirs(url) is is_theirs


def test_when_a_token_ends_is_read_from_it_or_not_known() -> None:
    for text in ("", "a.b", "a.b.c", "a.!!!.c", "a.e30.c", "a.WzFd.c", "a.eyJleHAiOiJ4In0.c"):
        assert expiry_ms(text) is None
    assert expiry_ms("a.eyJleHAiOjE4MDAwMDAwMDB9.c") == 1_800_000_000_000


async def test_the_front_page_and_signing_in(simulator: Simulator) -> None:
    async with httpx.AsyncClient(base_url=simulator.http_url) as http:
        wrong = await http.post("/accounts/signin/", data={"username": "someone", "password": "wrong"})
        assert wrong.json()["code"] == "invalid_credentials"
        good = {"username": "someone", "password": "a good password", "remember": "on"}
        for how in ("two_factor", "captcha"):
            await fault(simulator.http_url, "signin", how=how)
            assert (await http.post("/accounts/signin/", data=good)).json()["error"]
        await fault(simulator.http_url, "none")
        right = await http.post("/accounts/signin/", data=good)
        assert simulator.sign_in.is_valid(right.json()["user"]["auth_token"])
        assert json.dumps(right.json()["user"]["auth_token"]) not in (await http.get("/")).text
        assert "auth_token" in (await http.get("/")).text


async def test_the_feed_lives_on_cookies_and_a_changed_file_ends_a_refusal(
    parts: Parts, prefix: str, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "RENEW_EVERY_S", 0.2)
    topics = topics_of(prefix)
    file = tmp_path / "cookies"
    file.write_text("sessionid=old; sessionid_sign=old")
    monkeypatch.setenv("TRADINGVIEW_COOKIES_FILE", str(file))
    async with (
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.feed.name, 1) as events,
        stalls() as stalled,
    ):
        await desired.want(NAME)
        chosen = settings_of(
            parts, prefix, simulator.url, tradingview_http_url=simulator.http_url,
            tradingview_cookies=SecretStr(file.read_text()),
        )  # fmt: skip
        async with ingest(chosen, topics):
            await events.until(lambda: len(events.records) == 1)
            assert b"not logged in" in (events.records[0][2] or b"")
            assert log.ticks_of(NAME) == []
            file.write_text(simulator.sign_in.cookies())
            await log.until(lambda: len(log.ticks_of(NAME)) > 4)
        for _ in range(5):
            await log.read()
        await verify(simulator.http_url, log, [NAME], stalled)


async def test_a_live_connection_is_given_the_newer_token(
    parts: Parts, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "RENEW_EVERY_S", 0.2)
    topics = topics_of(prefix)
    async with (
        serve(SimulatorSettings(needs_token=True, token_seconds=tokens.RENEW_BEFORE_MS / 1000 + 3)) as simulator,
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
    ):
        await desired.want(NAME)
        chosen = settings_of(
            parts, prefix, simulator.url, tradingview_http_url=simulator.http_url,
            tradingview_cookies=SecretStr(simulator.sign_in.cookies()),
        )  # fmt: skip
        async with ingest(chosen, topics):
            await log.until(lambda: bool(simulator.connections) and simulator.connections[1].token is not None)
            first = simulator.connections[1].token
            await log.until(lambda: simulator.connections[1].token != first)
            count = len(log.ticks_of(NAME))
            await log.until(lambda: len(log.ticks_of(NAME)) > count + 1)
            assert set(simulator.connections) == {1}
