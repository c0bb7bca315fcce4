"""The story of a request to a model. Read this first.

A handler in `gateway.http` has authenticated the caller and validated the body. From there:

1. `Limiter.admit` counts the request in, or refuses it.
2. `resolve` finds the model that the name stands for.
3. `LitellmLane` calls the provider.
4. A stream's first chunk is awaited before anything is answered, so that an early failure still
   gets an honest status.
5. `Limiter.settle` books what was used: once, whatever ends the call.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio

from gateway.errors import UpstreamError
from gateway.limits import Admission, Limiter
from gateway.records import Call
from gateway.registry import Registry
from gateway.resolve import resolve
from gateway.upstream.litellm_lane import LitellmLane

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    body: Json
    headers: dict[str, str]


class Stream:
    """An answer in chunks, whose first is there already. It must be closed, iterated or not."""

    def __init__(
        self,
        call: Call,
        admission: Admission,
        limiter: Limiter,
        first: Json,
        rest: AsyncGenerator[Json],
    ) -> None:
        self.headers = admission.headers
        self._call = call
        self._admission = admission
        self._limiter = limiter
        self._first = first
        self._rest = rest
        self._reported: int | None = None
        self._chunks = 0
        self._settled = False

    async def __aiter__(self) -> AsyncIterator[Json]:
        """The chunks that the caller is to see. Raises UpstreamError where the provider fails."""
        for shown in self._shown(self._first):
            yield shown
        async for chunk in self._rest:
            for shown in self._shown(chunk):
                yield shown

    def _shown(self, chunk: Json) -> list[Json]:
        self._chunks += 1
        usage = chunk.get("usage")
        if usage:
            self._reported = usage["total_tokens"]
        # Usage is always asked of the provider; the caller sees it only where it asked too.
        return [chunk] if self._call.wants_usage or not usage else []

    async def aclose(self) -> None:
        """Cancel the provider's side if it still runs, and settle. Safe to call twice."""
        if self._settled:
            return
        self._settled = True
        # Whatever ends the stream, a cancellation too, must not keep this from running.
        with anyio.CancelScope(shield=True):
            await self._rest.aclose()
            # A stream cut short reports no usage; its chunks are about a token each.
            tokens = self._chunks if self._reported is None else self._reported
            await self._limiter.settle(self._admission, tokens)


class Pipeline:
    """Takes calls from admission to settlement."""

    def __init__(self, registry: Registry, limiter: Limiter, lane: LitellmLane) -> None:
        self._registry = registry
        self._limiter = limiter
        self._lane = lane

    async def complete(self, call: Call) -> Answer:
        """Answer a call as a whole.

        Raises:
            RateLimited, UnknownModel, UpstreamError, Misconfigured, NotReady.
        """
        admission = await self._limiter.admit(call.key)
        model = resolve(self._registry.models, call.model_name, call.operation)
        body = await self._lane.complete(call, model, self._registry.settings)
        tokens = (body.get("usage") or {}).get("total_tokens", 0)
        await self._limiter.settle(admission, tokens)
        return Answer(body, admission.headers)

    async def stream(self, call: Call) -> Stream:
        """Answer a call in chunks, once the first has come. Raises what `complete` raises."""
        admission = await self._limiter.admit(call.key)
        model = resolve(self._registry.models, call.model_name, call.operation)
        chunks = self._lane.stream(call, model, self._registry.settings)
        try:
            first = await anext(chunks)
        except StopAsyncIteration:
            raise UpstreamError(
                "The provider ended its answer before it began", status=502, type="api_error"
            ) from None
        return Stream(call, admission, self._limiter, first, chunks)
