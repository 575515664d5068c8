"""Signing in over HTTP, as far as clients need it: accounts, cookies, pages with a token (protocol §3.2, §3.3).

Failures on demand are those that clients meet: a wrong password, a second factor, a captcha, a page of the firewall,
cookies that are not logged in, redirects, a site that is away or has had too much.
"""

import base64
import json
from collections.abc import Callable, Mapping
from secrets import token_hex

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from tradingview_simulator.mischief import Mischief

FAILURES = ("two_factor", "captcha", "blocked", "not_logged_in", "too_many", "unavailable", "redirect", "loop")
REFUSED = {"blocked": 403, "too_many": 429, "unavailable": 503}
ACCOUNT = ("someone", "a good password")


class SignIn:
    """Issues cookies and tokens. Tokens end after `token_seconds`."""

    def __init__(self, now: Callable[[], int], token_seconds: float, mischief: Mischief) -> None:
        self._now = now
        self._mischief = mischief
        self._token_seconds = token_seconds
        self._sessions: set[tuple[str, str]] = set()
        self._tokens: dict[str, int] = {}

    def cookies(self) -> str:
        """The `Cookie` header of a browser that has just signed in."""
        session = (token_hex(16), token_hex(16))
        self._sessions.add(session)
        return f"sessionid={session[0]}; sessionid_sign={session[1]}"

    def token(self) -> str:
        """A token that begins to live now."""
        now = self._now() // 1000
        ends = now + int(self._token_seconds)
        parts = ({"alg": "RS512", "typ": "JWT"}, {"user_id": 1, "iat": now, "exp": ends, "plan": "", "perm": ""})
        encoded = [_base64(json.dumps(part).encode()) for part in parts]
        token = ".".join([*encoded, token_hex(16)])
        self._tokens[token] = ends * 1000
        return token

    def is_valid(self, token: object) -> bool:
        """Whether a token was issued here and has not ended."""
        return isinstance(token, str) and self._tokens.get(token, 0) > self._now()

    def page(self, request: Request) -> Response:
        """The front page: with cookies of a session it has the token of its user."""
        failure = self._failure()
        if failure in REFUSED:
            return _refused(failure)
        if failure == "loop" or (failure == "redirect" and "fr" not in request.query_params):
            return RedirectResponse("/?fr", 302)
        session = (request.cookies.get("sessionid", ""), request.cookies.get("sessionid_sign", ""))
        user: dict[str, object] = {"is_authenticated": False}
        if session in self._sessions and failure != "not_logged_in":
            user = {"id": 1, "username": ACCOUNT[0], "auth_token": self.token()}
        return HTMLResponse(f"<html><script>var user = {json.dumps(user, separators=(',', ':'))};</script></html>")

    def sign_in(self, form: Mapping[str, str]) -> Response:
        """`POST /accounts/signin/`: a failure is told in the body, not by the status."""
        failure = self._failure()
        if failure in REFUSED:
            return _refused(failure)
        if failure == "two_factor":
            return JSONResponse({"error": "2FA_required", "code": "2FA_required"})
        if failure == "captcha":
            return JSONResponse({"error": "Please confirm that you are not a robot.", "code": "recaptcha_required"})
        if (form.get("username"), form.get("password")) != ACCOUNT:
            return JSONResponse({"error": "Invalid username or password", "code": "invalid_credentials"})
        answer = JSONResponse(
            {"error": "", "user": {"id": 1, "username": ACCOUNT[0], "auth_token": self.token(), "session_hash": ""}}
        )
        for cookie in self.cookies().split("; "):
            name, _, value = cookie.partition("=")
            answer.set_cookie(name, value)
        return answer

    def _failure(self) -> str:
        fault = self._mischief.strike("signin")
        return fault["how"] if fault is not None else ""


def _refused(failure: str) -> Response:
    status = REFUSED[failure]
    return HTMLResponse(f"<html><body>{status} Request refused.</body></html>", status)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
