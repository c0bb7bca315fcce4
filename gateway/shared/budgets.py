"""Budgets across processes: accounts in Redis say who may spend, the database what was spent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.budgets import Budgets, Owner, Reservation, refusal, stored_spending
from gateway.errors import NotReady
from gateway.ledger import Ledger
from gateway.records import Key, LedgerRow, Team
from gateway.shared.link import Link, Place, Reply
from gateway.shared.outage import Unreachable
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
        return self.key, _unstored_field(self.label)


def _unstored_field(label: str) -> str:
    return f"u:{label}"


@dataclass(slots=True, eq=False)
class _Call:
    """A call of this process, from its begin until its row is in the database."""

    began: int
    """In seconds."""
    owners: Sequence[str]
    amount: int
    """What it can cost, or has cost."""
    accounts: list[_Account]
    """Where that is held."""
    ended: bool = False

    def place(self, account: _Account) -> Place:
        return account.unstored if self.ended else account.running


@dataclass(slots=True)
class _Spooled:
    """Calls of an owner whose rows are on the disk."""

    rows: int = 0
    began: int = 0
    """None of them later, in seconds."""


@dataclass(slots=True)
class _Owned:
    """The calls of an owner."""

    label: str | None
    """Of the account that was used last."""
    calls: set[_Call] = field(default_factory=set)
    apart: set[_Call] = field(default_factory=set)
    """Those that it may not know."""


class SharedBudgets:
    """A `BudgetKeeper` for all processes at one Redis.

    For whoever has no budget it is not asked. Where one is given a budget, or a period of another
    length, each process puts in what its running calls can cost with the next call that it gets.
    """

    def __init__(self, link: Link, own: Budgets, store: LedgerStore, ledger: Ledger) -> None:
        """`own` are this process's accounts, which do not bind but while Redis is gone."""
        self._link = link
        self._own = own
        self._store = store
        self._ledger = ledger
        self._running: dict[Reservation, _Call] = {}
        # By the ids of their rows.
        self._unstored: dict[str, _Call] = {}
        self._owned: dict[str, _Owned] = {}
        self._beginning: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        # Of owners, by the label of the account that holds them: None where none does.
        self._spooled: dict[str, dict[str | None, _Spooled]] = {}
        ledger.follow(self)

    async def reserve(self, key: Key, team: Team | None, most: LedgerRow) -> Reservation:
        reservation = await self._own.reserve(key, team, most)
        began = most.started_ms // 1000
        owners = [owner for owner in (key, team) if owner is not None]
        accounts = [
            self._account(owner, owner.max_budget, began)
            for owner in owners
            if owner.max_budget is not None
        ]
        call = _Call(began, [owner.id for owner in owners], reservation.amount, accounts)
        if not accounts:
            self._enter(reservation, call)
            return reservation
        try:
            # Redis may not know what a process has spent that is cut off from it.
            self._own.check_spent(reservation)
            spent = await self._reserve(reservation, call)
        except BaseException:
            self._own.settle(reservation, replace(most, cost=0))
            raise
        if accounts[0].owner is key:
            reservation.spent = spent
        return reservation

    async def extend(self, reservation: Reservation, amount: int) -> None:
        call = self._running[reservation]
        more = amount - call.amount
        if more > 0:
            # Another may come to them meanwhile.
            accounts = tuple(call.accounts)

            def taken() -> None:
                self._extend(reservation, call, accounts, more)

            try:
                if accounts:
                    await self._set_aside(accounts, amount, call.amount, taken)
                else:
                    taken()
            except Unreachable:
                self._decide(reservation)
                self._extend(reservation, call, (), more)
        await self._own.extend(reservation, amount)

    def settle(self, reservation: Reservation, row: LedgerRow) -> asyncio.Future[Reply] | None:
        self._own.settle(reservation, row)
        return self._settle(reservation, row.id, row.cost or 0)

    # --- What is asked ---

    async def _reserve(self, reservation: Reservation, call: _Call) -> int:
        """Returns what the first account's owner had spent."""
        for account in call.accounts:
            self._adopt(account)

        def taken() -> None:
            self._enter(reservation, call)
            for account in call.accounts:
                self._link.hold(account.running, call.amount)

        try:
            reply = await self._set_aside(
                call.accounts, call.amount, 0, taken, lambda: self._settle(reservation, "", 0)
            )
        except Unreachable:
            self._decide(reservation)
            self._enter(reservation, call)
            self._link.change({account.running: call.amount for account in call.accounts})
            return reservation.spent
        return int(reply[1])

    def _decide(self, reservation: Reservation) -> None:
        """Have this process alone say whether there is room; raises as `BudgetKeeper.reserve`."""
        self._link.outage.go_on("budgets")
        self._own.check(reservation)

    async def _set_aside(
        self,
        accounts: Sequence[_Account],
        amount: int,
        has: int,
        taken: Callable[[], object],
        undone: Callable[[], object] | None = None,
    ) -> Reply:
        """Returns what the script does once there is room. Raises as `BudgetKeeper.reserve`.

        `has` is what the call has already; with `undone` it is a new one.
        """
        # A running call is not refused for a period that is over.
        arguments: list[str | int] = [amount, has, int(undone is None)]
        for account in accounts:
            arguments += [account.label, account.limit]
        keys = [account.key for account in accounts]
        has_begun = False
        for _ in range(_ATTEMPTS):
            reply = await self._link.ask(RESERVE, keys, arguments, lambda _: taken(), undone)
            if reply[0] == b"ok":
                return reply
            account = accounts[reply[1]]
            if reply[0] == b"missing":
                await self._begin_once(account, reply[2].decode())
                has_begun = True
            elif has_begun and reply[4]:
                await asyncio.sleep(_SECOND_LOOK_SECONDS)
                has_begun = False
            else:
                raise refusal(account.owner, account.limit, int(reply[2]), int(reply[3]))
        raise NotReady("The gateway cannot find out what was spent; try again later")

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
        async with self._ledger.still():
            spent, position = await stored_spending(self._store, account.owner, account.since)
            since = account.since or 0
            arguments: list[str | int] = [epoch, account.label, since, spent, position]
            await self._link.ask(OPEN, [account.key], arguments)

    # --- What this process holds ---

    def _enter(self, reservation: Reservation, call: _Call) -> None:
        self._running[reservation] = call
        labels = {account.owner.id: account.label for account in call.accounts}
        for owner_id in call.owners:
            label = labels.get(owner_id)
            owned = self._owned.setdefault(owner_id, _Owned(label))
            owned.calls.add(call)
            if label is None or label != owned.label:
                owned.apart.add(call)

    def _extend(
        self, reservation: Reservation, call: _Call, asked: Sequence[_Account], more: int
    ) -> None:
        """So much more is set aside in the accounts that were asked."""
        for account in asked:
            self._link.hold(account.running, more)
        if reservation not in self._running:
            # It was cancelled, and has ended, before that was known.
            self._link.change({account.running: -more for account in asked})
            return
        call.amount += more
        others = [account for account in call.accounts if account not in asked]
        if others:
            self._link.change({account.running: more for account in others})

    def _adopt(self, account: _Account) -> None:
        """Have the account know of the calls that are in its period."""
        for label, spooled in self._spooled.get(account.owner.id, {}).items():
            if label != account.label and spooled.began >= (account.since or 0):
                # It would have to know of them, and they are known one by one on the disk alone.
                raise NotReady(
                    "The gateway is storing what was spent before this budget was changed; try "
                    "again later"
                )
        owned = self._owned.get(account.owner.id)
        if owned is None:
            return
        if owned.label != account.label:
            owned.label, owned.apart = account.label, set(owned.calls)
        if not owned.apart:
            return
        changes: Counter[Place] = Counter()
        for call in owned.apart:
            known = any(each.running == account.running for each in call.accounts)
            if not known and call.began >= (account.since or 0):
                call.accounts.append(account)
                changes[call.place(account)] += call.amount
        owned.apart = set()
        self._link.change(changes)

    def _settle(
        self, reservation: Reservation, row_id: str, cost: int
    ) -> asyncio.Future[Reply] | None:
        call = self._running.pop(reservation)
        changes: Counter[Place] = Counter()
        for account in call.accounts:
            changes[account.running] -= call.amount
            changes[account.unstored] += cost
        if cost:
            call.amount, call.ended = cost, True
            self._unstored[row_id] = call
        else:
            self._leave(call)
        return self._link.change(changes) if changes else None

    def _leave(self, call: _Call) -> None:
        for owner_id in call.owners:
            owned = self._owned[owner_id]
            owned.calls.remove(call)
            owned.apart.discard(call)
            if not owned.calls:
                del self._owned[owner_id]

    def _account(self, owner: Owner, limit: int, now: int) -> _Account:
        return _Account(owner, current_period(owner, now), self._key(owner.id), limit)

    # --- Where rows are: see `Follower` ---

    def stored(self, rows: Sequence[LedgerRow], notes: Sequence[Any], position: int | None) -> None:
        changes: Counter[Place] = Counter()
        for row, note in zip(rows, notes, strict=True):
            for place in self._released(row, note):
                changes[place] -= row.cost or 0
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

    def note(self, row: LedgerRow) -> list[tuple[str, str | None]] | None:
        """The accounts that hold what it cost, as owner and label."""
        call = self._unstored.get(row.id)
        if call is None:
            return None
        held: list[tuple[str, str | None]] = [
            (account.owner.id, account.label) for account in call.accounts
        ]
        named = {owner_id for owner_id, _ in held}
        return held + [(owner_id, None) for owner_id in call.owners if owner_id not in named]

    def spooled(self, rows: Sequence[LedgerRow]) -> None:
        for row in rows:
            for owner_id, label in self.note(row) or ():
                spooled = self._spooled.setdefault(owner_id, {}).setdefault(label, _Spooled())
                spooled.rows += 1
                spooled.began = max(spooled.began, row.started_ms // 1000)
            call = self._unstored.pop(row.id, None)
            if call is not None:
                self._leave(call)

    def buried(self, node: str) -> None:
        self._link.bury(node)

    def _released(self, row: LedgerRow, note: Any) -> list[Place]:
        """Where the row's cost is held, which nobody else has to know any more."""
        call = self._unstored.pop(row.id, None)
        if call is not None:
            self._leave(call)
            return [account.unstored for account in call.accounts]
        for owner_id, label in note or ():
            of_owner = self._spooled[owner_id]
            of_owner[label].rows -= 1
            if not of_owner[label].rows:
                del of_owner[label]
            if not of_owner:
                del self._spooled[owner_id]
        return [
            (self._key(owner_id), _unstored_field(label))
            for owner_id, label in note or ()
            if label is not None
        ]

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
