"""A provider that streams at a steady pace: `python -m benchmarks.peers.paced_upstream PORT PACE`,
PACE in tokens a second.

Each token holds the moment it was sent, in ns of the clock that all processes share; how many
there are is the call's `max_tokens`. As lean as Python gets, to leave the machine to what is
measured.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import cast

import httptools
import uvloop

from benchmarks.peers.canned import DONE, chunk, chunks

_TOKENS = re.compile(rb'"max_(?:completion_)?tokens":\s*(\d+)')
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_BEFORE, _AFTER = chunk({"content": "t# "}).split(b"#")
_NS_DIGITS = 19
_SIZE = b"%x\r\n" % (len(_BEFORE) + _NS_DIGITS + len(_AFTER))
_END = b"".join(chunks([])) + DONE


class Connection(asyncio.Protocol):
    """Calls one after another."""

    def __init__(self, pace: float) -> None:
        self._interval = 1 / pace
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of it.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        found = _TOKENS.search(self._body)
        self._body = b""
        self._left = int(found[1]) if found else 1
        self._at = self._loop.time()
        self._transport.write(_HEAD)
        self._send()

    def _send(self) -> None:
        token = b"%s%s%019d%s\r\n" % (_SIZE, _BEFORE, time.monotonic_ns(), _AFTER)
        self._left -= 1
        if self._left:
            self._at += self._interval
            self._timer = self._loop.call_at(self._at, self._send)
            self._transport.write(token)
        else:
            self._transport.write(b"%s%x\r\n%s\r\n0\r\n\r\n" % (token, len(_END), _END))


async def _serve(port: int, pace: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(pace), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
