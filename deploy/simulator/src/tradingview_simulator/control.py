"""The HTTP port: faults on demand, the journal, and the model's own truth."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tradingview_simulator.model.bars import RESOLUTIONS, bars, values_of
from tradingview_simulator.orders import FaultError

if TYPE_CHECKING:
    from tradingview_simulator.server import Simulator

MOST_ENTRIES = 50_000
LARGEST_FORM = 10_000


def control_app(simulator: "Simulator") -> Starlette:
    """The application behind the HTTP port."""

    async def healthz(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def connections(request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "connections": [
                    {"connection": each.number, "opened_at_ms": each.opened_at_ms, "sessions": each.sessions}
                    for each in simulator.connections.values()
                ]
            }
        )

    async def drop(request: Request) -> JSONResponse:
        try:
            body = await request.json() if await request.body() else {}
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("connection", 0), int):
            raise HTTPException(422, 'the body is empty or {"connection": <number>}')
        wanted = body.get("connection")
        dropped = [number for number in list(simulator.connections) if wanted in (None, number)]
        for number in dropped:
            simulator.connections[number].drop()
        return JSONResponse({"dropped": dropped})

    async def fault(request: Request) -> JSONResponse:
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise HTTPException(422, 'the body is {"fault": <name>, …}; GET /control/faults lists them')
        try:
            return JSONResponse(simulator.faults.do(body))
        except FaultError as error:
            raise HTTPException(422, str(error)) from None

    async def faults(request: Request) -> JSONResponse:
        return JSONResponse({"on": simulator.faults.on, "known": simulator.faults.known})

    async def journal(request: Request) -> JSONResponse:
        query = request.query_params
        limit = min(_number(query, "limit", 1_000), MOST_ENTRIES)
        return JSONResponse(simulator.journal.page(_number(query, "after", 0), limit, query.get("symbol")))

    async def model_bars(request: Request) -> JSONResponse:
        query = request.query_params
        tape = simulator.market.tape(query.get("symbol", ""))
        resolution = RESOLUTIONS.get(query.get("resolution", ""))
        if tape is None or resolution is None:
            raise HTTPException(422, f"a known symbol and a resolution of {', '.join(RESOLUTIONS)} are needed")
        instrument = tape.instrument
        count = min(_number(query, "count", 100), simulator.settings.max_bars)
        until_ms = simulator.settings.now() - instrument.delay_s * 1_000
        until_ms = min(until_ms, _number(query, "until_ms", until_ms))
        found = await run_in_threadpool(bars, tape, resolution, until_ms, count)
        return JSONResponse({"until_ms": until_ms, "bars": [values_of(instrument, bar) for bar in found]})

    async def page(request: Request) -> Response:
        return simulator.sign_in.page(request)

    async def sign_in(request: Request) -> Response:
        body = await request.body()
        try:
            form = dict(parse_qsl(body[:LARGEST_FORM].decode(), max_num_fields=20))
        except ValueError:
            raise HTTPException(400, "the form is URL-encoded") from None
        return simulator.sign_in.sign_in(form)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/accounts/signin/", sign_in, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/control/connections", connections),
            Route("/control/drop", drop, methods=["POST"]),
            Route("/control/fault", fault, methods=["POST"]),
            Route("/control/faults", faults),
            Route("/control/journal", journal),
            Route("/control/bars", model_bars),
        ]
    )


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise HTTPException(422, f"{name} is a whole number")
    return int(text)
