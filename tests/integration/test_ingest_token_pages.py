"""What ingest-ws makes of the pages that answer its session cookies: how far, how long and for what it reads on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from pydantic import SecretStr

from chassis.clock import now_ms
from chassis.settings import SecretSource
from contracts.errors import Unavailable
from ingest_ws import tokens
from ingest_ws.settings import IngestSettings
from ingest_ws.tokens import Tokens, Unauthorized
from tests.support.ingest import fault
from tradingview_simulator import Simulator, SimulatorSettings, serve

PAGE = b'<html>user = {"auth_token":"a-token-of-a-page"};</html>'


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with serve(SimulatorSettings()) as running:
        yield running


def tokens_of(url: str, cookies: str = "sessionid=x", now: Callable[[], int] = now_ms) -> Tokens:
    chosen = IngestSettings(
        redis_url=SecretStr("redis://127.0.0.1"), tradingview_http_url=url, tradingview_cookies=SecretStr(cookies)
    )
    given, session = SecretSource(chosen, "tradingview_auth_token"), SecretSource(chosen, "tradingview_cookies")
    return Tokens(given, session, url, now)


@asynccontextmanager
async def site(head: str, body: bytes = b"", *, hangs: bool = False) -> AsyncIterator[str]:
    """A site that gives every request the same answer."""

    answers: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {head}\r\nconnection: close\r\n\r\n".encode() + body)
            if hangs:
                await reader.read()
            writer.close()
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.add(asyncio.create_task(answer(reader, writer)))

    async with await asyncio.start_server(begin, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*answers)


async def test_a_page_has_a_token_and_those_who_ask_at_once_share_one_request(simulator: Simulator) -> None:
    mine = tokens_of(simulator.http_url, simulator.sign_in.cookies())
    first, *others = await asyncio.gather(*(mine.current() for _ in range(5)))
    assert simulator.sign_in.is_valid(first)
    assert set(others) == {first}


@pytest.mark.parametrize(("hops", "is_followed"), [(tokens.MOST_HOPS, True), (tokens.MOST_HOPS + 1, False)])
async def test_redirects_are_followed_so_far(simulator: Simulator, hops: int, is_followed: bool) -> None:
    await fault(simulator.http_url, "signin", how="loop", count=hops)
    mine = tokens_of(simulator.http_url, simulator.sign_in.cookies())
    if is_followed:
        assert simulator.sign_in.is_valid(await mine.current())
    else:
        with pytest.raises(Unauthorized, match="redirected more than 5 times"):
            await mine.current()


@pytest.mark.parametrize(("how", "status"), [("too_many", "429"), ("unavailable", "503")])
async def test_a_site_that_has_had_too_much_or_is_away_is_waited_for(
    simulator: Simulator, how: str, status: str
) -> None:
    await fault(simulator.http_url, "signin", how=how)
    with pytest.raises(Unavailable, match=status):
        await tokens_of(simulator.http_url, simulator.sign_in.cookies()).current()


@pytest.mark.parametrize("cookies", ["sessionid=\N{RIGHT SINGLE QUOTATION MARK}", "\ufeffsessionid=x", "a=b\nc=d"])
async def test_cookies_that_no_header_may_hold_are_for_a_person_to_mend(cookies: str) -> None:
    with pytest.raises(Unauthorized, match="no header may"):
        await tokens_of("http://127.0.0.1:1", cookies).current()


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        ("200 OK\r\ncontent-type: application/json", PAGE, "is no page"),
        ("200 OK\r\ncontent-type: text/html", b" " * (tokens.LARGEST_PAGE + 1) + PAGE, "longer than"),
        ("200 OK\r\ncontent-type: text/html", b"<html>a captcha</html>", "not logged in"),
        ("302 Found\r\nlocation: http://localhost/", b"", "somebody else"),
        ("302 Found\r\nlocation: http://[oops", b"", "is no address"),
        ("302 Found\r\nlocation: http://127.0.0.1:99999999/", b"", "is no address"),
    ],
)
async def test_what_is_no_page_of_the_account_is_for_a_person_to_mend(head: str, body: bytes, said: str) -> None:
    async with site(head, body) as url:
        with pytest.raises(Unauthorized, match=said) as refused:
            await tokens_of(url, "sessionid=a-secret-cookie").current()
    assert "a-secret-cookie" not in repr(refused.value)


async def test_a_site_that_hangs_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "FETCH_WITHIN_S", 0.3)
    async with site("200 OK\r\ncontent-type: text/html", b"<html>", hangs=True) as url:
        with pytest.raises(Unavailable):
            await tokens_of(url).current()


async def test_a_site_that_cannot_be_reached_is_waited_for() -> None:
    async with site("200 OK") as url:
        pass
    with pytest.raises(Unavailable):
        await tokens_of(url).current()


async def test_a_token_that_does_not_say_when_it_ends_is_used_for_a_while() -> None:
    now = [1_000]
    async with site("200 OK\r\ncontent-type: text/html; charset=utf-8", PAGE) as url:
        mine = tokens_of(url, now=lambda: now[0])
        assert await mine.current() == "a-token-of-a-page"
    now[0] += tokens.UNTOLD_LIFE_MS - tokens.RENEW_BEFORE_MS - 1
    assert await mine.current() == "a-token-of-a-page"
    now[0] += 1
    with pytest.raises(Unavailable):
        await mine.current()


async def test_a_refusal_that_is_told_again_and_again_keeps_nothing_of_those_it_was_told(simulator: Simulator) -> None:
    await fault(simulator.http_url, "signin", how="not_logged_in")
    mine = tokens_of(simulator.http_url, simulator.sign_in.cookies())
    depths = []
    for _ in range(20):
        with pytest.raises(Unauthorized) as refused:
            await mine.current()
        depths.append(len(refused.traceback))
    assert depths[1] == depths[-1]
