"""Who we are to TradingView: nobody, a given token, or the account behind session cookies. Touches HTTP and files.

A token (JWT) lives about 15 minutes; cookies live for weeks. So with cookies a token is fetched when one is needed and
again before it ends: `GET /` with the cookies answers a page that has it (protocol §3.2, §3.3). A secret that came from
a file is read again when the file changes.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from chassis import logs
from chassis.redaction import SECRETS
from chassis.settings import SecretSource
from contracts.errors import Unavailable
from tradingview.connection import ANONYMOUS

FETCH_WITHIN_S = 15.0
RENEW_BEFORE_MS = 60_000
UNTOLD_LIFE_MS = 14 * 60_000
"""How long a fetched token is used that does not say when it ends."""
ASK_AGAIN_MS = 20_000
"""The least time between two fetches that fail."""
NEVER = 1 << 62
MOST_HOPS = 5
LARGEST_PAGE = 2 * 1024 * 1024
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
_COOKIES = re.compile(r"[\x20-\x7e]+")
_TOKEN = re.compile(rb'"auth_token"\s*:\s*"([A-Za-z0-9_.=-]{8,8192})"')

_log = logs.get("ingest_ws.tokens")


class Unauthorized(Exception):  # noqa: N818 - a verdict of the provider, not a mistake of ours
    """We have no identity that TradingView takes; only a person can change that. `reason` names no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Tokens:
    """The token to use now. `now_ms` is the wall clock in epoch milliseconds."""

    def __init__(self, token: SecretSource, cookies: SecretSource, http_url: str, now_ms: Callable[[], int]) -> None:
        self._given = token
        self._cookies = cookies
        self._http_url = http_url
        self._now_ms = now_ms
        self._lock = asyncio.Lock()
        self._fetched: tuple[str, str, int] | None = None
        """The cookies used, the token they gave, and when it ends."""
        self._failed: tuple[str, Unauthorized | Unavailable, int] | None = None
        """The cookies used, what came of it, and until when that stands without asking again."""

    def forget(self) -> None:
        """Ask again, though the same cookies, or the token they gave, were refused: a person wants it."""
        self._failed = self._fetched = None

    async def current(self) -> str:
        """The token for a new connection, or to be sent again on one that lives.

        Raises `Unavailable` where it cannot be had now, `Unauthorized` where trying again is in vain.
        """
        async with self._lock:
            cookies = await asyncio.to_thread(self._cookies.read)
            if cookies:
                return await self._of_cookies(cookies)
            token = await asyncio.to_thread(self._given.read) or ANONYMOUS
            ends_at = expiry_ms(token)
            if ends_at is not None and ends_at <= self._now_ms():
                raise Unauthorized("the token has expired")
            return token

    async def _of_cookies(self, cookies: str) -> str:
        now = self._now_ms()
        if not _COOKIES.fullmatch(cookies):
            raise Unauthorized("the session cookies hold what no header may: characters beyond ASCII, or a line's end")
        if self._fetched is not None:
            used, token, ends_at = self._fetched
            if used == cookies and now < ends_at - RENEW_BEFORE_MS:
                return token
        if self._failed is not None:
            used, failure, until = self._failed
            if used == cookies and now < until:
                raise failure.with_traceback(None)  # raised again and again, it would keep every frame it passed
        try:
            token = await self._fetch(cookies)
        except Unauthorized as error:
            self._failed = (cookies, error, NEVER)
            raise
        except Unavailable as error:
            self._failed = (cookies, error, now + ASK_AGAIN_MS)
            raise
        self._failed = None
        SECRETS.learn(token)
        ends_at = expiry_ms(token) or now + UNTOLD_LIFE_MS
        self._fetched = (cookies, token, ends_at)
        _log.info("a token was fetched", lasts_s=(ends_at - now) // 1000)
        return token

    async def _fetch(self, cookies: str) -> str:
        try:
            async with asyncio.timeout(FETCH_WITHIN_S), httpx.AsyncClient(timeout=FETCH_WITHIN_S) as http:
                page = await self._page(http, cookies)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise Unavailable("TradingView's sign-in", f"{type(error).__name__}") from None
        found = _TOKEN.search(page)
        if found is None:
            raise Unauthorized("the session cookies are not logged in")
        return found[1].decode()

    async def _page(self, http: httpx.AsyncClient, cookies: str) -> bytes:
        url = urljoin(self._http_url, "/")
        for _ in range(MOST_HOPS + 1):
            headers = {"Cookie": cookies, "User-Agent": USER_AGENT, "Accept": "text/html"}
            async with http.stream("GET", url, headers=headers) as answer:
                if answer.is_redirect:
                    url = self._redirected(url, answer.headers.get("location", ""))
                    continue
                if answer.status_code in {401, 403}:
                    raise Unauthorized(f"the page of the account was answered {answer.status_code}")
                if answer.status_code != 200:
                    raise Unavailable("TradingView's sign-in", f"answered {answer.status_code}")
                if not answer.headers.get("content-type", "").startswith("text/html"):
                    raise Unauthorized("the page of the account is no page: perhaps a challenge for browsers")
                page = bytearray()
                async for part in answer.aiter_bytes():
                    page += part
                    if len(page) > LARGEST_PAGE:
                        raise Unauthorized(f"the page of the account is longer than {LARGEST_PAGE} bytes")
                return bytes(page)
        raise Unauthorized(f"the page of the account was redirected more than {MOST_HOPS} times")

    def _redirected(self, url: str, location: str) -> str:
        """Where a redirect leads, if the cookies may be shown there."""
        try:
            url = urljoin(url, location)
            is_theirs = self._is_theirs(url) and (urlsplit(url).port or 1) > 0
        except ValueError:
            raise Unauthorized("the page of the account was redirected to what is no address") from None
        if not is_theirs:
            raise Unauthorized("the session cookies led to a page of somebody else")
        return url

    def _is_theirs(self, url: str) -> bool:
        """Whether a redirect stays with the same site (`fr.` for `www.`), and as secure: it gets the cookies."""
        ours, theirs = urlsplit(self._http_url), urlsplit(url)
        site = ".".join((ours.hostname or "").split(".")[-2:]) if _is_name(ours.hostname) else ours.hostname
        host = theirs.hostname or ""
        return theirs.scheme == ours.scheme and bool(site) and (host == site or host.endswith(f".{site}"))


def expiry_ms(token: str) -> int | None:
    """When a JWT ends (its claim `exp`), epoch milliseconds; None where it does not say, or is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    ends = claims.get("exp") if isinstance(claims, dict) else None
    return int(ends * 1000) if isinstance(ends, (int, float)) and 0 < ends < 1e11 else None


def _is_name(host: str | None) -> bool:
    return host is not None and not host.replace(".", "").isdigit() and ":" not in host
