"""Ledgers of processes, and what is in the database of theirs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.budgets import Budgets, Reservation
from gateway.ledger import Ledger
from gateway.records import Key, LedgerRow, Team
from gateway.shared import Link, SharedBudgets, scripts
from gateway.store import Store
from tests.ledgers import ledger_row


@contextlib.asynccontextmanager
async def running(store: Store, node: str = "a") -> AsyncIterator[Ledger]:
    made = Ledger(store.ledger, store.files, node)
    await made.start()
    try:
        yield made
    finally:
        await made.aclose()


async def stored(store: Store) -> list[LedgerRow]:
    return [row for _, row in await store.ledger.after(0, 100_000)]


async def sums(store: Store) -> tuple[int, int]:
    """Requests and cost of all days."""
    async with store.database.read() as connection:
        found = await connection.exec_driver_sql("SELECT sum(requests), sum(cost) FROM daily")
        requests, cost = found.one()
    return requests or 0, cost or 0


def journals(store: Store) -> list[Path]:
    return sorted(store.files.parent.glob("*.ledger-*"))


def killed(ledger: Ledger) -> None:
    """Let go of a journal as the death of its process does."""
    assert ledger._journal is not None
    ledger._journal.close(keep=True)


@dataclass
class Books:
    """Ledger and budgets of one process."""

    ledger: Ledger
    budgets: Any
    """What keeps to budgets."""

    async def begin(
        self, key: Key, amount: int, at: int, team: Team | None = None
    ) -> tuple[Reservation, LedgerRow]:
        """Set money aside for a call that begins at a time, in milliseconds."""
        row = ledger_row(at, key_id=key.id, team_id=team.id if team else None, cost=amount)
        reservation: Reservation = await self.budgets.reserve(key, team, row)
        return reservation, row

    def end(self, begun: tuple[Reservation, LedgerRow], cost: int) -> None:
        reservation, row = begun
        row = replace(row, cost=cost)
        self.ledger.settle(row)
        self.budgets.settle(reservation, row)

    async def spend(self, key: Key, cost: int, at: int, team: Team | None = None) -> None:
        self.end(await self.begin(key, cost, at, team), cost)

    async def spent(self, owner: Key | Team, at: int) -> int:
        [account] = await self.budgets._current((owner,), at // 1000)
        spent: int = account.spent
        return spent

    def reserved(self, owner: Key | Team) -> int:
        aside: int = self.budgets._accounts[owner.id].reserved
        return aside

    async def die(self) -> None:
        """End as the death of the process ends it."""
        ledger = self.ledger
        assert ledger._flushing is not None
        ledger._flushing.cancel()
        await asyncio.gather(ledger._flushing, return_exceptions=True)
        killed(ledger)
        # Nothing is left to do at the end of the block that it was opened in.
        ledger._flushing = None
        ledger._running.clear()
        ledger._idle.set()
        ledger.waiting.clear()
        ledger.spool.rows = 0


@dataclass
class SharedBooks(Books):
    """The same of a process that counts in Redis."""

    shared: SharedBudgets
    link: Link
    aside: dict[str, int] = field(default_factory=dict)

    async def die(self) -> None:
        await super().die()
        assert self.link._running is not None
        self.link._running.cancel()
        await asyncio.gather(self.link._running, return_exceptions=True)
        await self.link._disconnect()
        self.link._running = None

    async def spent(self, owner: Key | Team, at: int) -> int:
        account = self.shared._account(owner, 0, at // 1000)
        self.shared._adopt(account)
        while True:
            # A limit below anything has it refused, with all that there is to tell.
            arguments: list[str | int] = [0, 0, 0, account.label, -1]
            reply = await self.link.ask(scripts.RESERVE, [account.key], arguments)
            if reply[0] == b"refused":
                self.aside[owner.id] = int(reply[3])
                return int(reply[2])
            await self.shared._begin_once(account, reply[2].decode())

    def reserved(self, owner: Key | Team) -> int:
        return self.aside[owner.id]


@contextlib.asynccontextmanager
async def keeping(store: Store, node: str, redis_url: str | None = None) -> AsyncIterator[Books]:
    if redis_url is None:
        async with running(store, node) as ledger:
            yield Books(ledger, Budgets(store.ledger, ledger, node))
        return
    ledger = Ledger(store.ledger, store.files, node)
    own = Budgets(store.ledger, ledger, node, binding=False)
    async with Link(redis_url, await store.database.identity(), node) as link:
        shared = SharedBudgets(link, own, store.ledger, ledger)
        await ledger.start()
        try:
            yield SharedBooks(ledger, shared, shared, link)
        finally:
            await ledger.aclose()
