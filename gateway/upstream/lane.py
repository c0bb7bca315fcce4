"""What all ways to a provider share: what comes back, and how long each part of it may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol

from gateway.errors import UpstreamError
from gateway.records import Call, CallSettings, Content, Model, Usage

Json = dict[str, Any]

# A stream that says nothing is not held back for ever.
_MOST_HELD = 100


class Whole(NamedTuple):
    """An answer."""

    body: Json | Content
    usage: Usage | None
    """None where the provider reported none; the answer may have numbers all the same."""
    raw: bytes | None = None
    """The body as the provider wrote it, where the caller is to get it so."""


class Piece(NamedTuple):
    """An event of a streamed answer."""

    body: Json
    usage: Usage | None = None
    """What the provider reported of the whole stream; beside its last event."""
    raw: bytes | None = None
    """The body as the provider wrote it, where the caller is to get it so."""
    text: str | None = None
    """All that it says, where that is told apart from the rest; see `said.text_alone`."""


class Lane(Protocol):
    """A way to a provider."""

    async def complete(self, call: Call, model: Model, settings: CallSettings) -> Whole:
        """The whole answer.

        Raises:
            UpstreamError: The provider refused or could not be reached.
            Misconfigured: The model refers to a variable that is not set.
        """
        ...

    def stream(
        self, call: Call, model: Model, settings: CallSettings
    ) -> AsyncGenerator[list[Piece]]:
        """The events of a streamed answer as they come: those that come together, together.

        The first ones come once one of them says something: what fails before has failed as a
        whole.

        Raises what `complete` raises, before or between events. Closing the generator cancels the
        request.
        """
        ...


class Timeouts(NamedTuple):
    """In seconds; None where there is none."""

    whole: float | None
    first: float
    """Until an answer begins: all of one that is not streamed."""
    between: float

    @classmethod
    def of(cls, call: Call, model: Model, settings: CallSettings) -> Timeouts:
        given: Mapping[str, Any] = model.params
        timeout = given.get("timeout") or settings.request_timeout
        if not call.streams:
            return cls(None, timeout, timeout)
        between = given.get("stream_timeout") or settings.stream_timeout or timeout
        first = given.get("first_token_timeout") or settings.first_token_timeout or between
        return cls(given.get("stream_total_timeout"), first, between)

    @property
    def answer(self) -> float:
        """Until the answer to a request begins, or is there."""
        return min(self.first, self.whole or self.first)


async def in_time(
    pieces: AsyncGenerator[list[Piece]],
    timeouts: Timeouts,
    began: float,
    tells: Callable[[Json], bool],
    fault: Callable[[Exception], UpstreamError],
) -> AsyncGenerator[list[Piece]]:
    """A stream, of which nothing is late and nothing comes before an event that `tells`.

    `began` is when the request was sent, by the loop's clock. Whatever fails is raised as `fault`
    makes it.
    """
    loop = asyncio.get_running_loop()
    ends = began + timeouts.whole if timeouts.whole else None
    held: list[Piece] | None = []
    async with aclosing(pieces):
        while True:
            by = began + timeouts.first if held is not None else loop.time() + timeouts.between
            try:
                async with asyncio.timeout_at(min(by, ends) if ends else by):
                    batch = await anext(pieces, None)
                # What is not as its format says fails here.
                silent = held is not None and not any(tells(piece.body) for piece in batch or ())
            except Exception as error:
                raise fault(error) from error
            if batch is None:
                break
            if held is not None:
                held += batch
                if silent and len(held) < _MOST_HELD:
                    continue
                batch, held = held, None
            yield batch
        if held:
            yield held
