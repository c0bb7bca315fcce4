"""One connection to a provider: a request and its answer, then the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httpx

from gateway.errors import UpstreamError
from gateway.upstream.http_reader import AnswerReader

# Of an answer that comes faster than it is read.
MOST_HELD = 256 * 1024
# More is not copied to go with its head.
_MOST_JOINED = 64 * 1024


class Connection(asyncio.Protocol):
    """Takes one request at a time.

    Attributes:
        reader: Of the answer to it.
        route: The name of the way that it leads.
        over: Whether it has ended or failed, as far as is known.
        lost: Whether nothing of it is left.
        rested: By the loop's clock, when it had its last answer.
    """

    rested = 0.0

    def __init__(self, route: str, tell: Callable[[Connection], None]) -> None:
        """`tell` is called at its end."""
        self.reader = AnswerReader()
        self.route = route
        self.over = False
        self.lost = False
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._made = False
        self._busy = False
        self._paused = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    # --- For who uses it -------------------------------------------------------------------------

    def send(self, head: bytes, body: bytes) -> None:
        """Make a request."""
        self.reader.expect()
        self._busy = True
        if self.over:
            # As `answered` will say.
            return
        if len(body) <= _MOST_JOINED:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def answered(self) -> None:
        """Wait until the answer's head is in `reader`.

        Raises:
            UpstreamError: It is no HTTP.
            httpx.TransportError: The connection broke off.
        """
        while not self.reader.status:
            if self._error is not None:
                raise self._error
            await self._changed()

    async def read(self) -> bytes:
        """What has come of the answer's body, as soon as there is some; nothing at its end.

        Raises what `answered` raises.
        """
        reader = self.reader
        while not reader.held:
            if reader.complete:
                return b""
            if self._error is not None:
                raise self._error
            await self._changed()
        self._resume()
        return reader.take()

    def rest(self) -> bool:
        """Whether another request can be made now."""
        self._busy = False
        # Nobody may have read what came.
        self._resume()
        free = not self.over and self.reader.complete and self.reader.reusable
        # Who has answered before all was sent will not read the rest as a request's end.
        return free and not self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """End it at once."""
        self.over = True
        if self._made:
            self._transport.abort()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    async def _changed(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # --- For the event loop ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._made = True
        if self.over:
            # Of a tunnel, from which something came before it was open.
            self.abort()

    def data_received(self, data: bytes) -> None:
        if not self._busy or self._error is not None:
            # Of who speaks unasked, nothing can be believed that comes next.
            self.abort()
            return
        reader = self.reader
        try:
            reader.feed(data)
        except UpstreamError as error:
            self._fail(error)
        if reader.held > MOST_HELD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        self.reader.close()
        self.lost = True
        self._tell(self)

    def _end(self, exc: Exception | None) -> None:
        self.over = True
        if exc is None:
            self.reader.end()
        if not self.reader.complete and self._error is None:
            self._error = httpx.ReadError("The connection ended before the answer")
            self._error.__cause__ = exc
        self._wake()

    def _fail(self, error: Exception) -> None:
        self._error = error
        self.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
