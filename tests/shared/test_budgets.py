"""What a process holds in Redis for its calls, whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway import vault
from gateway.errors import BudgetExceeded, RateLimited
from gateway.records import Key
from gateway.settings import Settings
from gateway.specs import key_record
from gateway.store import Store
from tests.ledgers import milliseconds
from tests.open_ledgers import SharedBooks, keeping

NOON = milliseconds("2026-11-24T12:00:00")


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture
async def books(store: Store, redis_settings: Settings) -> AsyncIterator[SharedBooks]:
    async with keeping(store, "here", redis_settings.redis_url) as made:
        assert isinstance(made, SharedBooks)
        yield made


_KEY = key_record(vault.hash_key("sk-a"), "sk-…", NOON // 1000 - 100 * 86400)


def key(**fields: Any) -> Key:
    """The same key each time."""
    return replace(_KEY, **{"max_budget": 1000, **fields})


@pytest.mark.parametrize("steps", range(16))
async def test_who_leaves_while_more_is_set_aside_leaves_nothing(
    books: SharedBooks, steps: int
) -> None:
    begun = await books.begin(key(), 100, NOON)
    extending = asyncio.create_task(books.shared.extend(begun[0], 300))
    for _ in range(steps):
        await asyncio.sleep(0)
    extending.cancel()
    await asyncio.gather(extending, return_exceptions=True)
    books.end(begun, 0)
    assert await books.spent(key(), NOON) == 0
    # The last reply may have come after the last question.
    assert await books.spent(key(), NOON) == 0
    assert books.reserved(key()) == 0
    assert not books.link.held


async def test_more_is_set_aside_where_there_is_room(books: SharedBooks) -> None:
    first = await books.begin(key(), 100, NOON)
    second = await books.begin(key(), 100, NOON)
    await books.shared.extend(first[0], 50)
    await books.shared.extend(first[0], 1000)
    with pytest.raises(RateLimited, match="set aside"):
        await books.shared.extend(second[0], 200)
    assert await books.spent(key(), NOON) == 0
    assert books.reserved(key()) == 1100
    books.end(first, 1000)
    with pytest.raises(BudgetExceeded):
        await books.shared.extend(second[0], 200)
    books.end(second, 0)
    assert (await books.spent(key(), NOON), books.reserved(key())) == (1000, 0)


async def test_a_call_that_another_period_takes_in_while_it_grows(books: SharedBooks) -> None:
    daily, hourly = key(budget_duration="1d"), key(budget_duration="1h")
    begun = await books.begin(daily, 100, NOON)
    growing = asyncio.create_task(books.shared.extend(begun[0], 300))
    await asyncio.sleep(0)
    books.shared._adopt(books.shared._account(hourly, 1000, NOON // 1000 + 60))
    await growing
    assert await books.spent(hourly, NOON + 60_000) == 0
    assert books.reserved(hourly) == 300
    books.end(begun, 70)
    assert await books.spent(hourly, NOON + 60_000) == 70
    assert books.reserved(hourly) == 0


async def test_a_budget_given_while_a_call_runs_knows_of_it(books: SharedBooks) -> None:
    free = key(max_budget=None)
    running = await books.begin(free, 600, NOON)
    await books.spend(free, 100, NOON)
    assert not books.link.held, "nobody is asked"
    second = await books.begin(key(), 200, NOON)
    assert (await books.spent(key(), NOON), books.reserved(key())) == (100, 800)
    await books.shared.extend(second[0], 300)
    with pytest.raises(RateLimited):
        await books.begin(key(), 1, NOON)
    await books.ledger.flush()
    books.end(running, 50)
    books.end(second, 60)
    assert (await books.spent(key(), NOON), books.reserved(key())) == (210, 0)
    await books.ledger.flush()
    assert (await books.spent(key(), NOON), books.reserved(key())) == (210, 0)
    assert not books.link.held
