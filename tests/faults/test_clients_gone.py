"""Callers who leave, at each point of a call: its provider's side ends within a tenth of a second.

The time is taken at the provider, from the moment when the caller closes its connection. Of three
tries the best counts, as the machine may be busy with others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from gateway.records import Operation
from tests import calls, messages
from tests.faults import scripts as does
from tests.faults.conftest import NEVER
from tests.faults.scripts import SAID
from tests.faulty import Faulty, Script, Wire
from tests.fleet import Fleet
from tests.servers import chunks

SOON = 0.1
CHAT, MESSAGES = Operation.CHAT, Operation.MESSAGES
EVENTS = messages.frames(messages.events("one", " two"))


@dataclass(frozen=True)
class Point:
    """When a caller leaves, and what its row says then."""

    script: Script
    until: bytes | Callable[[Wire], bool]
    """What the caller has read by then; or what the provider has seen."""
    streams: bool
    completion: int = 0
    status: int = 499
    model: str = "patient"
    operation: Operation = CHAT


def asked(wire: Wire) -> bool:
    return bool(wire.request)


def begun(wire: Wire) -> bool:
    return wire.sent > 0


POINTS = {
    "connecting": Point(does.hangs, lambda _: True, False, model="untrusted"),
    "connecting a stream": Point(does.hangs, lambda _: True, True, model="untrusted"),
    "before headers": Point(does.reads(does.hangs), asked, False),
    "before a stream's headers": Point(does.reads(does.hangs), asked, True),
    "amid a whole answer": Point(does.halves(does.hangs), begun, False),
    "before the first token": Point(does.streams(does.ROLE, then=does.hangs), begun, True),
    "midway": Point(does.streams(*SAID, then=does.hangs), b" two", True, 2, 200),
    # A token for each four bytes of a piece.
    "after the last piece": Point(
        does.streams(*chunks(), then=does.hangs), b'"stop"', True, 10, 200
    ),
    "Anthropic's, before headers": Point(does.reads(does.hangs), asked, True, model="left claude"),
    "Anthropic's, midway": Point(
        does.streams(*EVENTS[:5], then=does.hangs), b" two", True, 2, 200, "left claude"
    ),
    "messages, before headers": Point(
        does.reads(does.hangs), asked, False, model="left claude", operation=MESSAGES
    ),
    "messages, midway": Point(
        does.streams(*EVENTS[:5], then=does.hangs), b" two", True, 2, 200, "left claude", MESSAGES
    ),
}


@pytest.fixture(scope="module", autouse=True)
async def _models(_fleet: Fleet, _faulty: Faulty) -> None:
    url = _faulty.url
    at = {"provider": "anthropic", "base_url": url}
    await _fleet.register("left claude", "a", at, model="claude-sonnet-4-5", timeout=NEVER)
    # To a plain port, which does not answer.
    at = {"base_url": url.replace("http:", "https:")}
    await _fleet.register("untrusted", "a", at, timeout=NEVER)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def leave(fleet: Fleet, faulty: Faulty, point: Point) -> float:
    """Call, and leave at that point. Returns the seconds until the provider noticed."""
    faulty.wires.clear()
    faulty.script = point.script
    body = {"model": point.model, "stream": point.streams, **calls.REQUESTS[point.operation]}
    content = json.dumps(body).encode()
    address = httpx.URL(fleet.gateway.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    lines = [f"POST /v1{point.operation} HTTP/1.1", "host: x", f"authorization: Bearer {fleet.key}"]
    writer.write(
        "\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content
    )
    if isinstance(point.until, bytes):
        await asyncio.wait_for(reader.readuntil(point.until), 10)
    else:
        reached = point.until
        await until(lambda: bool(faulty.wires) and reached(faulty.wires[0]))
        # What the provider has just sent is to be read.
        await asyncio.sleep(0.03)
    [wire] = faulty.wires
    assert wire.left is None
    left = asyncio.get_running_loop().time()
    writer.transport.abort()
    await until(lambda: wire.left is not None)
    return (wire.left or 0) - left


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
async def test_the_provider_is_left_at_once(fleet: Fleet, faulty: Faulty, point: Point) -> None:
    took: list[float] = []
    while not took or (took[-1] >= SOON and len(took) < 3):
        took.append(await leave(fleet, faulty, point))
    assert min(took) < SOON
    # Nobody tries again for who has left.
    assert len(faulty.wires) == 1
    await fleet.idle()
    rows = await fleet.gateway.rows(fleet.key_id, len(took))
    assert len(rows) == len(took)
    for row in rows:
        told = (row.outcome, row.status, row.error, row.retries)
        assert told == ("cancelled", point.status, "cancelled", 0)
        assert (row.prompt_tokens, row.completion_tokens) == (9, point.completion)
        assert row.estimated
        assert row.cost == 9 * 1000 + point.completion * 2000


async def test_a_provider_that_keeps_a_finished_stream_open_is_left(
    fleet: Fleet, faulty: Faulty
) -> None:
    """Its caller need not leave for that."""
    faulty.script = does.streams(*chunks(), does.DONE, then=does.hangs)
    response = await fleet.chat("patient", stream=True)
    assert response.text.endswith(does.DONE)
    [wire] = faulty.wires
    await until(lambda: wire.left is not None)
    row = await fleet.row()
    assert (row.outcome, row.prompt_tokens, row.completion_tokens) == ("complete", 11, 6)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_leaves_while_another_deployment_answers(
    fleet: Fleet, faulty: Faulty, stream: bool
) -> None:
    """After a fault: what is booked is of the deployment that was at work."""

    async def hangs(wire: Wire) -> None:
        first = len(faulty.wires) == 1
        await (does.resets(wire) if first else does.reads(does.hangs)(wire))

    faulty.script = hangs
    calling = asyncio.create_task(fleet.chat("patient", stream=stream))
    await until(lambda: len(faulty.wires) == 2 and bool(faulty.wires[1].request))
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    await until(lambda: faulty.wires[1].left is not None)
    row = await fleet.row()
    assert (row.outcome, row.status, row.retries) == ("cancelled", 499, 1)
    assert len(faulty.wires) == 2
