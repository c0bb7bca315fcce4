"""What keys and teams may spend: reserved before a call, settled after it.

A call is let in while what was spent in the period, and what running calls may still cost, is
below the limit. As each reserves the most it can cost, all that are let in together exceed a limit
by less than one of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import BudgetExceeded, RateLimited
from gateway.ledger import Ledger
from gateway.money import dollars
from gateway.periods import period_start
from gateway.records import Key, LedgerRow, Team
from gateway.store.ledger import LedgerStore

FOLLOW_SECONDS = 0.5
_PAGE = 1000

log = logging.getLogger(__name__)

Owner = Key | Team


@dataclass(slots=True)
class _Account:
    """An owner's money in one period; all in nano-dollars."""

    since: int | None
    """When the period began; None where there is only one."""
    spent: int
    position: int
    """Rows of other processes up to this position are in `spent`."""
    reserved: int = 0
    warned: bool = False


@dataclass(slots=True)
class Reservation:
    """Money set aside for a running call."""

    amount: int
    accounts: list[tuple[_Account, Owner]]

    @property
    def spent(self) -> int:
        """What the key has spent in its period, in nano-dollars, without running calls."""
        return self.accounts[0][0].spent


class Budgets:
    """Counted in this process; what others spend is added within `FOLLOW_SECONDS`."""

    def __init__(self, store: LedgerStore, ledger: Ledger, node: str) -> None:
        self._store = store
        self._ledger = ledger
        self._node = node
        self._accounts: dict[str, _Account] = {}
        self._loading = asyncio.Lock()
        self._position = 0

    async def reserve(self, key: Key, team: Team | None, amount: int) -> Reservation:
        """Set aside the most that a call can cost.

        Raises:
            BudgetExceeded: The key's or its team's budget is spent.
            RateLimited: The rest of it is reserved by calls that are running.
        """
        owners: list[Owner] = [key, *([team] if team else [])]
        now = int(time.time())
        accounts = [(await self._account(owner, now), owner) for owner in owners]
        # No await from here on: nobody else reserves between the check and the reservation.
        for account, owner in accounts:
            _check(account, owner)
        for account, _ in accounts:
            account.reserved += amount
        return Reservation(amount, accounts)

    def settle(self, reservation: Reservation, row: LedgerRow) -> None:
        """Replace what was set aside by what the call has cost."""
        for account, owner in reservation.accounts:
            account.reserved -= reservation.amount
            # Another period may have begun, in which the call does not count.
            current = self._accounts.get(owner.id)
            if current is not None and _counts(row, current.since):
                current.spent += row.cost or 0
                _warn(current, owner)

    async def spent(self, owner: Owner) -> int:
        """What the owner has spent in its period until now, in nano-dollars."""
        return (await self._account(owner, int(time.time()))).spent

    async def watch(self) -> None:
        """Add what other processes spend, until cancelled."""
        self._position = await self._store.last_position()
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self._follow()
            except Exception:
                log.exception("Cannot read what other processes spent")

    async def _follow(self) -> None:
        while page := await self._store.after(self._position, _PAGE, not_of=self._node):
            for position, row in page:
                self._add(position, row)
            self._position = page[-1][0]

    def _add(self, position: int, row: LedgerRow) -> None:
        for owner_id in (row.key_id, row.team_id):
            account = self._accounts.get(owner_id or "")
            if account and position > account.position and _counts(row, account.since):
                account.spent += row.cost or 0

    async def _account(self, owner: Owner, now: int) -> _Account:
        duration = owner.budget_duration
        since = period_start(duration, owner.created_at, now) if duration else None
        account = self._accounts.get(owner.id)
        if account is not None and account.since == since:
            return account
        async with self._loading:
            account = self._accounts.get(owner.id)
            if account is None or account.since != since:
                account = self._accounts[owner.id] = await self._load(owner, since)
        return account

    async def _load(self, owner: Owner, since: int | None) -> _Account:
        kind = "key" if isinstance(owner, Key) else "team"
        async with self._ledger.stored:
            spent, position = await self._store.spent(kind, owner.id, since)
            # No await between: a row that is settled meanwhile would be in neither.
            own = _of(self._ledger.waiting, owner)
            return _Account(
                since,
                spent + sum(row.cost or 0 for row in own if _counts(row, since)),
                position,
            )


def _of(rows: Iterable[LedgerRow], owner: Owner) -> list[LedgerRow]:
    return [row for row in rows if owner.id in (row.key_id, row.team_id)]


def _counts(row: LedgerRow, since: int | None) -> bool:
    return since is None or row.started_ms >= since * 1000


def _check(account: _Account, owner: Owner) -> None:
    limit = owner.max_budget
    if limit is None or account.spent + account.reserved < limit:
        return
    whose = (
        f"Key={owner.label or owner.id} ({owner.hint.replace('…', '...')})"
        if isinstance(owner, Key)
        else f"Team={owner.name}"
    )
    if account.spent >= limit:
        raise BudgetExceeded(
            f"Budget has been exceeded! {whose} Current cost: {dollars(account.spent)}, "
            f"Max budget: {dollars(limit)}"
        )
    raise RateLimited(
        f"The rest of the budget is set aside for requests that are running. {whose} Current "
        f"cost: {dollars(account.spent)}, Set aside: {dollars(account.reserved)}, Max budget: "
        f"{dollars(limit)}. Try again when they have ended; a smaller max_tokens sets less aside.",
        headers={"retry-after": "1", "rate_limit_type": "budget"},
    )


def _warn(account: _Account, owner: Owner) -> None:
    soft = owner.soft_budget
    if soft is not None and account.spent >= soft and not account.warned:
        account.warned = True
        log.warning(
            "The soft budget of %s is spent: %s of %s dollars",
            owner.id,
            dollars(account.spent),
            dollars(soft),
        )
