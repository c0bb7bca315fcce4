"""HTTP as uvicorn speaks it, with bounds on what a client can send before anyone asks for its key,
and on how long it may send and read nothing; and an end that cuts off no request.

uvicorn with httptools collects a request's line and headers without end (60 MB of short headers
took 1.4 GB of memory), and waits for them for ever; so it does for a body, and for a client that
reads nothing of its answer. When it ends, it closes idle connections at once, with requests on
their way: a proxy cannot know whether such a call was made, and has to fail it.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.errors import GatewayError, HeadTooLarge, InvalidRequest

# nginx takes 4 headers of 8 KiB.
MOST_HEAD_BYTES = 64 * 1024
# For a request's line and headers, and between two pieces of its body.
CLIENT_SECONDS = 30.0
# What a connection that nothing comes over is kept for while the gateway ends.
ENDING_SECONDS = 5
# As nginx's `send_timeout`: a client that reads nothing must not hold its call for ever.
STALLED_SECONDS = 60.0


class _Gathering:
    """A transport that sends together what is written in one turn of the event loop: uvicorn
    writes the head of an answer apart from its body."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _send(self) -> None:
        parts, self._parts = self._parts, []
        # The client may have gone meanwhile.
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client's."""

    _waiting: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    # By the loop's clock, when some of the body came that is coming; None while none is.
    _came: float | None = None
    # Bytes of the request's line, headers and trailers.
    _head = 0
    # Bytes that came since a request began or some of its body came: of a header, say, that the
    # parser tells of only when it is whole.
    _pending = 0
    _moved = False
    _ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, _Gathering(transport, self.loop))
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._reads_again()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Tell the client with the next answer that it is the last one here.

        A connection that waits for a request is closed once it has waited for `ENDING_SECONDS`.
        """
        self._ending = True
        self.timeout_keep_alive = min(self.timeout_keep_alive, ENDING_SECONDS)
        if self.cycle is None or self.cycle.response_complete:
            self._unset_keepalive_if_required()
            self._wait_no_more()
            self._waiting = self.loop.call_later(self.timeout_keep_alive, self._waited)
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._reads_again()
        super().resume_writing()

    def _reads_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def data_received(self, data: bytes) -> None:
        self._moved = False
        super().data_received(data)
        self._pending = 0 if self._moved else self._pending + len(data)
        if self._pending > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._moved = True
        self._head = 0
        if self._waiting is None:
            self._wait()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + len(": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._came = self.loop.time()
        if self._ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._moved = True
        self._came = self.loop.time()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._came = None
        self._wait_no_more()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._came is not None:
            # The request behind it is waited for from now on.
            self._came = self.loop.time()

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > MOST_HEAD_BYTES:
            # uvicorn answers an exception in a callback by send_400_response.
            raise ValueError("the request's line and headers are too large")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are not ours
        error: GatewayError
        if max(self._head, self._pending) > MOST_HEAD_BYTES:
            error = HeadTooLarge(
                f"The request's line and headers are larger than {MOST_HEAD_BYTES} bytes"
            )
        else:
            error = InvalidRequest("This is no valid HTTP/1.1 request")
        body = json.dumps(error.body()).encode()
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(CLIENT_SECONDS, self._waited)

    def _waited(self) -> None:
        if self._came is None or self.cycle.response_complete:
            self.timeout_keep_alive_handler()
            return
        now = self.loop.time()
        if self.flow.read_paused or self.pipeline:
            # Nobody reads what may have come, or waits for it: another request is first.
            self._came = now
        elif now - self._came >= CLIENT_SECONDS:
            # The app gets an empty piece, and knows: see `gateway.http.requests.Body`.
            self.cycle.message_event.set()
            self._came = now
        self._waiting = self.loop.call_at(self._came + CLIENT_SECONDS, self._waited)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
