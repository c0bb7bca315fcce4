"""What is let through of a provider's HTTP answer, and what is not."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.upstream import http_answers
from gateway.upstream.event_stream import EventReader
from tests.servers import chunks

JSON, EVENTS = "application/json", "text/event-stream"
MOST = 100_000


class Sends(httpx.AsyncBaseTransport):
    """Answers with these pieces."""

    def __init__(self, status: int, headers: dict[str, str], pieces: Iterable[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.pieces = list(pieces)
        self.read = 0
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "gzip"
        return httpx.Response(self.status, headers=self.headers, stream=_Pieces(self))


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, sends: Sends) -> None:
        self._sends = sends

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._sends.pieces:
            self._sends.read += len(piece)
            yield piece

    async def aclose(self) -> None:
        self._sends.closed = True


async def read(
    pieces: Iterable[bytes], kind: str = JSON, status: int = 200, **headers: str
) -> tuple[httpx.Response, Sends]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sends = Sends(status, {"content-type": kind, **named}, pieces)
    async with httpx.AsyncClient(transport=sends) as client:
        http_answers.watch(client, MOST)
        try:
            return await client.post("https://provider.example"), sends
        except UpstreamError as error:
            assert sends.closed
            error.add_note(str(sends.read))
            raise


async def refused(
    pieces: Iterable[bytes], kind: str = JSON, status: int = 200, **headers: str
) -> str:
    with pytest.raises(UpstreamError) as error:
        await read(pieces, kind, status, **headers)
    assert (error.value.status, error.value.type) == (502, "api_error")
    return error.value.message


def cut(data: bytes, size: int = 1000) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("kind", [JSON, EVENTS, "audio/mpeg", "", "text/plain"])
@pytest.mark.parametrize("status", [200, 500])
async def test_no_more_is_read_than_allowed(kind: str, status: int) -> None:
    data = b": " + b"x" * (MOST - 3) + b"\n"
    response, _ = await read(cut(data), kind, status)
    assert response.content == data
    pieces = cut(b"x" * (50 * MOST))
    assert await refused(pieces, kind, status) == (
        "The provider's answer is larger than the gateway reads"
    )


async def test_nothing_is_read_after_the_fault() -> None:
    with pytest.raises(UpstreamError) as error:
        await read(cut(b"x" * (50 * MOST)))
    assert int(error.value.__notes__[0]) <= MOST + 1000


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_what_is_compressed_is_decompressed(size: int) -> None:
    body = json.dumps({"text": "é🦊" * 1000}).encode()
    response, _ = await read(cut(gzip.compress(body), size), content_encoding="gzip")
    assert response.content == body
    assert response.json()["text"] == "é🦊" * 1000


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (gzip.compress(b"x" * MOST * 1000), "gzip", "is larger than the gateway reads"),
        (b"no gzip", "gzip", "cannot be decompressed"),
        (zlib.compress(b"{}"), "deflate", "is encoded in a way that was not asked for"),
        (b"{}", "br", "is encoded in a way that was not asked for"),
        (b"{}", "gzip, gzip", "is encoded in a way that was not asked for"),
    ],
)
async def test_what_cannot_be_decompressed(data: bytes, encoding: str, message: str) -> None:
    assert (await refused([data], content_encoding=encoding)).endswith(message)


@pytest.mark.parametrize("kind", [JSON, EVENTS, "application/x-ndjson", f"{JSON}; charset=utf-8"])
async def test_what_has_to_be_utf_8(kind: str) -> None:
    text = ": é🦊\n".encode()
    response, _ = await read(cut(text, 1), kind)
    assert response.content == text
    assert await refused([b": \xff\n"], kind) == "The provider's answer is no UTF-8"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(("audio/mpeg", 200), (f"{JSON}; charset=iso-8859-1", 200), ("", 200)),
        *((JSON, 500), (EVENTS, 429)),
    ],
)
async def test_what_need_not_be_utf_8(kind: str, status: int) -> None:
    response, _ = await read([b"\xff\xfe"], kind, status)
    assert response.content == b"\xff\xfe"


async def test_a_page_is_no_answer_but_may_tell_of_an_error() -> None:
    page = [b"<html>"]
    assert (
        await refused(page, "text/html; charset=utf-8") == "The provider answered with a web page"
    )
    response, _ = await read(page, "text/html", 502)
    assert response.text == "<html>"


@pytest.mark.parametrize(
    "data",
    [
        *("[DONE]", "", "ping", "{}", "[]", "null", '{"a": "\\ud800"}', '{"a": NaN}', "[1]", "[x]"),
        json.dumps(chunks()[0]),
        '{"a":\ndata: 1}',
    ],
)
async def test_events_that_are_passed_on(data: str) -> None:
    sent = f"event: x\ndata: {data}\n\n".encode()
    for size in (1, 5, 1000):
        response, _ = await read(cut(sent, size), EVENTS)
        assert response.content == sent


@pytest.mark.parametrize("data", ['{"a"', "{a: 1}", '{"a": 1}}', "[{]", '["a', "{" * 100_000])
async def test_events_that_are_no_json(data: str) -> None:
    fault = await refused([f"data: {data}\n\n".encode()], EVENTS)
    assert fault in (
        "The provider sent an event that is no JSON",
        "The provider's answer is larger than the gateway reads",
    )


async def test_what_comes_before_a_fault_is_passed_on() -> None:
    """Though all of it came at once."""
    sound, faulty = b"data: {}\n\n: x\n\ndata: ", b"{\n\ndata: {}\n\n"
    sends = Sends(200, {"content-type": EVENTS}, [sound + faulty])
    passed = bytearray()

    async def read_all() -> None:
        async with httpx.AsyncClient(transport=sends) as client:
            http_answers.watch(client, MOST)
            async with client.stream("POST", "https://provider.example") as response:
                async for piece in response.aiter_bytes():
                    passed.extend(piece)

    with pytest.raises(UpstreamError, match="no JSON"):
        await read_all()
    assert passed == sound + b"{\n"
    assert sends.closed


async def test_an_event_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_answers, "EventReader", lambda: EventReader(most_bytes=1000))
    fault = await refused(cut(b"data: " + b"x" * 5000, 100), EVENTS)
    assert fault == "The provider sent an event that is too large"


async def test_statuses_are_noted_for_who_wants_to_know() -> None:
    noted: list[int] = []
    token = http_answers.begun.set(noted)
    await read([b"{}"])
    await read([b"{}"], status=429)
    http_answers.begun.reset(token)
    await read([b"{}"])
    assert noted == [200, 429]


@settings(max_examples=60)
@given(st.binary(max_size=300), st.integers(1, 20), st.booleans(), st.sampled_from([JSON, EVENTS]))
async def test_what_passes_is_what_was_sent(
    data: bytes, size: int, compressed: bool, kind: str
) -> None:
    sent = cut(gzip.compress(data) if compressed else data, size)
    encoding = "gzip" if compressed else "identity"
    try:
        response, _ = await read(sent, kind, content_encoding=encoding)
    except UpstreamError:
        assert not data.isascii() or b"{" in data or b"[" in data
    else:
        assert response.content == data
