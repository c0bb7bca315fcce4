"""Opens and settles the bill of each request.

A bill holds the leave of the limits, the money set aside and the row in the ledger, so that no
route can have one without the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.bill import Bill, Served
from gateway.budgets import BudgetKeeper
from gateway.catalogue import Group
from gateway.errors import GatewayError
from gateway.ledger import Ledger
from gateway.limits import LimitKeeper
from gateway.records import Call, LedgerRow, Team
from gateway.store.ledger import Transcript
from gateway.transcripts import Recorder

Watcher = Callable[[Call, LedgerRow], object]
"""Is told of each call that has ended. It must not fail."""


class Accounting:
    """Opens and settles bills: limits, budgets and ledger as one."""

    def __init__(
        self,
        limiter: LimitKeeper,
        budgets: BudgetKeeper,
        ledger: Ledger,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self._limiter = limiter
        self._budgets = budgets
        self._ledger = ledger
        self._watchers = watchers

    async def open(
        self,
        call: Call,
        group: Group,
        servings: Sequence[Served],
        team: Team | None,
        recorder: Recorder | None,
    ) -> Bill:
        """Let a call in: count it, set aside what it can cost, note it durably.

        `servings` are the group's deployments with their prices.

        Raises:
            RateLimited, BudgetExceeded, NotReady: The call must not be made.
        """
        await self._ledger.room()
        async with Bill(self, call, servings[0], recorder) as bill:
            bill.admission = await self._limiter.admit(call.key, group.name)
            most = bill.most(servings)
            bill.reservation = await self._budgets.reserve(call.key, team, most)
            self._ledger.open(most)
            bill.opened = True
        return bill

    async def refuse(self, call: Call, error: GatewayError) -> None:
        """Put a call into the ledger that has no model. Raises NotReady."""
        await self._ledger.room()
        await Bill(self, call, None, None).end(error)

    async def extend(self, bill: Bill, servings: Sequence[Served]) -> None:
        """Set aside what a call can cost at other deployments too, and note it durably.

        Raises:
            RateLimited, BudgetExceeded, NotReady: It must not be made there.
        """
        most = bill.most(servings)
        if bill.reservation is not None:
            await self._budgets.extend(bill.reservation, most.cost or 0)
        self._ledger.seen(most)

    def note(self, row: LedgerRow) -> None:
        """Have the journal know how far a call has come."""
        self._ledger.seen(row)

    async def settle(self, bill: Bill, row: LedgerRow, transcript: Transcript | None) -> None:
        """Book what a call came to, and give back what it held."""
        # No await until all is booked: whoever reads what was spent looks at both ledger and
        # budgets, and a request that is cancelled once more is settled all the same.
        told: list[Awaitable[object] | None] = []
        try:
            self._ledger.settle(row, transcript)
        finally:
            tokens = row.prompt_tokens + row.completion_tokens
            if bill.reservation is not None:
                told.append(self._budgets.settle(bill.reservation, row))
            if bill.admission is not None:
                told.append(self._limiter.settle(bill.admission, tokens))
            if bill.served is not None:
                self._limiter.use(bill.served.model, tokens)
        for watcher in self._watchers:
            watcher(bill.call, row)
        for each in told:
            # Before the caller is answered, who may turn to another process next.
            if each is not None:
                await each
