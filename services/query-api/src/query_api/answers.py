"""What routes answer with: bodies as JSON, and what OpenAPI says of problems."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from contracts.http import PROBLEM_JSON, Body

_PROBLEM = {"content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_MEANINGS = {
    401: "X-API-Key is missing or wrong",
    404: "There is none; the detail says why",
    409: "The Idempotency-Key was used for something else",
    413: "The body is too large",
    422: "Something in the request is invalid; the faults say what would be valid",
    502: "The provider did not deliver; the detail has its cause",
    503: "Kafka, MongoDB or Redis is away; try again after Retry-After seconds",
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The `responses` of a route for these problems."""
    return {status: {"description": _MEANINGS[status], **_PROBLEM} for status in statuses}


def answer(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A body as JSON."""
    return Response(body.model_dump_json(), status, headers, "application/json")


def json_answer(body: bytes) -> Response:
    """A body that is JSON already."""
    return Response(body, media_type="application/json")
