"""Server-sent events: a stream of chunks as OpenAI writes them."""

from __future__ import annotations

import contextlib
import logging

from starlette.types import Receive, Scope, Send

from gateway.errors import GatewayError
from gateway.http.requests import ClientGone, encode, unless_gone
from gateway.pipeline import Stream

log = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"


class EventStream:
    """An ASGI response that sends a stream's chunks, and closes it whatever happens.

    A failure after the first chunk becomes an event with OpenAI's error object, and the stream
    then ends without `[DONE]`: a cut answer must not look like a whole one.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with contextlib.suppress(ClientGone):
                await unless_gone(receive, self._send(send))
        finally:
            await self._stream.aclose()

    async def _send(self, send: Send) -> None:
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            # nginx would otherwise hold chunks back.
            "x-accel-buffering": "no",
            **self._stream.headers,
        }
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        try:
            async for chunk in self._stream:
                await _event(send, encode(chunk))
        except GatewayError as error:
            log.warning("A stream broke off: %s", error)
            await _event(send, encode(error.body()))
        else:
            await send({"type": "http.response.body", "body": DONE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _event(send: Send, data: bytes) -> None:
    body = b"data: " + data + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})
