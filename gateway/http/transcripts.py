"""Reading what was asked and answered: `/api/v1/gateway/usage/requests/{id}/transcript`."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.display import timestamp
from gateway.http.requests import actor, json_response, services


async def get_transcript(request: Request) -> Response:
    """The redacted prompt and answer of one request. That it was read is in the audit log."""
    by = actor(request)
    found = await services(request).store.transcripts.read(request.path_params["id"], by)
    body = {
        "id": found.id,
        "object": "transcript",
        "started_at": timestamp(found.started_ms // 1000),
        "request": orjson.loads(found.request),
        "response": None if found.response is None else orjson.loads(found.response),
    }
    # No cache on the way may keep it.
    return json_response(body, headers={"cache-control": "no-store"})
