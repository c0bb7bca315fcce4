"""Budgets against a model of them: calls, waits, an operator's changes, and what becomes of the
database and the process, in any order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway import vault
from gateway.budgets import Reservation
from gateway.errors import BudgetExceeded, NotReady, RateLimited
from gateway.periods import period_start
from gateway.records import Key, LedgerRow, Team
from gateway.settings import Settings
from gateway.specs import key_record
from gateway.store import Store
from tests.ledgers import ledger_row, milliseconds
from tests.open_ledgers import keeping
from tests.redises import RedisServer

NOON = milliseconds("2026-11-24T12:00:00")
HOUR = 3_600_000

# Two keys, and their team.
_key = st.integers(0, 1)
_owner = st.integers(0, 2)
_money = st.integers(0, 120)
_length = st.sampled_from([None, "1h", "1d", "1w", "1mo"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), _key, _money),
        st.tuples(st.just("begin"), _key, _money),
        st.tuples(st.just("end"), st.integers(0, 9), _money),
        st.tuples(st.just("wait"), st.sampled_from([1, HOUR // 2, HOUR, 7 * HOUR, 72 * HOUR])),
        st.tuples(st.just("change"), _owner, st.fixed_dictionaries({"budget_duration": _length})),
        st.tuples(
            st.just("change"), _owner, st.fixed_dictionaries({"max_budget": st.none() | _money})
        ),
        st.tuples(st.just("store")),
        st.tuples(st.just("lose")),
        st.tuples(st.just("find")),
        st.tuples(st.just("kill")),
    ),
    max_size=40,
)


class Gone(Exception):
    """What the database says while it takes no rows."""


@dataclass
class Called:
    row: LedgerRow
    begun: tuple[Reservation, LedgerRow]
    cost: int | None = None


class Model:
    """What budgets must know, worked out from all calls each time."""

    def __init__(self, store: Store, redis_url: str | None, stack: AsyncExitStack) -> None:
        self._store = store
        self._redis_url = redis_url
        self._stack = stack
        self._started = 0
        self._gone = pytest.MonkeyPatch()
        stack.callback(self._gone.undo)
        self.now = NOON
        self.calls: list[Called] = []
        unique = ledger_row().id
        first, second = [
            key_record(vault.hash_key(f"{unique}{n}"), "sk-…", NOON // 1000) for n in range(2)
        ]
        self.owners: list[Key | Team] = [
            replace(first, max_budget=100),
            replace(second, max_budget=100, budget_duration="1d"),
            Team(id=f"team-{unique}", name="a", max_budget=150, created_at=1, updated_at=1),
        ]

    async def start(self) -> None:
        self._started += 1
        keeper = keeping(self._store, f"model{self._started}", self._redis_url)
        self.books = await self._stack.enter_async_context(keeper)
        # Before the books are closed.
        self._stack.callback(self._gone.undo)

    def _is_waited_for(self, *owners: Key | Team) -> bool:
        """Whether rows of these are on the disk."""
        return any(owner.id in self.books.ledger.spool._owned for owner in owners)

    def spent(self, owner: Key | Team) -> int:
        return sum(each.cost or 0 for each in self._in_period(owner))

    def reserved(self, owner: Key | Team) -> int:
        return sum(each.row.cost or 0 for each in self._in_period(owner) if each.cost is None)

    def _in_period(self, owner: Key | Team) -> list[Called]:
        length = owner.budget_duration
        since = period_start(length, owner.created_at, self.now // 1000) * 1000 if length else 0
        mine = [each for each in self.calls if owner.id in (each.row.key_id, each.row.team_id)]
        return [each for each in mine if each.row.started_ms >= since]

    def refusal(self, owner: Key | Team) -> type[Exception] | None:
        limit = owner.max_budget
        if limit is None or self.spent(owner) + self.reserved(owner) < limit:
            return None
        return BudgetExceeded if self.spent(owner) >= limit else RateLimited

    async def begin(self, index: int, amount: int) -> None:
        key, team = self.owners[index], self.owners[-1]
        assert isinstance(key, Key)
        assert isinstance(team, Team)
        expected = self.refusal(key) or self.refusal(team)
        refused: type[Exception] | None = None
        try:
            begun = await self.books.begin(key, amount, self.now, team)
        except (BudgetExceeded, NotReady, RateLimited) as error:
            refused = type(error)
        if refused is NotReady:
            assert self._is_waited_for(key, team)
        else:
            assert refused is expected
        if refused is None:
            self.books.ledger.open(begun[1])
            self.calls.append(Called(begun[1], begun))

    async def end(self, index: int, cost: int) -> None:
        running = [each for each in self.calls if each.cost is None]
        if running:
            ended = running[index % len(running)]
            self.books.end(ended.begun, cost)
            ended.cost = cost

    async def wait(self, length: int) -> None:
        self.now += length

    async def change(self, index: int, fields: dict[str, Any]) -> None:
        self.owners[index] = replace(self.owners[index], **fields)

    async def store(self) -> None:
        with contextlib.suppress(Gone):
            await self.books.ledger.flush()

    async def lose(self) -> None:
        """From now on the database takes no rows."""

        async def fails(*_: Any) -> None:
            raise Gone

        self._gone.setattr(self._store.ledger, "write", fails)

    async def find(self) -> None:
        self._gone.undo()

    async def kill(self) -> None:
        """Another process takes over, once there is a database."""
        await self.books.die()
        await self.find()
        for each in self.calls:
            if each.cost is None:
                each.cost = each.row.cost
        await self.start()

    async def check(self) -> None:
        for owner in self.owners:
            try:
                spent = await self.books.spent(owner, self.now)
            except NotReady:
                assert self._is_waited_for(owner)
            else:
                assert spent == self.spent(owner)
                assert self.books.reserved(owner) == self.reserved(owner)

    async def finish(self) -> None:
        """All of it is in the database, once."""
        await self.find()
        for each in self.calls:
            await self.end(0, each.row.cost or 0)
        await self.books.ledger.flush()
        await self.check()
        assert not self.books.ledger.spool._owned
        now = self.now // 1000
        spent = await self._store.ledger.spent_by_each(self.owners, now)
        assert spent == {owner.id: self.spent(owner) for owner in self.owners}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Store]]:
    path = tmp_path_factory.mktemp("budgets") / "gateway.db"
    store = Store(Settings(database_url=f"sqlite:///{path}"))
    with asyncio.Runner() as runner:
        runner.run(store.database.migrate())
        yield runner, store
        runner.run(store.database.close())


@pytest.fixture(scope="module", params=["alone", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str | None:
    """Of where accounts are, if not in the process."""
    if request.param == "alone":
        return None
    server: RedisServer = request.getfixturevalue("_redis")
    return server.url


# What is on the disk counts in a period that begins anew meanwhile, and once it is stored.
SPOOLED: list[tuple[Any, ...]] = [
    ("lose",),
    *[("begin", 0, 1), ("end", 0, 20)] * 3,
    ("change", 0, {"budget_duration": "1d"}),
    ("begin", 0, 1),
    ("end", 0, 20),
    ("find",),
    ("store",),
    ("begin", 0, 1),
    ("end", 0, 20),
    ("change", 0, {"max_budget": 70}),
    ("begin", 0, 1),
]


@example(steps=SPOOLED)
@example(steps=[*SPOOLED[:-3], ("lose",), *SPOOLED[1:5], ("kill",), ("begin", 0, 1)])
@settings(max_examples=60)
@given(steps=STEPS)
def test_budgets_do_what_their_model_does(
    opened: tuple[asyncio.Runner, Store], redis_url: str | None, steps: list[tuple[Any, ...]]
) -> None:
    async def follow() -> None:
        async with AsyncExitStack() as stack:
            model = Model(store, redis_url, stack)
            await model.start()
            for name, *arguments in steps:
                step: Callable[..., Any] = getattr(model, name)
                await step(*arguments)
                await model.check()
            await model.finish()

    runner, store = opened
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.ledger.SPOOL_ROWS", 2)
        patch.setattr("gateway.ledger._RETRY_SECONDS", 0.0)
        runner.run(follow())
