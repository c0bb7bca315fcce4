"""Look-ups of hosts, by a loop that counts them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from gateway.upstream import http_addresses
from gateway.upstream.http_addresses import Address, Addresses

FOUND: Address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))


class Lookups:
    """Attributes:
    asked: The hosts and ports.
    open: Answers come once it is set.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.open = asyncio.Event()

    async def __call__(self, host: str, port: int, *, type: int) -> list[Address]:  # noqa: A002
        assert type == socket.SOCK_STREAM
        self.asked.append((host, port))
        await self.open.wait()
        if host == "nope":
            raise socket.gaierror("no such host")
        return [FOUND]


@pytest.fixture
async def lookups(monkeypatch: pytest.MonkeyPatch) -> Lookups:
    made = Lookups()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", made)
    return made


@pytest.fixture
async def addresses() -> AsyncIterator[Addresses]:
    async with aclosing(Addresses()) as made:
        yield made


async def test_a_host_is_looked_up_once(lookups: Lookups, addresses: Addresses) -> None:
    first = [asyncio.create_task(addresses.of("a", 80)) for _ in range(3)]
    await asyncio.sleep(0)
    # Who leaves takes nothing from the others.
    first[0].cancel()
    lookups.open.set()
    assert await first[1] == await first[2] == await addresses.of("a", 80) == [FOUND]
    assert first[0].cancelled()
    assert lookups.asked == [("a", 80)]
    await addresses.of("a", 81)
    await addresses.of("b", 80)
    assert lookups.asked == [("a", 80), ("a", 81), ("b", 80)]


async def test_it_is_looked_up_again_after_a_while(
    lookups: Lookups, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_addresses, "KNOWN_SECONDS", 0.0)
    lookups.open.set()
    for number in (1, 2):
        await addresses.of("a", 80)
        assert len(lookups.asked) == number
        await asyncio.sleep(0.001)


async def test_a_failure_is_not_kept(lookups: Lookups, addresses: Addresses) -> None:
    lookups.open.set()
    for number in (1, 2):
        with pytest.raises(socket.gaierror):
            await addresses.of("nope", 80)
        assert len(lookups.asked) == number
        await asyncio.sleep(0.001)


async def test_an_end_waits_for_nobody(lookups: Lookups, addresses: Addresses) -> None:
    waiting = asyncio.create_task(addresses.of("a", 80))
    while not lookups.asked:
        await asyncio.sleep(0)
    await addresses.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
