"""Server-sent events: a stream of chunks as OpenAI and Anthropic write them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.errors import GatewayError, fault_within
from gateway.http.requests import encode, unless_gone
from gateway.pipeline import Pipeline, Stream
from gateway.records import Call, Operation
from gateway.upstream.lane import Piece

log = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"
# Their events have their type for a name, and the last one tells that it is the last.
_NAMED = (Operation.RESPONSES, Operation.MESSAGES)


class EventStream:
    """An ASGI response that opens a stream, sends its chunks, and closes it whatever happens.

    A failure before the first chunk is raised, as nothing is sent yet. One after it becomes an
    event with the error in the route's format, and the stream then ends without `[DONE]` or the
    event that takes its place: a cut answer must not look like a whole one.
    """

    def __init__(self, pipeline: Pipeline, call: Call) -> None:
        self._pipeline = pipeline
        self._call = call

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        # In one task, so that no cancellation comes between opening the stream and closing it.
        await unless_gone(receive, self._send(send))

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
                async for batch in stream:
                    await self._send_events(send, [self._told(piece, stream) for piece in batch])
            except GatewayError as error:
                # Quoted: a provider's words must not look like lines of the log.
                log.warning("A stream broke off: %r", error.message)
                await self._tell(send, error)
            except Exception:
                # It is logged further out, where nothing can be told any more.
                await self._tell(send, fault_within(self._call.request_id))
                raise
            else:
                if last := self._last(stream):
                    await send({"type": "http.response.body", "body": last, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _told(self, piece: Piece, _stream: Stream) -> Piece:
        """An event as the caller is to see it."""
        return piece

    def _last(self, _stream: Stream) -> bytes:
        """What tells that all has come, where the events do not."""
        return b"" if self._call.operation in _NAMED else DONE

    def _failure(self, error: GatewayError) -> dict[str, Any] | None:
        """The event that tells a failure, if any is to tell it."""
        if self._call.operation is Operation.MESSAGES:
            return error.anthropic_body(self._call.request_id)
        return error.body()

    async def _tell(self, send: Send, error: GatewayError) -> None:
        if failure := self._failure(error):
            await self._send_events(send, [Piece(failure)])

    async def _send_events(self, send: Send, batch: Sequence[Piece]) -> None:
        named = self._call.operation in _NAMED
        written = b"".join(map(_named if named else _plain, batch))
        await send({"type": "http.response.body", "body": written, "more_body": True})


def _plain(piece: Piece) -> bytes:
    return b"data: " + (piece.raw or encode(piece.body)) + b"\n\n"


def _named(piece: Piece) -> bytes:
    name: str = piece.body["type"]
    return b"event: " + name.encode() + b"\n" + _plain(piece)
