"""What a provider does wrong: scripts for `tests.faulty`."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence

from tests.faulty import STREAM, Json, Script, Wire
from tests.servers import chunk, chunks, completion

Piece = Json | str | bytes

# Longer than any timeout of these tests.
FOR_EVER = 30.0
# Apart by so much, two things arrive as two.
PAUSE = 0.02
DONE = "data: [DONE]\n\n"
ROLE = chunk({"role": "assistant", "content": ""})
SAID: Sequence[Piece] = (ROLE, chunk({"content": "one"}), chunk({"content": " two"}))
ERROR = {"error": {"message": "full", "type": "overloaded", "code": 529}}
HTML = "<html><body>Welcome to inside.example</body></html>"
HELLO = json.dumps(completion("Hello from the faulty provider.")).encode()
BROKEN_TEXT = b"\xff\xfe"


def answers(
    status: int, body: Json | str | bytes, kind: str = "application/json", **headers: str
) -> Script:
    """A whole answer in order."""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else None
    data = json.dumps(body).encode() if data is None else data

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.head(kind, status, content_length=len(data), **headers)
        await wire.send(data)

    return script


def streams(*pieces: Piece, then: Script | None = None) -> Script:
    """Events, and what comes of the connection then: it is closed unless a script says."""

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.head(STREAM)
        for piece in pieces:
            await (wire.send(piece) if isinstance(piece, bytes) else wire.event(piece))
            # What is sent together is read together.
            await asyncio.sleep(PAUSE)
        if then:
            await then(wire)

    return script


async def closes(_: Wire) -> None:
    """Nothing comes, and the connection ends in order."""


async def resets(wire: Wire) -> None:
    wire.reset()


async def hangs(wire: Wire) -> None:
    """Nothing more comes, until the caller leaves."""
    await asyncio.wait_for(wire.gone(), FOR_EVER)


def reads(then: Script) -> Script:
    """Takes the request, and does that."""

    async def script(wire: Wire) -> None:
        await wire.read()
        await then(wire)

    return script


def halves(then: Script) -> Script:
    """Half of a whole answer, and then that."""

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.head(content_length=len(HELLO))
        await wire.send(HELLO[: len(HELLO) // 2])
        await asyncio.sleep(PAUSE)
        await then(wire)

    return script


def never_ends(*pieces: Piece, kind: str = STREAM) -> Script:
    """An answer that goes on for ever, with a line that does."""

    async def endless(wire: Wire) -> None:
        await wire.send(b'data: {"id": "' if kind == STREAM else b'{"id": "')
        while True:
            await wire.send(b"x" * 65536)

    async def whole(wire: Wire) -> None:
        await wire.read()
        await wire.head(kind)
        await endless(wire)

    return streams(*pieces, then=endless) if kind == STREAM else whole


async def never_stops_talking(wire: Wire) -> None:
    """A stream in order, but without an end."""
    await wire.read()
    await wire.head(STREAM)
    number = 0
    while True:
        number += 1
        await wire.event(chunk({"content": f"{number:4000}"}))


# A thousand times as much as it takes on the wire.
BOMB = answers(200, gzip.compress(b" " * 64 * 1024 * 1024), content_encoding="gzip")
GARBLED = HELLO.replace(b"Hello", BROKEN_TEXT)
GARBLED_EVENT = f"data: {json.dumps(chunk({'content': 'x'}))}\n\n".encode().replace(
    b'"x"', b'"' + BROKEN_TEXT + b'"'
)
# The JSON of an event breaks off.
MALFORMED = 'data: {"id": "chatcmpl-1", "choices": [{"index"\n\n'
REST: Sequence[Piece] = (*chunks()[2:], DONE)
