"""What one request to a model comes to: at most before the provider is called, and in the end.

A bill is settled once, whatever ends the call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, Self

from gateway import metering
from gateway.budgets import Reservation
from gateway.errors import GatewayError, UpstreamError
from gateway.ids import request_id
from gateway.limits import Admission
from gateway.metering import METERED
from gateway.pricing import Prices
from gateway.records import Call, Content, LedgerRow, Model, Operation, Outcome, Usage
from gateway.said import said
from gateway.store.ledger import Transcript
from gateway.tokens import (
    likely_prompt_tokens,
    likely_tokens,
    most_completion_tokens,
    most_prompt_tokens,
)
from gateway.transcripts import Recorder
from gateway.upstream.lane import Piece

MOST_TOKENS = 2**53
"""What the database holds; no provider means more."""

# How often the journal notes how far a stream has come.
_NOTE_SECONDS = 1.0
_LONGEST_TEXT = 256
_NOTHING = Usage()
_tokens = attrgetter(
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
# What uses no tokens and costs nothing.
_FREE = (Operation.COUNT_TOKENS,)
# nginx's number for a client that closed its connection first.
_GONE = 499


class Served(NamedTuple):
    """The model that serves a call, and what it costs; None where no price is known."""

    model: Model
    prices: Prices | None


class Books(Protocol):
    """What a bill is settled in, see `gateway.accounting.Accounting`."""

    async def extend(self, bill: Bill, servings: Sequence[Served]) -> None: ...

    def note(self, row: LedgerRow) -> None: ...

    async def settle(self, bill: Bill, row: LedgerRow, transcript: Transcript | None) -> None: ...


@dataclass(slots=True)
class _Clock:
    """When a request began, and what has passed since."""

    started_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    _started: float = field(default_factory=time.perf_counter)

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000


class Bill:
    """The account of one request to a model.

    Attributes:
        id: The gateway's own id of the call.
        recorder: Keeps the answer, where the operator wants prompts and answers stored.
        opened: Whether a provider may have been called.
        served: The deployment that it is at, or was at last.
        retries: How often it was tried again.
        fallbacks: How many models failed it.
        cache_hit: Whether the answer is one that was given before.
        cost: Nano-dollars, once it is settled; None where no price is known.
    """

    def __init__(
        self, books: Books, call: Call, served: Served | None, recorder: Recorder | None
    ) -> None:
        self.id = request_id()
        self.call = call
        self.recorder = recorder
        self.admission: Admission | None = None
        self.reservation: Reservation | None = None
        self.opened = False
        self.served = served
        self.retries = 0
        self.fallbacks = 0
        self.cache_hit = False
        self.cost: int | None = None
        self._books = books
        self._clock = _Clock()
        self._first_token_ms: int | None = None
        self._completion_tokens = 0
        self._noted = 0.0
        self._settled = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Settle it if what is inside fails or is cancelled."""
        if error is not None:
            await self.end(error)

    @property
    def spent(self) -> int:
        """What the key had spent in its budget period before this call, in nano-dollars."""
        return self.reservation.spent if self.reservation else 0

    def elapsed_ms(self) -> float:
        return self._clock.elapsed_ms()

    def serve(self, served: Served) -> None:
        """The call goes to this deployment now."""
        self.served = served

    async def fall_back(self, servings: Sequence[Served]) -> None:
        """The call goes to another model, with these deployments. Raises as `Accounting.extend`."""
        await self._books.extend(self, servings)
        self.fallbacks += 1

    def hit(self, served: Served) -> None:
        """The answer is one that this deployment gave before: it uses and costs nothing."""
        self.served = served
        self.cache_hit = True
        # What is booked if the process dies meanwhile.
        self._books.note(self.row(_NOTHING, "interrupted", _GONE, "interrupted"))

    def most(self, servings: Sequence[Served]) -> LedgerRow:
        """The most that the call can come to at any of these deployments: what is set aside, and
        booked if the process dies."""
        return max(map(self._most, servings), key=lambda row: row.cost or 0)

    def _most(self, served: Served) -> LedgerRow:
        model, prices = served.model, served.prices
        if self.call.operation in _FREE:
            usage = _NOTHING
        elif self.call.operation in METERED:
            usage = metering.most(self.call, model.params, prices)
        else:
            readable = prices.max_input_tokens if prices else None
            writable = prices.max_output_tokens if prices else None
            usage = Usage(
                prompt_tokens=most_prompt_tokens(self.call, readable),
                completion_tokens=most_completion_tokens(self.call, model.params, writable),
                tier=str(self.call.body.get("service_tier") or ""),
                estimated=True,
            )
        cost = None
        if prices:
            prompt, completion = usage.prompt_tokens, usage.completion_tokens
            cost = prices.worst(prompt, completion, usage.tier, usage.units)
        return self.row(usage, "interrupted", _GONE, "interrupted", cost, served)

    def pieces(self, pieces: Sequence[Piece]) -> None:
        """Count events of a stream that came together, as far as their tokens are not reported."""
        elapsed = self.elapsed_ms()
        if self._first_token_ms is None:
            self._first_token_ms = round(elapsed)
        operation = self.call.operation
        for piece in pieces:
            # Some providers send a token a chunk, others many.
            if piece.text is not None:
                self._completion_tokens += likely_tokens(piece.text)
            else:
                self._completion_tokens += sum(map(likely_tokens, said(operation, piece.body)))
            if self.recorder:
                self.recorder.chunk(piece.body)
        if elapsed - self._noted >= _NOTE_SECONDS * 1000:
            self._noted = elapsed
            self._books.note(self.row(self._estimate(), "interrupted", _GONE, "interrupted"))

    async def complete(
        self, usage: Usage | None, body: Mapping[str, Any] | Content | None = None
    ) -> int | None:
        """The provider has answered, or the cache, with `body` unless it was a stream.

        Returns the cost.
        """
        if body is not None and self.recorder:
            self.recorder.answer(body)
        if self.call.operation in METERED:
            usage = self._metered(usage, body)
        elif usage is None and isinstance(body, Mapping):
            texts = said(self.call.operation, body)
            self._completion_tokens = sum(map(likely_tokens, texts))
        await self._settle(usage or self._estimate(), "complete", 200)
        return self.cost

    async def cut(self, error: Exception) -> None:
        """The provider, or a fault here, broke off a stream; what came of it is counted."""
        await self._settle(self._estimate(), "cut", 200, _kind(error))

    async def cancel(self) -> None:
        """The caller left; what came until then is counted, and the prompt if it was sent."""
        status = _GONE if self._first_token_ms is None else 200
        usage = self._estimate() if self.opened else _NOTHING
        await self._settle(usage, "cancelled", status, "cancelled")

    async def end(self, error: BaseException) -> None:
        """Nothing was answered because of this."""
        if isinstance(error, asyncio.CancelledError):
            await self.cancel()
        elif isinstance(error, GatewayError):
            error.headers.setdefault("x-litellm-call-id", self.id)
            error.headers |= self.attempts()
            outcome: Outcome = "failed" if isinstance(error, UpstreamError) else "refused"
            await self._settle(_NOTHING, outcome, error.status, _kind(error))
        else:
            await self._settle(_NOTHING, "failed", GatewayError.status, _kind(error))

    def attempts(self) -> dict[str, str]:
        """LiteLLM's headers for what was tried."""
        return {
            "x-litellm-attempted-retries": str(self.retries),
            "x-litellm-attempted-fallbacks": str(self.fallbacks),
        }

    async def _settle(
        self, usage: Usage, outcome: Outcome, status: int, error: str | None = None
    ) -> None:
        if self._settled:
            return
        self._settled = True
        row = self.row(usage, outcome, status, error)
        self.cost = row.cost
        transcript = None
        try:
            if self.recorder:
                # In a thread, since a text can be made to take long.
                transcript = await asyncio.to_thread(
                    self.recorder.result, row.id, row.started_ms, self.call.body
                )
        finally:
            # Also where the request is cancelled meanwhile, which costs the transcript alone.
            await self._books.settle(self, row, transcript)

    def _estimate(self) -> Usage:
        if self.cache_hit or self.call.operation in _FREE:
            return _NOTHING
        if self.call.operation in METERED:
            return self._metered(None, None)
        return Usage(
            prompt_tokens=likely_prompt_tokens(self.call),
            completion_tokens=self._completion_tokens,
            estimated=True,
        )

    def _metered(self, usage: Usage | None, body: Mapping[str, Any] | Content | None) -> Usage:
        served = self.served
        if self.cache_hit or served is None:
            return _NOTHING
        return metering.used(self.call, served.model.params, served.prices, usage, body)

    def row(
        self,
        usage: Usage,
        outcome: Outcome,
        status: int,
        error: str | None = None,
        cost: int | None = None,
        served: Served | None = None,
    ) -> LedgerRow:
        """The row of the call as it stands; `cost` where it does not follow from the usage."""
        call, served = self.call, served or self.served
        if not usage.total_tokens and usage.units is None:
            cost = 0
        elif cost is None and served and served.prices:
            cost = served.prices.cost(usage)
        tokens = _tokens(usage)
        if max(tokens) > MOST_TOKENS or min(tokens) < 0:
            tokens = tuple(map(_bounded, tokens))
        prompt, completion, cached, written, reasoning = tokens
        return LedgerRow(
            id=self.id,
            request_id=call.request_id,
            started_ms=self._clock.started_ms,
            key_id=call.key.id,
            team_id=call.key.team_id,
            operation=call.operation.value,
            model=_short(call.model_name),
            served_model=served.model.name if served else None,
            deployment_id=served.model.id if served else None,
            provider=served.model.provider if served else None,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=reasoning,
            estimated=usage.estimated,
            cost=None if cost is None else _bounded(cost),
            latency_ms=round(self.elapsed_ms()),
            first_token_ms=self._first_token_ms,
            status=status,
            error=_short(error) if error else None,
            outcome=outcome,
            stream=call.streams,
            end_user=_short(call.end_user) if call.end_user else None,
            tags=tuple(dict.fromkeys((*call.key.tags, *call.tags))) if call.tags else call.key.tags,
            retries=self.retries,
            fallbacks=self.fallbacks,
            cache_hit=self.cache_hit,
        )


def _bounded(number: int) -> int:
    return max(0, min(number, MOST_TOKENS))


def _short(text: str) -> str:
    if len(text) <= _LONGEST_TEXT and text.isascii():
        return text
    # A provider's JSON may hold half of a surrogate pair, which neither journal nor database takes.
    return text[:_LONGEST_TEXT].encode(errors="replace").decode()


def _kind(error: BaseException) -> str:
    return error.type if isinstance(error, GatewayError) else type(error).__name__
