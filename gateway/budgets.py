"""What keys and teams may spend: reserved before a call, settled after it.

A call is let in while what was spent in the period, and what running calls may still cost, is
below the limit. As each reserves the most it can cost, all that are let in together exceed a limit
by less than one of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import BudgetExceeded, NotReady, RateLimited
from gateway.ledger import Ledger
from gateway.money import dollars
from gateway.records import Key, LedgerRow, Team
from gateway.store.database import ANSWER_SECONDS
from gateway.store.ledger import Charge, LedgerStore, current_period

FOLLOW_SECONDS = 0.5
_PAGE = 1000
_FEW_ACCOUNTS = 250

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
    reserved: int
    warned: bool = False


@dataclass(slots=True, eq=False)
class Reservation:
    """Money set aside for a running call."""

    amount: int
    started_ms: int
    owners: tuple[Owner, ...]
    spent: int
    """What the key had spent in its period, in nano-dollars, without running calls."""


class BudgetKeeper(Protocol):
    async def reserve(self, key: Key, team: Team | None, most: LedgerRow) -> Reservation:
        """Set aside the most that a call can cost; `most` is its row in that case.

        Raises:
            BudgetExceeded: The key's or its team's budget is spent.
            RateLimited: The rest of it is reserved by calls that are running.
            NotReady: Nobody can tell what was spent.
        """

    async def extend(self, reservation: Reservation, amount: int) -> None:
        """Set so much aside for a running call, if that is more than what it has.

        Raises as `reserve` does; nothing has changed then.
        """

    def settle(self, reservation: Reservation, row: LedgerRow) -> Awaitable[object] | None:
        """Replace what was set aside by what the call has cost.

        Returns what comes once every process knows, if that takes time.
        """


class Budgets:
    """Counted in this process; what others spend is added within `FOLLOW_SECONDS`."""

    def __init__(
        self,
        store: LedgerStore,
        ledger: Ledger,
        node: str,
        is_known: Callable[[str], bool] = lambda _owner_id: True,
        *,
        binding: bool = True,
    ) -> None:
        """`is_known` says of a key's or team's id whether it is still there.

        Without `binding` all calls are let in: these accounts say what was spent, and others say
        who may spend.
        """
        self._is_known = is_known
        self._binding = binding
        self._kept = _FEW_ACCOUNTS
        self._store = store
        self._ledger = ledger
        self._node = node
        self._accounts: dict[str, _Account] = {}
        self._running: set[Reservation] = set()
        self._loading = asyncio.Lock()
        # The rows of other processes up to here have been looked at; None before any account.
        self._position: int | None = None

    async def reserve(self, key: Key, team: Team | None, most: LedgerRow) -> Reservation:
        """See `BudgetKeeper`.

        Raises NotReady where the database cannot be read at an owner's first call in a period.
        """
        owners: tuple[Owner, ...] = (key, team) if team else (key,)
        accounts = await self._current(owners, most.started_ms // 1000)
        # No await from here on: nobody else reserves between the check and the reservation.
        if self._binding:
            for account, owner in zip(accounts, owners, strict=True):
                _check(account, owner)
        made = Reservation(most.cost or 0, most.started_ms, owners, accounts[0].spent)
        self._running.add(made)
        for account in accounts:
            account.reserved += made.amount
        return made

    async def extend(self, reservation: Reservation, amount: int) -> None:
        more = amount - reservation.amount
        if more <= 0:
            return
        if self._binding:
            self.check(reservation)
        for account, _ in self._counting(reservation):
            account.reserved += more
        reservation.amount = amount

    def check(self, reservation: Reservation) -> None:
        """Raises as `reserve` does where there would be no room now, whether these bind or not."""
        for account, owner in self._counting(reservation):
            _check(account, owner, but=reservation.amount)

    def check_spent(self, reservation: Reservation) -> None:
        """Raises BudgetExceeded where all is spent, whatever running calls have set aside."""
        for account, owner in self._counting(reservation):
            _check(account, owner, but=account.reserved)

    def _counting(self, reservation: Reservation) -> list[tuple[_Account, Owner]]:
        """The accounts that a running call counts in."""
        return [
            (self._accounts[owner.id], owner)
            for owner in reservation.owners
            if _counts(reservation.started_ms, self._accounts[owner.id].since)
        ]

    def settle(self, reservation: Reservation, row: LedgerRow) -> None:
        self._running.remove(reservation)
        for owner in reservation.owners:
            account = self._accounts[owner.id]
            # Another period may have begun, in which the call does not count.
            if _counts(reservation.started_ms, account.since):
                account.reserved -= reservation.amount
                account.spent += row.cost or 0
                _warn(account, owner)

    async def spent(self, owner: Owner) -> int:
        """What the owner has spent in its period until now, in nano-dollars."""
        return (await self._current((owner,), int(time.time())))[0].spent

    async def watch(self) -> None:
        """Add what other processes spend, until cancelled."""
        failing = False
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self._follow()
                self._forget_gone()
            except Exception:
                if not failing:
                    log.exception("Cannot read what other processes spent")
                failing = True
            else:
                if failing:
                    log.warning("What other processes spent can be read again")
                failing = False

    async def _follow(self) -> None:
        while self._position is not None:
            last = await self._store.last_position()
            page = await self._store.charges_after(self._position, _PAGE, not_of=self._node)
            if not page:
                # Or this process's own rows would be passed over again each time.
                self._position = max(self._position, last)
                break
            for charge in page:
                self._add(charge)
            self._position = page[-1].position

    def _forget_gone(self) -> None:
        """Drop the accounts of keys and teams that are no more, whenever there are twice as many
        as were kept the last time."""
        if len(self._accounts) < 2 * self._kept:
            return
        busy = {owner.id for running in self._running for owner in running.owners}
        self._accounts = {
            owner_id: account
            for owner_id, account in self._accounts.items()
            if owner_id in busy or self._is_known(owner_id)
        }
        self._kept = max(_FEW_ACCOUNTS, len(self._accounts))

    def _add(self, charge: Charge) -> None:
        for owner_id in (charge.key_id, charge.team_id):
            account = self._accounts.get(owner_id or "")
            if (
                account
                and charge.position > account.position
                and _counts(charge.started_ms, account.since)
            ):
                account.spent += charge.cost

    async def _current(self, owners: Sequence[Owner], now: int) -> list[_Account]:
        """The accounts of the period that `now` is in; only who has `_loading` replaces any."""
        if not all(self._is_current(owner, now) for owner in owners):
            async with self._loading:
                for owner in owners:
                    if not self._is_current(owner, now):
                        await self._load(owner, current_period(owner, now))
        return [self._accounts[owner.id] for owner in owners]

    def _is_current(self, owner: Owner, now: int) -> bool:
        account = self._accounts.get(owner.id)
        return account is not None and account.since == current_period(owner, now)

    async def _load(self, owner: Owner, since: int | None) -> None:
        async with self._ledger.still():
            spent, position = await stored_spending(self._store, owner, since)
            # No await from here on: a row that is settled meanwhile would be in neither.
            self._accounts[owner.id] = _Account(
                since,
                spent + self._ledger.unstored(owner.id, None if since is None else since * 1000),
                position,
                # The period may be another because the operator changed its length.
                sum(
                    running.amount
                    for running in self._running
                    if _counts(running.started_ms, since)
                    and any(each.id == owner.id for each in running.owners)
                ),
            )
            if self._position is None:
                self._position = position


async def stored_spending(store: LedgerStore, owner: Owner, since: int | None) -> tuple[int, int]:
    """What the database says, and the last position counted. Raises NotReady."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await store.spent("key" if isinstance(owner, Key) else "team", owner.id, since)
    except (SQLAlchemyError, TimeoutError) as error:
        log.error("Cannot read what %s spent: %s", owner.id, error)
        raise NotReady(
            "The gateway cannot read what was spent from its database; try again later"
        ) from error


def _counts(started_ms: int, since: int | None) -> bool:
    return since is None or started_ms >= since * 1000


def _check(account: _Account, owner: Owner, but: int = 0) -> None:
    """`but` is what is set aside for the call itself."""
    limit = owner.max_budget
    if limit is not None and account.spent + account.reserved - but >= limit:
        raise refusal(owner, limit, account.spent, account.reserved)


def refusal(owner: Owner, limit: int, spent: int, reserved: int) -> BudgetExceeded | RateLimited:
    """Why a call is not let in, where these together are no less than the limit."""
    whose = (
        f"Key={owner.label or owner.id} ({owner.hint.replace('…', '...')})"
        if isinstance(owner, Key)
        else f"Team={owner.name}"
    )
    if spent >= limit:
        return BudgetExceeded(
            f"Budget has been exceeded! {whose} Current cost: {dollars(spent)}, "
            f"Max budget: {dollars(limit)}"
        )
    return RateLimited(
        f"The rest of the budget is set aside for requests that are running. {whose} Current "
        f"cost: {dollars(spent)}, Set aside: {dollars(reserved)}, Max budget: "
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
