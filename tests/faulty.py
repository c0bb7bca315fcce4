"""A provider that fails on the wire: a plain socket, on which a test's script says each byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

STREAM = "text/event-stream"


@dataclass
class Wire:
    """One connection of a caller.

    Attributes:
        request: What it sent, once that has come; empty before.
        left: By the loop's clock, when it went away; None while it is there.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: Json = field(default_factory=dict)
    left: float | None = None
    sent: int = 0
    """Bytes, as far as the connection took them."""

    async def read(self) -> None:
        """Take the request, which must be JSON."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        [length] = [
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        self.request = json.loads(await self.reader.readexactly(length))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def head(
        self, kind: str = "application/json", status: int = 200, **headers: object
    ) -> None:
        """Begin an answer that ends where the connection does, unless a `content_length` says."""
        lines = [f"HTTP/1.1 {status} As told", f"content-type: {kind}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def event(self, event: Json | str) -> None:
        """One event of a stream: JSON, or raw text as it is."""
        text = event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n"
        await self.send(text.encode())

    def reset(self) -> None:
        """Break the connection off, without an orderly end."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the caller goes away."""
        # What breaks a connection off counts as well as what ends it.
        with contextlib.suppress(OSError):
            while await self.reader.read(65536):
                pass
        self.left = asyncio.get_running_loop().time()


Script = Callable[[Wire], Awaitable[None]]


@dataclass
class Faulty:
    """The provider. `script` is what it does with each connection, after which that is closed."""

    script: Script | None = None
    wires: list[Wire] = field(default_factory=list)
    url: str = ""

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.wires.append(wire)
        assert self.script is not None
        # The caller may go away at any time.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self.script(wire)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    @contextlib.asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Faulty]:
        """Listen on a free port of 127.0.0.1."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        try:
            yield self
        finally:
            server.close()
            for wire in self.wires:
                wire.writer.transport.abort()
            await server.wait_closed()
