"""What a provider's HTTP answer has to be before litellm gets it.

litellm reads whatever comes: an answer without end would fill the memory. And of some providers'
streams it skips what it cannot read, so that a text with a hole would look whole.
"""

from __future__ import annotations

import codecs
import json
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial

import httpx
import orjson

from gateway.errors import UpstreamError, broken_answer
from gateway.upstream.event_stream import EventReader, EventTooLarge

EVENTS = "text/event-stream"
TOO_LARGE = "The provider's answer is larger than the gateway reads"
NO_TEXT = "The provider's answer is no UTF-8"
UNREADABLE = "The provider's answer cannot be read"
NO_JSON = "The provider sent an event that is no JSON"
# What zlib calls gzip.
_GZIP = 16 + zlib.MAX_WBITS
_MOST_AT_ONCE = 256 * 1024

begun: ContextVar[list[int]] = ContextVar("begun")
"""Takes the status of each answer that a call has got."""


def watch(client: httpx.AsyncClient, most_bytes: int) -> None:
    """Have what a client gets checked, and read no further than that."""
    client.event_hooks["response"].append(partial(_check, most_bytes=most_bytes))
    client.headers["accept-encoding"] = "gzip"


async def _check(response: httpx.Response, *, most_bytes: int) -> None:
    """Raises UpstreamError, as reading the answer then does."""
    begun.get([]).append(response.status_code)
    compressed = is_compressed(response.headers)
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - the client's is so
    stream = _Checked(response.stream, most_bytes, compressed)
    if compressed:
        # Or httpx would decompress it once more.
        del response.headers["content-encoding"]
    response.stream = stream
    # Of an error, its status matters more than how it is written.
    if response.is_success:
        kind, parameters = kind_of(response.headers)
        if "charset" not in parameters or "utf-8" in parameters:
            stream.expect(events=kind == EVENTS, text=kind == EVENTS or kind.endswith("json"))


def is_compressed(headers: Mapping[str, str]) -> bool:
    """Whether an answer with these headers is for a `Decompressor`. Raises UpstreamError where it
    is neither that nor plain."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity"):
        raise broken_answer("The provider's answer is encoded in a way that was not asked for")
    return encoding == "gzip"


def kind_of(headers: Mapping[str, str]) -> tuple[str, str]:
    """The media type of a good answer, and its parameters. Raises UpstreamError for a web page."""
    kind, _, parameters = headers.get("content-type", "").lower().partition(";")
    kind = kind.strip()
    if kind == "text/html":
        raise broken_answer("The provider answered with a web page")
    return kind, parameters


class Decompressor:
    """Makes plain bytes of those of an answer, a few at a time."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP)

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Raises UpstreamError where they cannot be decompressed."""
        while received:
            try:
                # A few bytes can stand for very many.
                piece = self._inflate.decompress(received, _MOST_AT_ONCE)
            except zlib.error:
                raise broken_answer("The provider's answer cannot be decompressed") from None
            received = self._inflate.unconsumed_tail
            if piece:
                yield piece


class _Checked(httpx.AsyncByteStream):
    """The bytes of an answer, decompressed."""

    def __init__(self, inner: httpx.AsyncByteStream, most_bytes: int, compressed: bool) -> None:
        self._inner = inner
        self._left = most_bytes
        self._decompressor = Decompressor() if compressed else None
        self._text: codecs.IncrementalDecoder | None = None
        self._events: EventReader | None = None

    def expect(self, *, events: bool, text: bool) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")() if text else None
        self._events = EventReader() if events else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for received in self._inner:
                for piece in self._plain(received):
                    sound, fault = self._looked_at(piece)
                    if sound:
                        yield sound
                    if fault:
                        raise broken_answer(fault)
        except UpstreamError:
            # Whoever reads need not close what has failed.
            await self.aclose()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _plain(self, received: bytes) -> Iterable[bytes]:
        return self._decompressor.feed(received) if self._decompressor else (received,)

    def _looked_at(self, piece: bytes) -> tuple[bytes, str | None]:
        """The piece, or what of it comes before a fault; and what that is."""
        self._left -= len(piece)
        if self._left < 0:
            return b"", TOO_LARGE
        read = 0
        for line in piece.splitlines(keepends=True) if self._events else [piece]:
            if fault := self._fault(line):
                return piece[:read], fault
            read += len(line)
        return piece, None

    def _fault(self, piece: bytes) -> str | None:
        try:
            if self._text:
                self._text.decode(piece)
            found = self._events.feed(piece) if self._events else ()
        except UnicodeDecodeError:
            return NO_TEXT
        except EventTooLarge:
            return "The provider sent an event that is too large"
        if not all(_is_sound(data) for _, data in found):
            return NO_JSON
        return None


def _is_sound(data: bytes) -> bool:
    """Whether what begins as JSON is such; `[DONE]` and other marks do not."""
    if not data.startswith((b"{", b"[{", b'["')):
        return True
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            # Which takes half of a surrogate pair.
            json.loads(data)
        except (ValueError, RecursionError):
            return False
    return True
