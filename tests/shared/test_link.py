"""What a process holds is in Redis once, whatever happens while it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.shared import Link, scripts
from gateway.shared.connection import Connection
from tests.redises import RedisServer

WHAT = "u:ever"


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    async with Link(redis_server.url, "test", "here") as made:
        yield made


def account(link: Link) -> str:
    return f"{link.prefix}account:a"


async def held(link: Link, redis_server: RedisServer) -> int:
    """What Redis has of the process, once it knows all."""
    # What was asked for before is answered before.
    await link.ask(scripts.OPEN, [account(link)], ["none", "ever", 0, 0, 0])
    await (link.told() or asyncio.sleep(0))
    living = redis_server.command("ZRANGE", f"{link.prefix}processes", 0, -1)
    fields = redis_server.command("HGETALL", account(link)).items()
    return sum(int(amount) for name, amount in fields if name.partition(b"@")[2] in living)


async def test_what_ends_while_it_comes_back_is_given_back(
    link: Link, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = account(link), WHAT
    await (link.change({place: 5}) or asyncio.sleep(0))
    send = Connection.send
    joins = 0

    async def sent(connection: Connection, commands: Sequence[Any]) -> None:
        nonlocal joins
        await send(connection, commands)
        if any(scripts.JOIN.digest in command for command in commands):
            joins += 1
            link.change({place: -1})

    monkeypatch.setattr(Connection, "send", sent)
    redis_server.stop()
    async with asyncio.timeout(5):
        while not link._failing:
            await asyncio.sleep(0.01)
        redis_server.start()
        while link._failing:
            await asyncio.sleep(0.01)
    assert joins == 1
    assert link.held == {place: 4}
    assert await held(link, redis_server) == 4


async def test_what_was_stored_before_it_comes_back_is_given_back_once(
    link: Link, redis_server: RedisServer
) -> None:
    place = account(link), WHAT
    await (link.change({place: 5}) or asyncio.sleep(0))
    link.hold(place, -3)
    link.post(scripts.STORE, [account(link)], [9, 1, WHAT, -3])
    link.come_back()
    assert await held(link, redis_server) == 2
