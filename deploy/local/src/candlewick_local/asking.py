"""Requests to the processes that were started here. Touches HTTP on loopback, past any proxy of the environment."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from candlewick_local.errors import Refusal


def why_not_ready(url: str) -> str | None:
    """None when the URL answers 200; else what it says, or that nothing answers."""
    where = urlsplit(url)
    # Asked ten times a second of every process: a client that reads certificates first would cost more than the answer.
    connection = HTTPConnection(where.netloc, timeout=2)
    try:
        connection.request("GET", where.path)
        answer = connection.getresponse()
        return None if answer.status == HTTPStatus.OK else _waiting_for(answer.status, answer.read(10_000))
    except (OSError, HTTPException):
        return "it does not answer yet"
    finally:
        connection.close()


def subscribe(api: str, key: str, symbols: Sequence[str]) -> None:
    """Ask the API for these symbols. Raises `Refusal` with its answer when it says no."""
    headers, body = {"X-API-Key": key}, {"symbols": list(symbols)}
    try:
        answer = httpx.post(f"{api}/quotes/subscribe", json=body, headers=headers, timeout=15, trust_env=False)
    except httpx.HTTPError as error:
        raise Refusal(f"the API did not take the first symbols: {type(error).__name__}") from None
    if answer.is_error:
        raise Refusal(f"the API refused the first symbols: {answer.text[:2_000]}")


def series(api: str, exchange: str, symbol: str, **query: str) -> list[dict[str, Any]]:
    """Bars of a series as the API answers them; empty when it cannot answer at this moment."""
    url = f"{api}/market-data/ohlcv/{exchange}/{quote(symbol, safe='')}"
    try:
        answer = httpx.get(url, params=query, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return []
    return [] if answer.is_error else list(answer.json()["bars"])


def _waiting_for(status: int, body: bytes) -> str:
    """The reasons in the body of a /readyz that says no."""
    try:
        waiting = json.loads(body)["waiting"]
        return "; ".join(f"{name}: {reason}" for name, reason in waiting.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {status}"
