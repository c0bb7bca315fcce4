"""The story of a request to a model. Read this first.

A handler in `gateway.http` has authenticated the caller and validated the body. From there:

1. `resolve` finds the deployments that the name stands for, if the key may call it.
2. `Accounting.open` lets the call in, or refuses it: it counts the request against the key's
   limits, sets the most it can cost aside in its budgets, and notes it in the ledger's journal.
3. `ResponseCache`, where it is on, looks for an answer that was given before: then 4 and 5 do not
   happen.
4. `Failover` chooses a deployment, and others where that one fails.
5. A `Lane` calls its provider: `LitellmLane`, or `DirectLane` where the model is to have that.
6. A stream's first events are awaited before anything is answered, so that an early failure goes
   elsewhere unseen, or else gets an honest status.
7. `Bill` settles what was used: once, whatever ends the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple
from urllib.parse import quote

from gateway.accounting import Accounting
from gateway.bill import Bill, Served
from gateway.cache import Entry, Lookup, ResponseCache
from gateway.catalogue import Group
from gateway.deployments import Attempt
from gateway.errors import GatewayError, UnknownModel, UpstreamError
from gateway.failover import Failover
from gateway.money import dollars
from gateway.records import Call, Content, Key, Operation, Usage
from gateway.registry import Registry
from gateway.resolve import resolve
from gateway.transcripts import recorder
from gateway.upstream.lane import Json, Piece, Whole
from gateway.upstream.lanes import Lanes

_VERSION = version("litellm")
_COMPLETIONS = (Operation.CHAT, Operation.COMPLETION)
# What of a name may stand in a header as it is.
_PLAIN = " !#$&'()*+,/:;=?@[]^`{|}"


class Answer(NamedTuple):
    """A whole answer."""

    body: Json | Content
    headers: dict[str, str]
    deployment_id: str
    """What gave it."""
    raw: bytes | None = None
    """The body as the caller is to get it, where the provider wrote it so."""
    cost: int | None = None
    """Nano-dollars; None where the model has no known price."""


class Stream:
    """An answer in events, whose first is there already. It must be closed, iterated or not."""

    def __init__(
        self,
        bill: Bill,
        attempt: Attempt | None,
        lookup: Lookup,
        headers: dict[str, str],
        first: list[Piece],
        rest: AsyncGenerator[list[Piece]],
    ) -> None:
        """`attempt` is None where the answer comes from the cache."""
        self.headers = headers
        self._bill = bill
        self._attempt = attempt
        self._lookup = lookup
        self._rest = rest
        self._usage: Usage | None = None
        self._error: Exception | None = None
        self._whole = False
        self._closed = False
        self._first = self._shown(first)

    async def __aiter__(self) -> AsyncIterator[list[Piece]]:
        """The events that the caller is to see, those together that came together.

        Raises UpstreamError where the provider fails.
        """
        try:
            await self._settle_reported()
            if self._first:
                yield self._first
            async for batch in self._rest:
                shown = self._shown(batch)
                await self._settle_reported()
                if shown:
                    yield shown
        except Exception as error:
            self._error = error
            if self._attempt is not None and isinstance(error, UpstreamError):
                self._attempt.failed(error)
            raise
        self._whole = True
        # Before the caller can know that all has come.
        await self._settle()
        if self._bill.served is not None:
            await self._lookup.keep(self._bill.served.model)

    def _shown(self, batch: list[Piece]) -> list[Piece]:
        call = self._bill.call
        shown: list[Piece] = []
        counted: list[Piece] = []
        for piece in batch:
            body = piece.body
            if piece.usage is not None:
                self._usage = piece.usage
            if not body:
                # A report alone.
                continue
            self._lookup.event(body)
            if piece.text is None and _is_report(call.operation, body):
                # Usage is always asked of the provider; the caller sees it only where it asked too.
                if call.wants_usage:
                    shown.append(piece)
            else:
                shown.append(piece)
                counted.append(piece)
        if counted:
            self._bill.pieces(counted)
        return shown

    async def _settle_reported(self) -> None:
        # The event beside which the report comes can tell the caller that it is the last.
        if self._usage is not None:
            await self._settle()

    @property
    def deployment_id(self) -> str:
        """What gives it."""
        return _served(self._bill).model.id

    @property
    def cost(self) -> int | None:
        """Nano-dollars, once all has come; None without a known price."""
        return self._bill.cost

    async def aclose(self) -> None:
        """Cancel the provider's side if it still runs, and settle. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._rest.aclose()
        finally:
            if self._attempt is not None:
                self._attempt.close()
            await self._settle()

    async def _settle(self) -> None:
        # The provider's report is the last thing it sends: with it, all has come.
        if self._whole or self._usage is not None:
            await self._bill.complete(self._usage)
        elif self._error is not None:
            await self._bill.cut(self._error)
        else:
            await self._bill.cancel()


