"""The HTTP surface: routes, guards and problems on one application, without the parts behind it."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import Lifespan

from contracts.http import Problem
from query_api import market_data, operations, problems, quotes
from query_api.auth import Guard
from query_api.bodies import BodyBound
from query_api.envelope import Envelope

_DESCRIPTION = (
    "Live quotes, bars and history of TradingView's symbols. Times are RFC 3339 in UTC. Requests that change "
    "something carry X-API-Key. Errors are application/problem+json with a stable code and the X-Request-ID that "
    "every answer carries."
)


def surface(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The application; `state.parts` must hold its `query_api.ports.Parts` before the first request."""
    app = FastAPI(
        title="Candlewick",
        version=version("query-api"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.include_router(market_data.router)
    app.include_router(quotes.router)
    app.include_router(operations.router)
    problems.install(app)
    # The last one added is the outermost: every answer has an id, a key is judged before a body is read.
    app.add_middleware(BodyBound)
    app.add_middleware(Guard)
    app.add_middleware(Envelope)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas |= schema.pop("$defs", {}) | {"Problem": schema}
        app.openapi_schema = document
    return app.openapi_schema
