"""What the wires share: reading a request, JSON answers, streams of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

Json = dict[str, Any]
Endpoint = Callable[[Json], Response]


async def read(request: Request) -> Json:
    """The body, JSON or a form; of a form's file, its bytes."""
    if request.headers["content-type"].startswith("multipart/form-data"):
        async with request.form() as form:
            return {
                name: value if isinstance(value, str) else await value.read()
                for name, value in form.items()
            }
    body: Json = orjson.loads(await request.body())
    return body


def json_response(body: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def event_stream(events: Iterable[Json | str], *, named: bool = False) -> Response:
    """Server-sent events, `named` after their type; a text is sent as it is."""

    async def sent() -> AsyncIterator[bytes]:
        for event in events:
            if isinstance(event, str):
                yield f"data: {event}\n\n".encode()
                continue
            name = f"event: {event['type']}\n".encode() if named else b""
            yield name + b"data: " + orjson.dumps(event) + b"\n\n"

    return StreamingResponse(sent(), media_type="text/event-stream")


def text_of(content: Any) -> str:
    """The text of a message, whose content may be in parts."""
    if isinstance(content, str):
        return content
    texts = (part if isinstance(part, str) else part.get("text", "") for part in content or ())
    return " ".join(text for text in texts if text)
