"""The story of a request to a model. Read this first.

A handler in `gateway.http` has authenticated the caller and validated the body. From there:

1. `resolve` finds the model that the name stands for, if the key may call it.
2. `Accounting.open` lets the call in, or refuses it: it counts the request against the key's
   limits, sets the most it can cost aside in its budgets, and notes it in the ledger's journal.
3. `LitellmLane` calls the provider.
4. A stream's first chunk is awaited before anything is answered, so that an early failure still
   gets an honest status.
5. `Bill` settles what was used: once, whatever ends the call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from gateway.accounting import Accounting, Bill, Served
from gateway.errors import GatewayError, UpstreamError
from gateway.money import dollars
from gateway.records import Call, Key, Usage
from gateway.registry import Registry
from gateway.resolve import resolve
from gateway.transcripts import recorder
from gateway.upstream.litellm_lane import LitellmLane

Json = dict[str, Any]

_VERSION = version("litellm")
# What of a name may stand in a header as it is.
_PLAIN = " !#$&'()*+,/:;=?@[]^`{|}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    body: Json
    headers: dict[str, str]


class Stream:
    """An answer in chunks, whose first is there already. It must be closed, iterated or not."""

    def __init__(
        self,
        bill: Bill,
        headers: dict[str, str],
        first: tuple[Json, Usage | None],
        rest: AsyncGenerator[tuple[Json, Usage | None]],
    ) -> None:
        self.headers = headers
        self._bill = bill
        self._rest = rest
        self._usage: Usage | None = None
        self._error: Exception | None = None
        self._whole = False
        self._closed = False
        self._first = self._shown(*first)

    async def __aiter__(self) -> AsyncIterator[Json]:
        """The chunks that the caller is to see. Raises UpstreamError where the provider fails."""
        for shown in self._first:
            yield shown
        try:
            async for chunk in self._rest:
                for shown in self._shown(*chunk):
                    yield shown
        except Exception as error:
            self._error = error
            raise
        self._whole = True
        # Before the caller can know that all has come.
        await self._settle()

    def _shown(self, chunk: Json, usage: Usage | None) -> list[Json]:
        if usage is None:
            self._bill.chunk(chunk)
        else:
            self._usage = usage
        # Usage is always asked of the provider; the caller sees it only where it asked too.
        return [chunk] if self._bill.call.wants_usage or not chunk.get("usage") else []

    async def aclose(self) -> None:
        """Cancel the provider's side if it still runs, and settle. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._rest.aclose()
        finally:
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

    def __init__(self, registry: Registry, accounting: Accounting, lane: LitellmLane) -> None:
        self._registry = registry
        self._accounting = accounting
        self._lane = lane

    async def complete(self, call: Call) -> Answer:
        """Answer a call as a whole.

        Raises:
            ModelDenied, UnknownModel, RateLimited, BudgetExceeded, UpstreamError, Misconfigured,
            NotReady.
        """
        served, bill = await self._open(call)
        async with _settled(bill):
            sent = bill.elapsed_ms()
            body, usage = await self._lane.complete(call, served.model, self._registry.settings)
            upstream_ms = bill.elapsed_ms() - sent
            cost = await bill.complete(usage, body)
        headers = _headers(bill, served)
        if cost is not None:
            headers["x-litellm-response-cost"] = str(dollars(cost))
        return Answer(body, headers | _durations(bill.elapsed_ms(), upstream_ms))

    async def stream(self, call: Call) -> Stream:
        """Answer a call in chunks, once the first has come. Raises what `complete` raises."""
        served, bill = await self._open(call)
        async with _settled(bill):
            sent = bill.elapsed_ms()
            chunks = self._lane.stream(call, served.model, self._registry.settings)
            try:
                first = await anext(chunks)
            except StopAsyncIteration:
                raise UpstreamError(
                    "The provider ended its answer before it began", status=502, type="api_error"
                ) from None
            upstream_ms = bill.elapsed_ms() - sent
            durations = _durations(bill.elapsed_ms(), upstream_ms)
            return Stream(bill, _headers(bill, served) | durations, first, chunks)

    async def _open(self, call: Call) -> tuple[Served, Bill]:
        registry = self._registry
        try:
            model = resolve(registry.models, call.key, call.model_name, call.operation)
        except GatewayError as error:
            await self._accounting.refuse(call, error)
            raise
        served = Served(model, registry.prices.get(model.id))
        team = registry.teams.get(call.key.team_id) if call.key.team_id else None
        kept = recorder(registry.settings)
        return served, await self._accounting.open(call, served, team, kept)


@asynccontextmanager
async def _settled(bill: Bill) -> AsyncIterator[None]:
    """Settle the bill if what is inside fails or is cancelled."""
    try:
        yield
    except BaseException as error:
        await bill.end(error)
        raise


def _headers(bill: Bill, served: Served) -> dict[str, str]:
    """LiteLLM's headers (proxy/common_request_processing.py), for what there is to tell."""
    key: Key = bill.call.key
    told = {
        "x-litellm-call-id": bill.id,
        "x-litellm-model-id": quote(served.model.id, _PLAIN),
        "x-litellm-model-group": quote(served.model.name, _PLAIN),
        "x-litellm-version": _VERSION,
        "x-litellm-key-spend": dollars(bill.spent),
        "x-litellm-key-max-budget": None if key.max_budget is None else dollars(key.max_budget),
        "x-litellm-key-tpm-limit": key.tpm_limit,
        "x-litellm-key-rpm-limit": key.rpm_limit,
        "x-litellm-attempted-retries": 0,
        "x-litellm-attempted-fallbacks": 0,
    }
    admitted = bill.admission.headers if bill.admission else {}
    return {name: str(value) for name, value in told.items() if value is not None} | admitted


def _durations(total_ms: float, upstream_ms: float) -> dict[str, str]:
    return {
        "x-litellm-response-duration-ms": f"{total_ms:.2f}",
        "x-litellm-overhead-duration-ms": f"{total_ms - upstream_ms:.2f}",
    }
