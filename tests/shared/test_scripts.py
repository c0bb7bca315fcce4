"""What the scripts decide where processes come in each other's way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.settings import SettingsError
from gateway.shared import Link, scripts
from gateway.shared.scripts import Script
from tests.redises import RedisServer


@dataclass
class Account:
    """One account, at which two processes are."""

    here: Link
    there: Link
    redis: RedisServer

    @property
    def key(self) -> str:
        return f"{self.here.prefix}account:a"

    async def ask(self, link: Link, script: Script, *arguments: str | int) -> list[Any]:
        return list(await link.ask(script, [self.key], arguments))

    async def epoch(self) -> str:
        """As a process learns it whose account is missing."""
        what, place, epoch = await self.ask(self.here, scripts.RESERVE, 1, 0, 0, "none", 100)
        assert (what, place) == (b"missing", 0)
        return str(epoch.decode())

    async def begin(self, epoch: str, spent: int, position: int, since: int = 0) -> None:
        await self.ask(self.here, scripts.OPEN, epoch, "ever", since, spent, position)

    async def store(self, link: Link, position: int, cost: int, began: int = 5) -> None:
        """Say that one row came into the database, of which nothing was held."""
        await self.ask(link, scripts.STORE, position, 0, began, cost)

    async def reserve(self, link: Link, amount: int, limit: int = 100) -> list[Any]:
        return await self.ask(link, scripts.RESERVE, amount, 0, 0, "ever", limit)

    async def spent(self) -> int | None:
        """None where the account is to be read from the database."""
        answer = await self.reserve(self.here, 0, -1)
        return int(answer[2]) if answer[0] == b"refused" else None


@pytest.fixture
async def account(redis_server: RedisServer) -> AsyncIterator[Account]:
    async with AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(Link(redis_server.url, "test", name))
            for name in ("here", "there")
        ]
        made = Account(links[0], links[1], redis_server)
        # Until both have joined, each makes all accounts be read anew.
        await made.epoch()
        await made.ask(made.there, scripts.RESERVE, 1, 0, 0, "none", 100)
        yield made


async def test_rows_that_an_account_was_read_with_are_not_added(account: Account) -> None:
    await account.begin(await account.epoch(), 50, position=10)
    await account.store(account.there, 9, 7)
    await account.store(account.there, 10, 7)
    assert await account.spent() == 50
    await account.store(account.there, 12, 7)
    await account.store(account.there, 11, 7)
    assert await account.spent() == 64


async def test_an_account_is_not_begun_with_less_than_others_have_stored(account: Account) -> None:
    """They told of their rows after the database was read, and before anybody could add them."""
    epoch = await account.epoch()
    await account.store(account.there, 11, 7)
    await account.begin(epoch, 50, position=10)
    assert await account.spent() is None
    await account.begin(epoch, 57, position=11)
    assert await account.spent() == 57


async def test_of_two_who_begin_an_account_the_first_does(account: Account) -> None:
    epoch = await account.epoch()
    await account.begin(epoch, 50, position=10)
    await account.store(account.there, 11, 7)
    await account.begin(epoch, 57, position=11)
    assert await account.spent() == 57


async def test_what_was_read_in_another_epoch_is_not_begun_with(account: Account) -> None:
    epoch = await account.epoch()
    account.there.come_back()
    await account.ask(account.there, scripts.RESERVE, 1, 0, 0, "none", 100)
    await account.begin(epoch, 50, position=10)
    assert await account.spent() is None
    await account.begin(await account.epoch(), 50, position=10)
    await account.begin(epoch, 60, position=11)
    assert await account.spent() == 50


async def test_what_began_before_the_period_is_not_added(account: Account) -> None:
    await account.begin(await account.epoch(), 0, position=10, since=1000)
    await account.store(account.there, 11, 7, began=999)
    await account.store(account.there, 12, 8, began=1000)
    assert await account.spent() == 8


async def test_what_a_dead_process_held_is_gone(account: Account) -> None:
    await account.begin(await account.epoch(), 0, position=10)
    assert (await account.reserve(account.there, 60))[0] == b"ok"
    assert (await account.reserve(account.here, 60))[0] == b"ok"
    refused = await account.reserve(account.here, 60)
    assert refused == [b"refused", 0, b"0", b"120", 0]
    # As its heart has stopped.
    name = account.there._name
    account.redis.command("ZADD", f"{account.here.prefix}processes", 1, name)
    assert (await account.reserve(account.here, 30))[0] == b"ok"
    fields = account.redis.command("HKEYS", account.key)
    assert f"r:ever@{name}".encode() not in fields


async def test_money_beyond_what_a_float_holds_is_told_to_the_digit(account: Account) -> None:
    much = 2**53 - 1
    await account.begin(await account.epoch(), much, position=1)
    assert await account.spent() == much
    await account.store(account.there, 2, 10)
    assert account.redis.command("HGET", account.key, "spent") == str(much + 10).encode()


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.shared.connection.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'litellm-gateway\[redis\]'"):
        Link("redis://127.0.0.1:1/0", "test", "here")
