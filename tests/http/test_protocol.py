"""What a connection may bring before anyone has asked for a key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from starlette.responses import StreamingResponse

from gateway.http import protocol
from gateway.http.protocol import MOST_HEAD_BYTES
from tests.security.raw import Answers, bearer, exchange, request
from tests.servers import Gateway, chunk, completion

PROBE = ("GET", "/health/liveness")


@contextlib.asynccontextmanager
async def connected(
    gateway: Gateway,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def too_large(answers: Answers) -> bool:
    expected = {
        "message": f"The request's line and headers are larger than {MOST_HEAD_BYTES} bytes",
        "type": "invalid_request_error",
        "param": None,
        "code": "431",
    }
    return bool(answers.error == expected)


@pytest.mark.parametrize(
    "large",
    [
        request(*PROBE, "x-large: " + "a" * MOST_HEAD_BYTES),
        request(*PROBE, *["a: b"] * (MOST_HEAD_BYTES // 2)),
        request("GET", "/health/liveness?" + "a" * MOST_HEAD_BYTES),
        request(*PROBE, "a" * MOST_HEAD_BYTES + ": b"),
    ],
    ids=["a header", "many headers", "a URL", "a name"],
)
async def test_a_large_head_is_refused(gateway: Gateway, large: bytes) -> None:
    assert too_large(await exchange(gateway.url, large))


@pytest.mark.parametrize(
    "endless",
    [
        request(*PROBE)[:-2] + b"x-endless: " + b"a" * 10**6,
        b"GET /" + b"a" * 10**6,
        b"\r\n" * 10**6,
    ],
    ids=["a header", "a URL", "blank lines"],
)
async def test_a_head_without_an_end_is_not_waited_for(gateway: Gateway, endless: bytes) -> None:
    answers = await exchange(gateway.url, endless)
    assert answers.statuses in ([431], [])


async def test_an_endless_header_is_not_collected(gateway: Gateway) -> None:
    """The server hangs up long before the client is done."""
    sent = 0
    async with connected(gateway) as (reader, writer):
        writer.write(request(*PROBE)[:-2] + b"x-endless: ")
        with contextlib.suppress(ConnectionError):
            while sent < 200 * 2**20 and not reader.at_eof():
                writer.write(b"a" * 2**20)
                await writer.drain()
                sent += 2**20
    assert sent < 20 * 2**20


@pytest.mark.parametrize("trailers", [b"a: b\r\n" * 30_000, b"x-endless: " + b"a" * 1_000_000])
async def test_large_trailers_are_refused(gateway: Gateway, trailers: bytes) -> None:
    """The answer, to a request without a key, may have been sent before they came."""
    asked = request("POST", "/v1/chat/completions", "transfer-encoding: chunked")
    kept_alive = asked.replace(b"connection: close\r\n", b"")
    answers = await exchange(gateway.url, kept_alive + b"1\r\n{\r\n0\r\n" + trailers)
    assert answers.statuses in ([401, 431], [431])


async def test_a_head_below_the_limit_is_read(gateway: Gateway) -> None:
    large = request(*PROBE, "x-large: " + "a" * (MOST_HEAD_BYTES - 200))
    assert (await exchange(gateway.url, large)).statuses == [200]


async def test_requests_on_one_connection_are_counted_apart(gateway: Gateway) -> None:
    body = b'{"a": "' + b"b" * 40_000 + b'"}'
    one = request(
        "POST", "/v1/models", "x-large: " + "a" * 40_000, f"content-length: {len(body)}", body=body
    ).replace(b"connection: close\r\n", b"")
    answers = await exchange(gateway.url, one * 5 + request(*PROBE))
    assert answers.statuses == [405] * 5 + [200]


async def test_a_head_that_does_not_come_is_not_waited_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.05)
    for begun in (b"", b"GET /v1/models HTTP/1.1\r\nhost: x\r\n"):
        assert (await exchange(gateway.url, begun)).raw == b""
    # Nor is the next one on a connection.
    first = request(*PROBE).replace(b"connection: close\r\n", b"")
    assert (await exchange(gateway.url, first + b"GET /")).statuses == [200]


async def test_an_answer_may_take_longer_than_a_head(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.05)
    gateway.provider.streams([chunk({"content": "a"}), chunk({}, "stop")], pause=0.1)
    async with gateway.streaming(key) as lines:
        assert "data: [DONE]" in [line async for line in lines]


def chat(key: str, content: str) -> bytes:
    body = json.dumps({"model": "gpt", "messages": [{"role": "user", "content": content}]}).encode()
    asked = request(
        "POST", "/v1/chat/completions", bearer(key), f"content-length: {len(body)}", body=body
    )
    return asked.replace(b"connection: close\r\n", b"")


async def test_a_body_may_come_slowly(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.2)
    async with connected(gateway) as (reader, writer):
        asked = chat(key, "a")
        for at in range(0, len(asked), 40):
            writer.write(asked[at : at + 40])
            await asyncio.sleep(0.05)
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"


async def test_a_body_is_not_waited_for_while_nobody_reads_it(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes behind a request that is being answered."""
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.2)

    async def late() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.7)
        yield json.dumps(completion("Hello")).encode()

    gateway.provider.does(lambda: StreamingResponse(late(), media_type="application/json"))
    second = chat(key, "b")
    async with connected(gateway) as (reader, writer):
        writer.write(chat(key, "a") + second[:-20])
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        await asyncio.sleep(0.1)
        writer.write(second[-20:])
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"


class Transport:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


@pytest.mark.parametrize("gone", [False, True])
async def test_what_is_written_in_one_turn_is_sent_at_once(gone: bool) -> None:
    transport = Transport()
    gathering: Any = protocol._Gathering(cast(Any, transport), asyncio.get_running_loop())
    gathering.write(b"head")
    gathering.write(b"body")
    transport.closing = gone
    await asyncio.sleep(0)
    # uvloop raises where something is written for a client that has left.
    assert transport.sent == ([] if gone else [b"headbody"])
    assert gathering.is_closing() == gone


async def test_what_is_written_before_the_end_is_sent_before_it() -> None:
    transport = Transport()
    gathering = protocol._Gathering(cast(Any, transport), asyncio.get_running_loop())
    gathering.write(b"last")
    gathering.close()
    await asyncio.sleep(0)
    assert (transport.sent, transport.closing) == ([b"last"], True)
