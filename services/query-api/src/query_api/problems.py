"""Errors as callers see them: `application/problem+json` (RFC 9457) with a stable code and the id of the request."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from contracts.errors import Unavailable
from contracts.http import PROBLEM_JSON, Fault, Problem, ProblemCode
from query_api.core.refusal import MOST_FAULTS, Refusal, fault

RETRY_AFTER_S = 5
"""What is proposed in `Retry-After` while a part is away: about how often the parts are looked at."""

_CODES = {
    401: ProblemCode.UNAUTHORIZED,
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    409: ProblemCode.CONFLICT,
    413: ProblemCode.TOO_LARGE,
    422: ProblemCode.INVALID_REQUEST,
    500: ProblemCode.INTERNAL,
    502: ProblemCode.SYNC_FAILED,
    503: ProblemCode.UNAVAILABLE,
}


class ProblemError(Exception):
    """Ends a request with this problem; the title is that of its status."""

    def __init__(self, status: int, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    code: ProblemCode | None = None,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response for a problem; its code is that of its status unless a closer one is named."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code or _CODES.get(status, ProblemCode.INVALID_REQUEST),
        detail=detail[:1000],
        request_id=getattr(request.state, "request_id", None),
        faults=tuple(faults[:MOST_FAULTS]),
    )
    return Response(body.model_dump_json(), status, headers, PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Have every error of a request answered with a problem."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem(request, 422, str(error), code=error.code, faults=error.faults)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(request, error.status, error.detail, faults=error.faults)


def _unavailable(request: Request, error: Exception) -> Response:
    """The part is named; what its client said stays in the log and at /readyz."""
    assert isinstance(error, Unavailable)
    detail = f"{error.what} is unavailable at the moment; try again"
    if request.method == "POST":
        detail += ". What was asked for may still be carried out; asking again does no harm"
    return problem(request, 503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(request, one) for one in error.errors()[:MOST_FAULTS]]
    return problem(request, 422, "; ".join(f"{one.where}: {one.message}" for one in faults), faults=faults)


def _fault(request: Request, error: Mapping[str, Any]) -> Fault:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "json_invalid":
        return fault("body", f"not JSON: {error.get('ctx', {}).get('error', error['msg'])}")
    if error["loc"] == ("body",) and "json" not in request.headers.get("content-type", ""):
        return fault("body", "send a JSON object with Content-Type: application/json")
    return fault(where, error["msg"])


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # FastAPI's word for a body that is not UTF-8 or nested beyond measure
        return problem(request, 422, "the body is not JSON", faults=[fault("body", "not JSON")])
    details = {
        404: f"there is nothing at {request.url.path[:200]}; GET /docs lists all there is",
        405: f"{request.method} is not possible here; possible: {(error.headers or {}).get('Allow', 'see GET /docs')}",
    }
    detail = details.get(error.status_code, error.detail)
    return problem(request, error.status_code, detail, headers=error.headers)
