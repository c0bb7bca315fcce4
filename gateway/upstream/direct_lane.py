"""Calls without litellm, to providers that speak the caller's wire format: bytes in, bytes out.

What differs from what caller and provider wrote is in `direct_requests` and `direct_answers`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, suppress

import httpx

from gateway.errors import NotReady, UpstreamError, broken_answer
from gateway.records import Call, CallSettings, Model
from gateway.settings import DEFAULT_MAX_ANSWER_BYTES
from gateway.upstream import direct_answers, http_answers
from gateway.upstream.arguments import resolved
from gateway.upstream.direct_answers import TELLS, Events
from gateway.upstream.direct_requests import Target, request_body
from gateway.upstream.event_stream import EventReader, EventTooLarge
from gateway.upstream.failures import upstream_error
from gateway.upstream.http_client import HttpClient, Response
from gateway.upstream.lane import Piece, Timeouts, Whole, in_time
from gateway.upstream.reports import Witness

# A connection whose last answer was read to its end can be used again.
_REST_SECONDS = 0.1
_MOST_TARGETS = 10_000

Refused = Callable[[Model, httpx.Response], Awaitable[Exception]]
"""Makes the exception that litellm would raise of an answer that is none."""


class DirectLane:
    """One pool of connections to all providers."""

    def __init__(self, refused: Refused, max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES) -> None:
        self._refused = refused
        self._max_answer_bytes = max_answer_bytes
        self._client: HttpClient | None = None
        # Of models that patterns stand for, callers choose the names.
        self._targets: OrderedDict[tuple[str, str], tuple[Model, Model, Target]] = OrderedDict()

    def start(self) -> None:
        """To be called in the event loop."""
        # With the certificates that litellm's calls go by.
        self._client = HttpClient(httpx.create_ssl_context())

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def complete(self, call: Call, model: Model, settings: CallSettings) -> Whole:
        """The whole answer; see `Lane.complete`."""
        model, target = self._reached(model)
        answered = False
        try:
            async with asyncio.timeout(Timeouts.of(call, model, settings).answer):
                response = await self._sent(call, model, target)
                answered = True
                try:
                    raw = await self._whole(response)
                finally:
                    response.close()
            return direct_answers.whole(raw, call, _witness(call, model))
        except Exception as error:
            raise upstream_error(error, model.secrets, answered=answered) from error

    async def stream(
        self, call: Call, model: Model, settings: CallSettings
    ) -> AsyncGenerator[list[Piece]]:
        """The events of a streamed answer; see `Lane.stream`."""
        model, target = self._reached(model)
        timeouts = Timeouts.of(call, model, settings)
        began = asyncio.get_running_loop().time()
        answered = False

        def fault(error: Exception) -> UpstreamError:
            return upstream_error(error, model.secrets, answered=answered)

        async def batches() -> AsyncGenerator[list[Piece]]:
            nonlocal answered
            response = await self._sent(call, model, target)
            answered = True
            try:
                reading = direct_answers.events(call, _witness(call, model))
                async with aclosing(self._events(response, reading)) as found:
                    async for batch in found:
                        yield batch
            finally:
                response.close()

        tells = TELLS[call.operation]
        async with aclosing(in_time(batches(), timeouts, began, tells, fault)) as timed:
            async for batch in timed:
                yield batch

    def _reached(self, model: Model) -> tuple[Model, Target]:
        """The model with its references resolved, and where it is. Raises Misconfigured."""
        name = model.id, model.upstream_model
        known = self._targets.get(name)
        if known is None or known[0] is not model:
            made = resolved(model)
            self._targets[name] = known = model, made, Target.of(made)
            if len(self._targets) > _MOST_TARGETS:
                self._targets.popitem(last=False)
        return known[1:]

    async def _sent(self, call: Call, model: Model, target: Target) -> Response:
        """A good answer, of which nothing is read yet. It must be closed."""
        if self._client is None:
            raise NotReady("The gateway is not running")
        body = request_body(call, model, target)
        response = await self._client.post(target.route, target.head(call), body)
        try:
            # A redirect is none: a provider could send a call on, prompt and all, to an address of
            # its choice.
            if 200 <= response.status < 300:
                http_answers.kind_of(response.headers)
                return response
            content = await self._whole(response)
            refusal = _as_httpx(response, content, target.url(call.operation))
        except BaseException:
            response.close()
            raise
        response.close()
        raise await self._refused(model, refusal)

    async def _whole(self, response: Response) -> bytes:
        contents = _Contents(response.headers, self._max_answer_bytes)
        pieces: list[bytes] = []
        while received := await response.read():
            pieces += contents.feed(received)
        return b"".join(pieces)

    async def _events(self, response: Response, reading: Events) -> AsyncGenerator[list[Piece]]:
        contents = _Contents(response.headers, self._max_answer_bytes)
        reader = EventReader()
        batch: list[Piece] = []
        while not reading.ended and (received := await _more(response)):
            for piece in contents.feed(received):
                batch, fault = _taken(reader, piece, reading)
                if reading.ended:
                    break
                if batch:
                    yield batch
                    batch = []
                if fault is not None:
                    raise fault
        if (last := reading.end()) is not None:
            batch.append(last)
        if batch:
            yield batch
        if reading.ended and not response.at_end:
            # Whatever comes of the rest: nothing is missing.
            with suppress(Exception):
                async with asyncio.timeout(_REST_SECONDS):
                    await response.read()


class _Contents:
    """What an answer consists of, decompressed, up to the most that is read of one."""

    def __init__(self, headers: Mapping[str, str], most_bytes: int) -> None:
        """Raises UpstreamError where they name an encoding that was not asked for."""
        compressed = http_answers.is_compressed(headers)
        self._decompressor = http_answers.Decompressor() if compressed else None
        self._left = most_bytes

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Raises UpstreamError."""
        pieces = self._decompressor.feed(received) if self._decompressor else (received,)
        for piece in pieces:
            self._left -= len(piece)
            if self._left < 0:
                raise broken_answer(http_answers.TOO_LARGE)
            yield piece


async def _more(response: Response) -> bytes:
    """Of a stream. Raises UpstreamError."""
    try:
        return await response.read()
    except httpx.TransportError as error:
        raise broken_answer(direct_answers.BROKE_OFF) from error


def _taken(
    reader: EventReader, received: bytes, reading: Events
) -> tuple[list[Piece], Exception | None]:
    """What the caller gets of a part of a stream, and what is wrong with what comes next."""
    batch: list[Piece] = []
    try:
        for name, data in reader.feed(received):
            piece = reading.take(name, data)
            if piece is not None:
                batch.append(piece)
            if reading.ended or reading.failure is not None:
                return batch, reading.failure
    except EventTooLarge:
        return batch, broken_answer("The provider sent an event that is too large")
    except Exception as error:
        return batch, error
    return batch, None


def _witness(call: Call, model: Model) -> Witness:
    return Witness(model.provider, call.operation, call.body.get("service_tier"))


def _as_httpx(response: Response, content: bytes, url: str) -> httpx.Response:
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in ("content-encoding", "content-length", "transfer-encoding")
    }
    request = httpx.Request("POST", url)
    return httpx.Response(response.status, headers=headers, content=content, request=request)
