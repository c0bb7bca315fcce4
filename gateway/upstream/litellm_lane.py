"""Calls by way of litellm, which translates to each provider.

litellm takes seconds to import, so that happens in a thread while the gateway opens its socket.
What is particular to an operation is in `formats`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from gateway.errors import NotReady
from gateway.records import Call, CallSettings, Model
from gateway.settings import DEFAULT_MAX_ANSWER_BYTES
from gateway.upstream import http_answers, litellm_setup
from gateway.upstream.arguments import arguments, reaching, resolved
from gateway.upstream.failures import upstream_error
from gateway.upstream.formats import FORMATS, Piece, Whole
from gateway.upstream.reports import Witness

T = TypeVar("T")

# A stream that says nothing is not held back for ever.
_MOST_HELD = 100


@dataclass(frozen=True, slots=True)
class _Timeouts:
    """In seconds; None where there is none."""

    whole: float | None
    first: float
    """Until an answer begins: all of one that is not streamed."""
    between: float


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
        """The whole answer, and its usage, None where the provider reported none.

        The answer may have numbers then all the same, of litellm's counting.

        Raises:
            UpstreamError: The provider refused or could not be reached.
            Misconfigured: The model refers to a variable that is not set.
        """
        model = resolved(model)
        witness = Witness(model.provider, call.operation, call.body.get("service_tier"))
        answer = await self._send(call, model, settings, witness)
        return FORMATS[call.operation].whole(answer, call, witness)

    async def stream(
        self, call: Call, model: Model, settings: CallSettings
    ) -> AsyncGenerator[Piece]:
        """The events of a streamed answer as they come.

        Beside the last is the usage that the provider reported; see `complete`. The first comes
        once one of them says something: what fails before has failed as a whole.

        Raises what `complete` raises, before or between events. Closing the generator cancels the
        request.
        """
        model = resolved(model)
        form = FORMATS[call.operation]
        assert form.stream is not None  # noqa: S101 - the bodies' rules have seen to it
        timeouts = _timeouts(call, model, settings)
        witness = Witness(model.provider, call.operation, call.body.get("service_tier"))
        loop = asyncio.get_running_loop()
        began = loop.time()
        ends = began + timeouts.whole if timeouts.whole else None
        pieces = form.stream(await self._send(call, model, settings, witness), call, witness)
        held: list[Piece] | None = []
        async with aclosing(pieces):
            while True:
                by = began + timeouts.first if held is not None else loop.time() + timeouts.between
                try:
                    # litellm's streams of Gemini know no timeout.
                    async with asyncio.timeout_at(min(by, ends) if ends else by):
                        piece = await anext(pieces, None)
                except Exception as error:
                    raise upstream_error(error, model.secrets, answered=True) from error
                if piece is None:
                    break
                if held is not None:
                    held.append(piece)
                    if not form.tells(piece[0]) and len(held) < _MOST_HELD:
                        continue
                    begun, held = held, None
                    for piece in begun:
                        yield piece
                else:
                    yield piece
            for piece in held or ():
                yield piece

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

    async def _send(
        self, call: Call, model: Model, settings: CallSettings, witness: Witness
    ) -> Any:
        litellm = await self._litellm()
        timeouts = _timeouts(call, model, settings)
        function = FORMATS[call.operation].function
        send = (
            getattr(litellm, function) if isinstance(function, str) else partial(function, litellm)
        )
        made = arguments(call, model, settings) | witness.arguments
        # litellm applies it to each read, so that a slow trickle would never end.
        made["timeout"] = max(timeouts.first, timeouts.between)
        statuses: list[int] = []
        http_answers.begun.set(statuses)
        try:
            async with asyncio.timeout(min(timeouts.first, timeouts.whole or timeouts.first)):
                return await send(**made)
        except Exception as error:
            answered = any(200 <= status < 300 for status in statuses)
            raise upstream_error(error, model.secrets, answered=answered) from error

    async def _open(self) -> Any:
        litellm = await asyncio.to_thread(litellm_setup.load)
        litellm_setup.share_connections(litellm, self._max_answer_bytes)
        return litellm

    async def _litellm(self) -> Any:
        if self._loading is None:
            raise NotReady("The gateway is not running")
        # Shielded: a caller who leaves must not cancel the import for all others.
        return await asyncio.shield(self._loading)


def _timeouts(call: Call, model: Model, settings: CallSettings) -> _Timeouts:
    given: Mapping[str, Any] = model.params
    timeout = given.get("timeout") or settings.request_timeout
    if not call.streams:
        return _Timeouts(None, timeout, timeout)
    between = given.get("stream_timeout") or settings.stream_timeout or timeout
    first = given.get("first_token_timeout") or settings.first_token_timeout or between
    return _Timeouts(given.get("stream_total_timeout"), first, between)
