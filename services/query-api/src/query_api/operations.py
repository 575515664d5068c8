"""Routes for operators and readers of the documentation: probes, metrics, the docs page."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from query_api.core.docs_page import render
from query_api.ports import PartsOf

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> Response:
    """Whoever answers is alive: the event loop turns."""
    return JSONResponse({"alive": True})


@router.get("/readyz")
async def readyz(parts: PartsOf) -> Response:
    """Ready, or 503 with the reason of each condition that does not hold."""
    report = parts.ready.report()
    return JSONResponse(report, 200 if report["ready"] else 503)


@router.get("/metrics")
async def metrics() -> Response:
    """All metrics of the process, as Prometheus reads them."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """All operations on one page that needs nothing else."""
    return HTMLResponse(render(request.app.openapi()))


@router.get("/")
async def root() -> Response:
    """A browser that comes to the front door is shown the documentation."""
    return RedirectResponse("/docs")
