"""Server-sent events: a stream of chunks as OpenAI writes them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from starlette.types import Message, Receive, Scope, Send

from gateway.errors import GatewayError
from gateway.http.requests import ClientGone, encode, unless_gone
from gateway.pipeline import Pipeline
from gateway.records import Call

log = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"
# As nginx's `send_timeout`: a client that reads nothing must not hold its call for ever.
STALLED_SECONDS = 60.0


class EventStream:
    """An ASGI response that opens a stream, sends its chunks, and closes it whatever happens.

    A failure before the first chunk is raised, as nothing is sent yet. One after it becomes an
    event with OpenAI's error object, and the stream then ends without `[DONE]`: a cut answer must
    not look like a whole one.
    """

    def __init__(self, pipeline: Pipeline, call: Call) -> None:
        self._pipeline = pipeline
        self._call = call

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await send(message)
            except TimeoutError:
                raise ClientGone from None

        # In one task, so that no cancellation comes between opening the stream and closing it.
        await unless_gone(receive, self._send(send_in_time))

    async def _send(self, send: Send) -> None:
        async with aclosing(await self._pipeline.stream(self._call)) as stream:
            headers = {
                "content-type": "text/event-stream; charset=utf-8",
                "cache-control": "no-cache",
                # nginx would otherwise hold chunks back.
                "x-accel-buffering": "no",
                **stream.headers,
            }
            raw = [
                (name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()
            ]
            await send({"type": "http.response.start", "status": 200, "headers": raw})
            try:
                async for chunk in stream:
                    await _event(send, encode(chunk))
            except GatewayError as error:
                # Quoted: a provider's words must not look like lines of the log.
                log.warning("A stream broke off: %r", error.message)
                await _event(send, encode(error.body()))
            else:
                await send({"type": "http.response.body", "body": DONE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _event(send: Send, data: bytes) -> None:
    body = b"data: " + data + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})
