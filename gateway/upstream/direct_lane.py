"""Calls without litellm, to providers that speak the caller's wire format: bytes in, bytes out.

What differs from what caller and provider wrote is in `direct_requests` and `direct_answers`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import aiohttp
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
from gateway.upstream.lane import Piece, Timeouts, Whole, in_time
from gateway.upstream.reports import Witness

# A connection whose last answer was read to its end can be used again.
_REST_SECONDS = 0.1
_KEEPALIVE_SECONDS = 60.0
_MOST_TARGETS = 10_000

Refused = Callable[[Model, httpx.Response], Awaitable[Exception]]
"""Makes the exception that litellm would raise of an answer that is none."""


class DirectLane:
    """One pool of connections to all providers."""

    def __init__(self, refused: Refused, max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES) -> None:
        self._refused = refused
        self._max_answer_bytes = max_answer_bytes
        self._session: aiohttp.ClientSession | None = None
        # Of models that patterns stand for, callers choose the names.
        self._targets: OrderedDict[tuple[str, str], tuple[Model, Model, Target]] = OrderedDict()

    def start(self) -> None:
        """To be called in the event loop."""
        connector = aiohttp.TCPConnector(
            # Who may call is told by keys and deployments.
            limit=0,
            # With the certificates that litellm's calls go by.
            ssl=httpx.create_ssl_context(),
            keepalive_timeout=_KEEPALIVE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept"),
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def complete(self, call: Call, model: Model, settings: CallSettings) -> Whole:
        """The whole answer; see `Lane.complete`."""
        model, target = self._reached(model)
        answered = False
        try:
            async with asyncio.timeout(Timeouts.of(call, model, settings).answer):
                async with self._sent(call, model, target) as response:
                    answered = True
                    pieces = self._bytes(response)
                    raw = b"".join([piece async for piece in pieces])
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
            async with self._sent(call, model, target) as response:
                answered = True
                reading = direct_answers.events(call, _witness(call, model))
                async with aclosing(self._events(response, reading)) as found:
                    async for batch in found:
                        yield batch

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

    @asynccontextmanager
    async def _sent(
        self, call: Call, model: Model, target: Target
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer, of which nothing is read yet."""
        if self._session is None:
            raise NotReady("The gateway is not running")
        async with self._session.post(
            target.url(call.operation),
            data=request_body(call, model, target),
            headers=target.headers_of(call),
            proxy=target.proxy,
            # A provider could send a call on, prompt and all, to an address of its choice.
            allow_redirects=False,
        ) as response:
            if not 200 <= response.status < 300:
                content = b"".join([piece async for piece in self._bytes(response)])
                raise await self._refused(model, _as_httpx(response, content))
            http_answers.kind_of(response.headers)
            yield response

    async def _bytes(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
        """What an answer consists of, decompressed."""
        compressed = http_answers.is_compressed(response.headers)
        decompressor = http_answers.Decompressor() if compressed else None
        left = self._max_answer_bytes
        async for received in response.content.iter_any():
            for piece in decompressor.feed(received) if decompressor else (received,):
                left -= len(piece)
                if left < 0:
                    raise broken_answer(http_answers.TOO_LARGE)
                yield piece

    async def _events(
        self, response: aiohttp.ClientResponse, reading: Events
    ) -> AsyncGenerator[list[Piece]]:
        reader = EventReader()
        batch: list[Piece] = []
        async with aclosing(self._bytes(response)) as received:
            async for piece in received:
                batch, fault = _taken(reader, piece, reading)
                if reading.ended:
                    break
                if batch:
                    yield batch
                if fault is not None:
                    raise fault
            else:
                batch = []
            if (last := reading.end()) is not None:
                batch.append(last)
            if batch:
                yield batch
            if reading.ended:
                # Whatever comes of the rest: nothing is missing.
                with suppress(Exception):
                    async with asyncio.timeout(_REST_SECONDS):
                        await anext(received, None)


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


def _as_httpx(response: aiohttp.ClientResponse, content: bytes) -> httpx.Response:
    headers = {
        name: value
        for name, value in response.headers.items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    }
    request = httpx.Request(response.method, str(response.url))
    return httpx.Response(response.status, headers=headers, content=content, request=request)
