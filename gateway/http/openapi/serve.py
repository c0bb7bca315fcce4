"""`GET /openapi.json`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute


class Document:
    """The document of the app that answers, made when it is first asked for."""

    def __init__(self) -> None:
        self._made: bytes | None = None
        self._turn = asyncio.Lock()

    async def answer(self, request: Request) -> Response:
        async with self._turn:
            if self._made is None:
                # In a thread: calls go on meanwhile.
                self._made = await asyncio.to_thread(_made, request.app.routes)
        return Response(self._made, media_type="application/json")


def _made(routes: Sequence[BaseRoute]) -> bytes:
    # Here, as most gateways that start are never asked.
    from gateway.http.openapi.document import document

    return orjson.dumps(document(routes))
