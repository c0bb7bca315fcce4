"""Budgets across processes: accounts in Redis say who may spend, the database what was spent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.budgets import Budgets, Owner, Reservation, refusal, stored_spending
from gateway.errors import NotReady
from gateway.ledger import Ledger
from gateway.records import Key, LedgerRow, Team
from gateway.shared.link import Link, Place, Reply
from gateway.shared.scripts import OPEN, RESERVE, STORE
from gateway.store.ledger import LedgerStore, current_period

# How often an account is begun in vain, as rows went into the database or Redis was lost meanwhile.
_ATTEMPTS = 20
# What another process stored a moment ago can be in an account twice, until that process says so.
_SECOND_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Account:
    """An owner's money in one period."""

    owner: Owner
    since: int | None
    key: str
    limit: int

    @property
    def label(self) -> str:
        return "ever" if self.since is None else str(self.since)

    @property
    def running(self) -> Place:
        """What running calls may still cost."""
        return self.key, f"r:{self.label}"

    @property
    def unstored(self) -> Place:
        """What calls have cost whose rows are not in the database yet."""
        return self.key, f"u:{self.label}"


@dataclass(slots=True)
class _Held:
    amount: int
    accounts: Sequence[_Account]


class SharedBudgets:
    """A `BudgetKeeper` for all processes at one Redis.

    For whoever has no budget it is not asked. A budget, or a period of another length, that one is
    given while calls run counts these once they have ended.
    """

    def __init__(self, link: Link, own: Budgets, store: LedgerStore, ledger: Ledger) -> None:
        """`own` are this process's accounts, which do not bind."""
        self._link = link
        self._own = own
        self._store = store
        self._ledger = ledger
        self._held: dict[Reservation, _Held] = {}
        # By the ids of their rows.
        self._unstored: dict[str, _Held] = {}
        self._beginning: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        ledger.subscribe(self._stored, link.bury)

    async def reserve(self, key: Key, team: Team | None, most: LedgerRow) -> Reservation:
        reservation = await self._own.reserve(key, team, most)
        accounts = [
            self._account(owner, owner.max_budget, most.started_ms // 1000)
            for owner in (key, team)
            if owner is not None and owner.max_budget is not None
        ]
        if accounts:
            try:
                spent = await self._reserve(reservation, accounts)
            except BaseException:
                self._own.settle(reservation, replace(most, cost=0))
                raise
            if accounts[0].owner is key:
                reservation.spent = spent
        return reservation

    async def extend(self, reservation: Reservation, amount: int) -> None:
        held = self._held.get(reservation)
        if held is not None and amount > held.amount:
            reply = await self._ask(reservation, held.accounts, amount, held.amount)
            if reply[0] == b"refused":
                raise _refusal(held.accounts, reply)
        await self._own.extend(reservation, amount)

    def settle(self, reservation: Reservation, row: LedgerRow) -> asyncio.Future[Reply] | None:
        self._own.settle(reservation, row)
        held = self._held.get(reservation)
        if held is None:
            return None
        if row.cost:
            self._unstored[row.id] = _Held(row.cost, held.accounts)
        return self._give_back(reservation, row.cost or 0)

    def _account(self, owner: Owner, limit: int, now: int) -> _Account:
        return _Account(owner, current_period(owner, now), self._key(owner.id), limit)

    async def _reserve(self, reservation: Reservation, accounts: Sequence[_Account]) -> int:
        """Returns what the first account's owner had spent."""
        has_begun = False
        for _ in range(_ATTEMPTS):
            reply = await self._ask(reservation, accounts, reservation.amount)
            if reply[0] == b"ok":
                return int(reply[1])
            if reply[0] == b"missing":
                await self._begin_once(accounts[reply[1]], reply[2].decode())
                has_begun = True
            elif has_begun and reply[4]:
                await asyncio.sleep(_SECOND_LOOK_SECONDS)
                has_begun = False
            else:
                raise _refusal(accounts, reply)
        raise NotReady("The gateway cannot find out what was spent; try again later")

    async def _ask(
        self, reservation: Reservation, accounts: Sequence[_Account], amount: int, has: int = 0
    ) -> Reply:
        def taken(_: Reply) -> None:
            for account in accounts:
                self._link.hold(account.running, amount - has)
            self._held[reservation] = _Held(amount, accounts)

        def undone() -> None:
            # What a running call has is given back at its end.
            if not has:
                self._give_back(reservation, 0)

        # A running call is not refused for a period that is over.
        arguments: list[str | int] = [amount, has, int(has > 0)]
        for account in accounts:
            arguments += [account.label, account.limit]
        keys = [account.key for account in accounts]
        return await self._link.ask(RESERVE, keys, arguments, taken, undone)

    def _give_back(self, reservation: Reservation, cost: int) -> asyncio.Future[Reply] | None:
        held = self._held.pop(reservation)
        changes: Counter[Place] = Counter()
        for account in held.accounts:
            changes[account.running] -= held.amount
            changes[account.unstored] += cost
        return self._link.change(changes)

    async def _begin_once(self, account: _Account, epoch: str) -> None:
        """As `_begin`, for all who ask at the same time."""
        wanted = account.key, account.label, epoch
        beginning = self._beginning.get(wanted)
        if beginning is None:
            beginning = asyncio.create_task(self._begin(account, epoch))
            self._beginning[wanted] = beginning
            beginning.add_done_callback(lambda _: self._beginning.pop(wanted))
        await asyncio.shield(beginning)

    async def _begin(self, account: _Account, epoch: str) -> None:
        """Begin an account with what the database says, if it has not begun in this epoch."""
        # Or rows of this process could be there as well as in what it holds.
        async with self._ledger.stored:
            spent, position = await stored_spending(self._store, account.owner, account.since)
            since = account.since or 0
            arguments: list[str | int] = [epoch, account.label, since, spent, position]
            await self._link.ask(OPEN, [account.key], arguments)

    def _stored(self, rows: Sequence[LedgerRow], position: int | None) -> None:
        """See `Ledger.subscribe`."""
        changes: Counter[Place] = Counter()
        for held in [self._unstored.pop(row.id) for row in rows if row.id in self._unstored]:
            for account in held.accounts:
                changes[account.unstored] -= held.amount
        for place, amount in changes.items():
            self._link.hold(place, amount)
        if position is None:
            # Some were there already; who knows since when.
            self._link.come_back()
            return
        spent = self._spent(rows)
        if spent:
            keys = [key for key, _ in changes] + [key for key, _ in spent]
            arguments: list[str | int] = [position, len(changes)]
            for (_, what), amount in changes.items():
                arguments += [what, amount]
            for (_, began), amount in spent.items():
                arguments += [began, amount]
            self._link.post(STORE, keys, arguments)

    def _spent(self, rows: Sequence[LedgerRow]) -> Counter[tuple[str, int]]:
        """By account and the second in which calls began.

        Of all owners: an account may have begun while calls ran that did not know of it.
        """
        spent: Counter[tuple[str, int]] = Counter()
        for row in rows:
            for owner_id in (row.key_id, row.team_id):
                if owner_id and row.cost:
                    spent[self._key(owner_id), row.started_ms // 1000] += row.cost
        return spent

    def _key(self, owner_id: str) -> str:
        return f"{self._link.prefix}account:{owner_id}"


def _refusal(accounts: Sequence[_Account], reply: Reply) -> Exception:
    account = accounts[reply[1]]
    return refusal(account.owner, account.limit, int(reply[2]), int(reply[3]))
