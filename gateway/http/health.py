"""Probes, without a key. Texts are LiteLLM's."""

from __future__ import annotations

from sqlalchemy.exc import DatabaseError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.http.requests import json_response, services


async def liveness(_: Request) -> Response:
    """The process answers."""
    return PlainTextResponse('"I\'m alive!"', media_type="application/json")


async def readiness(request: Request) -> Response:
    """Calls will be answered at once: litellm is imported and the database known."""
    try:
        await services(request).store.database.stamps()
    except DatabaseError:
        return json_response({"status": "unhealthy", "db": "Not connected"}, 503)
    ready = services(request).lane.ready
    state = "healthy" if ready else "starting"
    return json_response({"status": state, "db": "connected"}, 200 if ready else 503)