class Pipeline:
    """Takes calls from admission to settlement."""

    def __init__(
        self,
        registry: Registry,
        accounting: Accounting,
        failover: Failover,
        lanes: Lanes,
        cache: ResponseCache,
    ) -> None:
        self._registry = registry
        self._accounting = accounting
        self._failover = failover
        self._lanes = lanes
        self._cache = cache

    async def complete(self, call: Call) -> Answer:
        """Answer a call as a whole.

        Raises:
            ModelDenied, UnknownModel, RateLimited, BudgetExceeded, UpstreamError, Misconfigured,
            NotReady.
        """
        group, bill = await self._open(call)
        async with bill:

            async def send(served: Served) -> Whole:
                clock.start()
                lane = self._lanes.of(call, served.model)
                return await lane.complete(call, served.model, self._registry.settings)

            clock = _Upstream(bill)
            lookup = await self._look_up(bill, group)
            if lookup.found is not None and lookup.found.body is not None:
                clock.start()
                whole = Whole(lookup.found.body, None)
            else:
                whole, attempt = await self._failover.run(bill, group, send)
                attempt.close()
            durations = clock.durations()
            cost = await bill.complete(whole.usage, whole.body)
            if bill.served is not None:
                await lookup.keep(bill.served.model, whole.body)
        headers = _headers(bill) | lookup.headers
        if cost is not None:
            headers["x-litellm-response-cost"] = str(dollars(cost))
        return Answer(whole.body, headers | durations, _served(bill).model.id, whole.raw, cost)

    async def stream(self, call: Call) -> Stream:
        """Answer a call in events, once the first has come. Raises what `complete` raises."""
        group, bill = await self._open(call)
        async with bill:

            async def send(served: Served) -> tuple[list[Piece], AsyncGenerator[list[Piece]]]:
                clock.start()
                lane = self._lanes.of(call, served.model)
                events = lane.stream(call, served.model, self._registry.settings)
                try:
                    return await anext(events), events
                except StopAsyncIteration:
                    raise UpstreamError(
                        "The provider ended its answer before it began",
                        status=502,
                        type="api_error",
                    ) from None

            clock = _Upstream(bill)
            attempt: Attempt | None = None
            lookup = await self._look_up(bill, group)
            if lookup.found is not None:
                clock.start()
                rest = _replayed(lookup.found)
                first = await anext(rest)
            else:
                (first, rest), attempt = await self._failover.run(bill, group, send)
            headers = _headers(bill) | lookup.headers | clock.durations()
            return Stream(bill, attempt, lookup, headers, first, rest)

    async def _look_up(self, bill: Bill, group: Group) -> Lookup:
        """What the cache has for the call; where that is an answer, the bill knows."""
        registry = self._registry
        lookup = await self._cache.look_up(bill.call, group, registry.settings)
        if lookup.found is not None:
            found = lookup.found.deployment_id
            giver = next((each for each in group.deployments if each.id == found), None)
            giver = giver or group.deployments[0]
            bill.hit(Served(giver, registry.prices(giver)))
        return lookup

    async def _open(self, call: Call) -> tuple[Group, Bill]:
        registry = self._registry
        try:
            group = resolve(registry.catalogue, call.key, call.model_name, call.operation)
            if call.deployment_id is not None:
                group = _pinned(group, call.deployment_id, call)
        except GatewayError as error:
            await self._accounting.refuse(call, error)
            raise
        servings = [Served(model, registry.prices(model)) for model in group.deployments]
        team = registry.teams.get(call.key.team_id) if call.key.team_id else None
        kept = recorder(registry.settings)
        return group, await self._accounting.open(call, group, servings, team, kept)


class _Upstream:
    """How long a call was with the provider that answered it, and how long it took in all."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self._sent = 0.0

    def start(self) -> None:
        self._sent = self._bill.elapsed_ms()

    def durations(self) -> dict[str, str]:
        """LiteLLM's headers, as of now."""
        total = self._bill.elapsed_ms()
        return {
            "x-litellm-response-duration-ms": f"{total:.2f}",
            "x-litellm-overhead-duration-ms": f"{self._sent:.2f}",
        }


async def _replayed(entry: Entry) -> AsyncGenerator[list[Piece]]:
    """The events of a stored stream, among which others get their turn."""
    for event in entry.events:
        yield [Piece(event)]
        await asyncio.sleep(0)


def _is_report(operation: Operation, body: Json) -> bool:
    """Whether an event is there for the usage that it reports alone."""
    return operation in _COMPLETIONS and bool(body.get("usage")) and not body.get("choices")


def _pinned(group: Group, deployment_id: str, call: Call) -> Group:
    """The group with this deployment alone. Raises UnknownModel where it has none such."""
    found = tuple(model for model in group.deployments if model.id == deployment_id)
    if not found:
        raise UnknownModel(call.operation.value, call.model_name)
    return Group(group.name, found)


def _served(bill: Bill) -> Served:
    assert bill.served is not None  # noqa: S101 - something has answered
    return bill.served


@lru_cache(1000)
def _quoted(name: str) -> str:
    return quote(name, _PLAIN)


def _headers(bill: Bill) -> dict[str, str]:
    """LiteLLM's headers (proxy/common_request_processing.py), for what there is to tell."""
    key: Key = bill.call.key
    served = _served(bill).model
    told = {
        "x-litellm-call-id": bill.id,
        "x-litellm-model-id": _quoted(served.id),
        "x-litellm-model-group": _quoted(served.name),
        "x-litellm-version": _VERSION,
        "x-litellm-key-spend": dollars(bill.spent),
        "x-litellm-key-max-budget": None if key.max_budget is None else dollars(key.max_budget),
        "x-litellm-key-tpm-limit": key.tpm_limit,
        "x-litellm-key-rpm-limit": key.rpm_limit,
    }
    if bill.cache_hit:
        told["x-litellm-response-cost"] = dollars(0)
    admitted = bill.admission.headers if bill.admission else {}
    given = {name: str(value) for name, value in told.items() if value is not None}
    return given | bill.attempts() | admitted
