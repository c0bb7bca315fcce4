"""What counts in which budget period, in one process and in several, and under races."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway import vault
from gateway.errors import BudgetExceeded, RateLimited
from gateway.records import Key, Team
from gateway.settings import Settings
from gateway.specs import key_record
from gateway.store import Store
from tests.ledgers import milliseconds
from tests.open_ledgers import Books, keeping
from tests.redises import RedisServer

NOON = milliseconds("2026-11-24T12:00:00")
HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str | None:
    """Of where accounts are, if not in the process."""
    if getattr(request, "param", "alone") == "alone":
        return None
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


IN_BOTH_PLACES = pytest.mark.parametrize("redis_url", ["alone", "redis"], indirect=True)


@pytest.fixture
async def here(store: Store, redis_url: str | None) -> AsyncIterator[Books]:
    async with keeping(store, "here", redis_url) as books:
        yield books


@pytest.fixture
async def there(store: Store) -> AsyncIterator[Books]:
    """Another process on the same database."""
    async with keeping(store, "there") as books:
        yield books


def team(**fields: Any) -> Team:
    return Team(id="team_a", name="a", created_at=1, updated_at=1, **fields)


def key(secret: str = "sk-a", **fields: Any) -> Key:
    made = NOON // 1000 - 100 * 86400
    return replace(key_record(vault.hash_key(secret), "sk-…", made), **fields)


@IN_BOTH_PLACES
async def test_a_period_begins_with_nothing_spent(here: Books) -> None:
    daily = key(max_budget=100, budget_duration="1d")
    await here.spend(daily, 60, NOON)
    await here.spend(daily, 60, NOON)
    with pytest.raises(BudgetExceeded, match=r"Current cost: 1.2e-07, Max budget: 1e-07"):
        await here.begin(daily, 1, NOON)
    with pytest.raises(BudgetExceeded):
        await here.begin(daily, 1, NOON + 12 * HOUR - 1)
    await here.spend(daily, 100, NOON + 12 * HOUR)
    with pytest.raises(BudgetExceeded):
        await here.begin(daily, 1, NOON + 13 * HOUR)
    # Nobody called for three days.
    assert await here.spent(daily, NOON + 4 * DAY) == 0
    await here.spend(daily, 7, NOON + 4 * DAY)
    assert await here.spent(daily, NOON + 4 * DAY) == 7


@IN_BOTH_PLACES
@pytest.mark.parametrize("away", [0, 1, 5])
async def test_a_restart_in_any_period_knows_what_was_spent_in_it(
    store: Store, here: Books, redis_url: str | None, away: int
) -> None:
    hourly = key(max_budget=100, budget_duration="1h")
    await here.spend(hourly, 40, NOON)
    await here.spend(hourly, 2, NOON + HOUR)
    await here.ledger.flush()
    later = NOON + away * HOUR
    async with keeping(store, "again", redis_url) as again:
        assert await again.spent(hourly, later) == {0: 42, 1: 2, 5: 0}[away]


@IN_BOTH_PLACES
async def test_a_call_counts_in_the_period_it_began_in(here: Books) -> None:
    daily = key(max_budget=100, budget_duration="1d")
    midnight = NOON + 12 * HOUR
    late = await here.begin(daily, 90, midnight - 1)
    # It is none of the new period's, running or ended.
    first, second = [await here.begin(daily, 60, midnight) for _ in range(2)]
    with pytest.raises(RateLimited):
        await here.begin(daily, 1, midnight)
    here.end(late, 80)
    here.end(first, 10)
    here.end(second, 20)
    assert await here.spent(daily, midnight) == 30
    await here.ledger.flush()
    assert await here.spent(daily, midnight - 1) == 110, "the ledger of the day before, and since"
    assert await here.spent(daily, midnight) == 30


@IN_BOTH_PLACES
@pytest.mark.parametrize("duration", ["7d", "1mo", None])
async def test_a_new_length_of_the_period_keeps_what_is_set_aside(
    here: Books, duration: str | None
) -> None:
    daily = key(max_budget=100, budget_duration="1d")
    begun = [await here.begin(daily, 50, NOON) for _ in range(2)]
    changed = replace(daily, budget_duration=duration)
    with pytest.raises(RateLimited, match="set aside"):
        await here.begin(changed, 1, NOON)
    here.end(begun[0], 5)
    begun.append(await here.begin(changed, 50, NOON))
    with pytest.raises(RateLimited):
        await here.begin(changed, 1, NOON)
    here.end(begun[1], 5)
    here.end(begun[2], 89)
    assert await here.spent(changed, NOON) == 99
    here.end(await here.begin(changed, 10**9, NOON), 1)
    with pytest.raises(BudgetExceeded):
        await here.begin(changed, 1, NOON)


@IN_BOTH_PLACES
async def test_a_shorter_period_leaves_out_what_began_before_it(here: Books) -> None:
    daily = key(max_budget=100, budget_duration="1d")
    begun = await here.begin(daily, 100, NOON - 2 * HOUR)
    with pytest.raises(RateLimited):
        await here.begin(daily, 1, NOON)
    hourly = replace(daily, budget_duration="1h")
    await here.spend(hourly, 30, NOON)
    here.end(begun, 100)
    assert await here.spent(hourly, NOON) == 30
    assert await here.spent(daily, NOON) == 130


@IN_BOTH_PLACES
async def test_a_soft_budget_warns_once_a_period(
    here: Books, caplog: pytest.LogCaptureFixture
) -> None:
    soft = key(soft_budget=10, budget_duration="1d")
    warned = []
    for at in (NOON, NOON, NOON, NOON + DAY, NOON + DAY, NOON + DAY):
        await here.spend(soft, 6, at)
        warned.append(caplog.text.count("soft budget"))
    assert warned == [0, 1, 1, 1, 2, 2]


async def test_what_others_spend_is_added_once(here: Books, there: Books) -> None:
    mine, crew = key(), team()
    await there.spend(mine, 1, NOON, crew)
    await there.ledger.flush()
    assert await here.spent(mine, NOON) == 1
    assert await here.spent(crew, NOON) == 1
    # Before `here` looks for the first time.
    await there.spend(mine, 10, NOON, crew)
    await there.ledger.flush()
    for _ in range(2):
        await here.budgets._follow()
        assert await here.spent(mine, NOON) == 11
        assert await here.spent(crew, NOON) == 11
    # An account that was made in between has it already.
    other = key("sk-b")
    await there.spend(other, 100, NOON)
    await there.ledger.flush()
    assert await here.spent(other, NOON) == 100
    await here.budgets._follow()
    assert await here.spent(other, NOON) == 100
    await here.spend(mine, 1000, NOON)
    await here.ledger.flush()
    await here.budgets._follow()
    assert await here.spent(mine, NOON) == 1011, "its own are not added again"
    assert here.budgets._position == await here.ledger._store.last_position(), "nor looked at"


async def test_a_failing_look_at_others_is_logged_once_and_made_up_for(
    store: Store,
    here: Books,
    there: Books,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.budgets.FOLLOW_SECONDS", 0.01)
    mine = key()
    assert await here.spent(mine, NOON) == 0
    watching = asyncio.create_task(here.budgets.watch())
    async with store.database.append() as connection:
        await connection.exec_driver_sql("ALTER TABLE ledger RENAME TO lost")
    await asyncio.sleep(0.1)
    assert caplog.text.count("Cannot read what other processes spent") == 1
    async with store.database.append() as connection:
        await connection.exec_driver_sql("ALTER TABLE lost RENAME TO ledger")
    await there.spend(mine, 5, NOON)
    await there.ledger.flush()
    async with asyncio.timeout(5):
        while await here.spent(mine, NOON) != 5 or "can be read again" not in caplog.text:
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


@dataclass
class Race:
    """Calls, flushes, looks at the other, and accounts made anew, all in any order."""

    chance: random.Random
    team: Team = field(default_factory=team)
    keys: list[Key] = field(
        default_factory=lambda: [key(f"sk-{number}", budget_duration="1d") for number in range(3)]
    )
    total: Counter[str] = field(default_factory=Counter)

    async def some_time(self) -> None:
        for _ in range(self.chance.randrange(6)):
            await asyncio.sleep(0)

    async def call(self, books: Books) -> None:
        mine, cost = self.chance.choice(self.keys), self.chance.randrange(1, 1000)
        await self.some_time()
        begun = await books.begin(mine, 1000, NOON, self.team)
        await self.some_time()
        books.end(begun, cost)
        self.total.update({mine.id: cost, self.team.id: cost})

    async def disturb(self, books: Books) -> None:
        for _ in range(15):
            await self.some_time()
            match self.chance.randrange(3):
                case 0:
                    await books.ledger.flush()
                case 1:
                    await books.budgets._follow()
                case 2:
                    # As if another period had begun.
                    for account in books.budgets._accounts.values():
                        account.since = 0


@pytest.mark.parametrize("seed", range(5))
async def test_books_agree_after_any_race(here: Books, there: Books, seed: int) -> None:
    race = Race(random.Random(seed))
    await asyncio.gather(
        *(race.call(books) for books in (here, there) for _ in range(60)),
        *(race.disturb(books) for books in (here, there) for _ in range(2)),
    )
    for books in (here, there):
        await books.ledger.flush()
    for books in (here, there):
        await books.budgets._follow()
        owners: list[Key | Team] = [race.team, *race.keys]
        for owner in owners:
            assert await books.spent(owner, NOON) == race.total[owner.id]
            assert books.reserved(owner) == 0
        assert not books.budgets._running


async def test_a_row_is_seen_once_while_it_moves_into_the_database(here: Books) -> None:
    mine = key()
    for number in range(1, 101):
        await here.spend(mine, 1, NOON)
        # As if another period had begun.
        here.budgets._accounts[mine.id].since = 0
        flushing = asyncio.create_task(here.ledger.flush())
        await asyncio.sleep(number % 20 / 4000)
        assert await here.spent(mine, NOON) == number
        await flushing


@IN_BOTH_PLACES
async def test_two_periods_at_once_hold_to_the_budget_of_each(here: Books) -> None:
    """About midnight some calls are still the old day's."""
    daily = key(max_budget=100, budget_duration="1d")
    crew = team(max_budget=100, budget_duration="1d")
    begun = await asyncio.gather(
        *(here.begin(daily, 60, NOON + n % 2 * DAY, crew) for n in range(40)),
        return_exceptions=True,
    )
    days = Counter(each[1].started_ms for each in begun if not isinstance(each, BaseException))
    # What the old day's calls see of its budget, the new day's may have taken.
    assert days[NOON + DAY] == 2
    assert days[NOON] <= 2
    for each in begun:
        if not isinstance(each, BaseException):
            here.end(each, 60)
    assert await here.spent(daily, NOON + DAY) == await here.spent(crew, NOON + DAY) == 120
