"""HTTP byte by byte, where a client would tidy up or refuse what is sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [A-Z]")


@dataclass(frozen=True)
class Answers:
    """Everything that came back until the server closed the connection."""

    raw: bytes

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in _STATUS.findall(self.raw)]

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace")

    @property
    def error(self) -> Any:
        """The error object of the only answer."""
        [_] = self.statuses
        return json.loads(self.raw.partition(b"\r\n\r\n")[2])["error"]


async def exchange(url: str, request: bytes) -> Answers:
    """Send bytes and read to the end, which a request asks for by `connection: close`.

    A server that hangs up on what it will not read may take back the end of its answer (TCP).
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        async with asyncio.timeout(20):
            read = bytearray()
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(2**16):
                    read += piece
            return Answers(bytes(read))
    finally:
        writer.close()


def request(
    method: str, target: str, *headers: str, body: bytes = b"", host: str = "gateway"
) -> bytes:
    """One request of the bytes given; no content-length that `headers` does not name."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}", "connection: close", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def bearer(secret: str) -> str:
    return f"authorization: Bearer {secret}"
