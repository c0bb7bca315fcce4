"""Calls by way of litellm, which translates to each provider.

litellm takes seconds to import, so that happens in a thread while the gateway opens its socket.
What is particular to an operation is in `formats`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

import httpx

from gateway.errors import NotReady, UpstreamError
from gateway.records import Call, CallSettings, Model, Operation, Usage
from gateway.said import text_alone
from gateway.settings import DEFAULT_MAX_ANSWER_BYTES
from gateway.upstream import http_answers, litellm_setup
from gateway.upstream.arguments import arguments, reaching, resolved
from gateway.upstream.failures import upstream_error
from gateway.upstream.formats import FORMATS
from gateway.upstream.lane import Json, Piece, Timeouts, Whole, in_time
from gateway.upstream.reports import Witness

T = TypeVar("T")

# Of these litellm needs a key and nothing else, and what takes time is done in the event loop.
_PREPARED_HERE = ("openai",)


class LitellmLane:
    """Owns litellm: its import, its settings and its connections."""

    def __init__(self, max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._loading: asyncio.Task[Any] | None = None

    def start(self) -> None:
        """Begin to import litellm in the background."""
        self._loading = asyncio.create_task(self._open())

    @property
    def ready(self) -> bool:
        loading = self._loading
        return loading is not None and loading.done() and loading.exception() is None

    async def wait(self) -> None:
        """Wait until litellm is there. Raises whatever its import raised."""
        await self._litellm()

    async def aclose(self) -> None:
        """Close every connection and background task of litellm's."""
        if self._loading is None:
            return
        # The import cannot be interrupted; it is waited for so that no thread outlives the loop.
        opened = (await asyncio.gather(self._loading, return_exceptions=True))[0]
        if not isinstance(opened, BaseException):
            await litellm_setup.close(opened)

    async def complete(self, call: Call, model: Model, settings: CallSettings) -> Whole:
        """The whole answer; see `Lane.complete`."""
        model = resolved(model)
        witness = Witness(model.provider, call.operation, call.body.get("service_tier"))
        answer = await self._send(call, model, settings, witness)
        try:
            return Whole(*FORMATS[call.operation].whole(answer, call, witness))
        except Exception as error:
            # It is not as its format says.
            raise upstream_error(error, model.secrets, answered=True) from error

    async def stream(
        self, call: Call, model: Model, settings: CallSettings
    ) -> AsyncGenerator[list[Piece]]:
        """The events of a streamed answer; see `Lane.stream`."""
        model = resolved(model)
        form = FORMATS[call.operation]
        assert form.stream is not None  # noqa: S101 - the bodies' rules have seen to it
        witness = Witness(model.provider, call.operation, call.body.get("service_tier"))
        began = asyncio.get_running_loop().time()
        sent = await self._send(call, model, settings, witness)
        pieces = _pieces(form.stream(sent, call, witness))

        def fault(error: Exception) -> UpstreamError:
            return upstream_error(error, model.secrets, answered=True)

        # litellm's streams of Gemini know no timeout.
        timeouts = Timeouts.of(call, model, settings)
        async with aclosing(in_time(pieces, timeouts, began, form.tells, fault)) as batches:
            async for batch in batches:
                yield batch

    async def ask(
        self,
        function: Callable[..., Awaitable[T]],
        model: Model,
        settings: CallSettings,
        **named: Any,
    ) -> T:
        """What a function of ours finds out from a model's provider, beside all calls.

        It is given litellm, and the arguments of litellm's functions that lead to the model.

        Raises what `complete` raises.
        """
        litellm = await self._litellm()
        model = resolved(model)
        timeout = model.params.get("timeout") or settings.request_timeout
        try:
            async with asyncio.timeout(timeout):
                return await function(litellm, **reaching(model), **named, timeout=timeout)
        except Exception as error:
            raise upstream_error(error, model.secrets) from error

    async def refused(self, model: Model, response: httpx.Response) -> Exception:
        """litellm's exception for an answer that is an error, as another lane got it."""
        return litellm_setup.refused(await self._litellm(), model, response)

    async def _send(
        self, call: Call, model: Model, settings: CallSettings, witness: Witness
    ) -> Any:
        litellm = await self._litellm()
        timeouts = Timeouts.of(call, model, settings)
        function = FORMATS[call.operation].function
        send = (
            getattr(litellm, function) if isinstance(function, str) else partial(function, litellm)
        )
        made = arguments(call, model, settings) | witness.arguments
        # litellm applies it to each read, so that a slow trickle would never end.
        made["timeout"] = max(timeouts.first, timeouts.between)
        litellm_setup.prepares_here.set(
            call.operation is Operation.CHAT and model.provider in _PREPARED_HERE
        )
        statuses: list[int] = []
        http_answers.begun.set(statuses)
        try:
            async with asyncio.timeout(timeouts.answer):
                return await send(**made)
        except Exception as error:
            answered = any(200 <= status < 300 for status in statuses)
            raise upstream_error(error, model.secrets, answered=answered) from error

    async def _open(self) -> Any:
        # Its import makes a million objects for good. To look at them again and again took a third
        # of the import, and then a third of a second each time.
        gc.set_threshold(50_000, 20, 20)
        litellm = await asyncio.to_thread(litellm_setup.load)
        gc.freeze()
        litellm_setup.share_connections(litellm, self._max_answer_bytes)
        return litellm

    async def _litellm(self) -> Any:
        if self._loading is None:
            raise NotReady("The gateway is not running")
        # Shielded: a caller who leaves must not cancel the import for all others.
        return await asyncio.shield(self._loading)


async def _pieces(
    events: AsyncGenerator[list[tuple[Json, Usage | None]]],
) -> AsyncGenerator[list[Piece]]:
    async with aclosing(events):
        async for batch in events:
            yield [Piece(body, usage, None, text_alone(body)) for body, usage in batch]
