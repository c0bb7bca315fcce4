"""The client of the direct lane, with servers that send what a test says, byte for byte."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing
from pathlib import Path

import httpx
import pytest
import uvloop

from gateway.errors import NotReady, UpstreamError
from gateway.upstream import http_client
from gateway.upstream.http_client import HttpClient, Response
from gateway.upstream.http_connection import MOST_HELD
from gateway.upstream.http_routes import Route
from tests.faults.test_connections import certificate
from tests.faulty import Faulty, Script, Wire

OK = b"HTTP/1.1 200 OK\r\n"
SHORT = OK + b"Content-Length: 3\r\n\r\nabc"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def trusting(pem: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pem))


@pytest.fixture(scope="module")
def serving_tls(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
async def client(trusting: ssl.SSLContext) -> AsyncIterator[HttpClient]:
    async with aclosing(HttpClient(trusting)) as made:
        yield made


@pytest.fixture
async def server() -> AsyncIterator[Faulty]:
    async with Faulty().serving() as faulty:
        yield faulty


@pytest.fixture
async def secure(serving_tls: ssl.SSLContext) -> AsyncIterator[Faulty]:
    async with Faulty(each(SHORT)).serving(serving_tls) as faulty:
        yield faulty


def each(*pieces: bytes) -> Script:
    """The same answer to each request, in pieces that arrive as such."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.read()
            for piece in pieces:
                await wire.send(piece)
                await asyncio.sleep(0)

    return script


def once(answer: bytes) -> Script:
    """An answer, and the connection's end."""

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(answer)

    return script


async def hangs(wire: Wire) -> None:
    await wire.read()
    await wire.gone()


def answers_and_hangs(answer: bytes) -> Script:
    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(answer)
        await wire.gone()

    return script


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def post(
    client: HttpClient, url: str, proxy: str | None = None, body: bytes = b'{"a": 1}'
) -> Response:
    route = Route.of(url, proxy)
    return await client.post(route, route.head(f"{url}/v1", {"x-a": "b"}), body)


async def whole(response: Response) -> bytes:
    body = b""
    with closing(response):
        while piece := await response.read():
            body += piece
        assert response.at_end
    return body


async def asked(client: HttpClient, url: str, proxy: str | None = None) -> tuple[int, bytes]:
    response = await post(client, url, proxy)
    return response.status, await whole(response)


# --- Answers -------------------------------------------------------------------------------------


async def test_what_is_sent(client: HttpClient, server: Faulty) -> None:
    heads: list[bytes] = []

    async def script(wire: Wire) -> None:
        heads.append(await wire.reader.readuntil(b"\r\n\r\n"))
        await wire.send(SHORT)

    server.script = script
    assert await asked(client, server.url) == (200, b"abc")
    lines = ["POST /v1 HTTP/1.1", f"host: {server.url[7:]}", "x-a: b", "content-length: 8", "", ""]
    assert heads == ["\r\n".join(lines).encode()]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (SHORT, 200, b"abc"),
        (CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, b"abc"),
        (OK + b"\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 103 Hints\r\n\r\n" + SHORT, 200, b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 500 No\r\nX-A: b\r\n\r\nabc", 500, b"abc"),
    ],
)
async def test_answers(
    client: HttpClient, server: Faulty, answer: bytes, status: int, body: bytes
) -> None:
    server.script = once(answer)
    assert await asked(client, server.url) == (status, body)


async def test_a_body_is_had_as_it_comes(client: HttpClient, server: Faulty) -> None:
    more = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(CHUNKED + b"1\r\na\r\n")
        await more.wait()
        await wire.send(b"1\r\nb\r\n0\r\n\r\n")

    server.script = script
    with closing(await post(client, server.url)) as response:
        assert await response.read() == b"a"
        assert not response.at_end
        more.set()
        assert await response.read() == b"b"


@pytest.mark.parametrize(
    "answer", [OK + b"Content-Length: 4\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n"]
)
async def test_a_cut_body_is_an_error(client: HttpClient, server: Faulty, answer: bytes) -> None:
    """After what came of it."""
    server.script = once(answer)
    with closing(await post(client, server.url)) as response:
        assert await response.read() == b"abc"
        with pytest.raises(httpx.ReadError):
            await response.read()
        with pytest.raises(httpx.ReadError):
            await response.read()


async def test_a_reset_is_no_end(client: HttpClient, server: Faulty) -> None:
    """Of a body that goes on until its connection ends, either."""
    read = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(OK + b"\r\nabc")
        await read.wait()
        wire.reset()

    server.script = script
    with closing(await post(client, server.url)) as response:
        assert await response.read() == b"abc"
        read.set()
        with pytest.raises(httpx.ReadError):
            await response.read()


@pytest.mark.parametrize("answer", [b"", OK, b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_no_answer_is_an_error(client: HttpClient, server: Faulty, answer: bytes) -> None:
    server.script = once(answer)
    with pytest.raises(httpx.ReadError):
        await post(client, server.url)


async def test_what_is_no_http_is_an_error(client: HttpClient, server: Faulty) -> None:
    server.script = answers_and_hangs(b"220 mail.example ESMTP\r\n")
    with pytest.raises(UpstreamError, match="no proper HTTP"):
        await post(client, server.url)
    # What came rightly can be had before.
    server.script = answers_and_hangs(CHUNKED + b"1\r\na\r\nnonsense")
    with closing(await post(client, server.url)) as response:
        assert await response.read() == b"a"
        with pytest.raises(UpstreamError, match="no proper HTTP"):
            await response.read()
    await until(lambda: all(wire.left is not None for wire in server.wires))


async def test_no_more_is_read_than_is_asked_for(client: HttpClient, server: Faulty) -> None:
    size = 64 * MEBIBYTE

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(OK + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(size // MEBIBYTE):
            await wire.send(b"x" * MEBIBYTE)
        await wire.gone()

    server.script = script
    with closing(await post(client, server.url)) as response:
        [wire] = server.wires
        sent = -1
        while sent != wire.sent:
            sent = wire.sent
            for _ in range(100):
                await asyncio.sleep(0)
        assert sent < size
        read = [len(await response.read())]
        while not response.at_end:
            read.append(len(await response.read()))
    assert sum(read) == size
    assert max(read) <= 2 * MOST_HELD


# --- Connections ---------------------------------------------------------------------------------


async def test_a_connection_is_used_again(client: HttpClient, server: Faulty) -> None:
    server.script = each(SHORT)
    for _ in range(3):
        assert await asked(client, server.url) == (200, b"abc")
    assert len(server.wires) == 1
    # Not for two at once.
    await asyncio.gather(asked(client, server.url), asked(client, server.url))
    assert len(server.wires) == 2


async def test_an_answer_that_nobody_has_read_is_nothing_to_the_next(
    client: HttpClient, server: Faulty
) -> None:
    """Also where it was so long that no more was to be read."""
    body = b"x" * (MOST_HELD + 1)
    server.script = each(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with closing(await post(client, server.url)) as response:
        reader = response._open().reader
        await until(lambda: reader.complete)
        assert reader.held == len(body)
    async with asyncio.timeout(10):
        assert await asked(client, server.url) == (200, body)
    assert len(server.wires) == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
        OK + b"Content-Length: 1\r\n\r\na" + OK + b"Content-Length: 1\r\n\r\nb",
        OK + b"Content-Length: 1\r\n\r\nab",
    ],
)
async def test_a_connection_that_cannot_be_is_not(
    client: HttpClient, server: Faulty, answer: bytes
) -> None:
    server.script = answers_and_hangs(answer)
    for _ in range(2):
        assert await asked(client, server.url) == (200, b"a")
    assert len(server.wires) == 2
    await until(lambda: all(wire.left is not None for wire in server.wires))


async def test_a_connection_that_ended_meanwhile_is_not(client: HttpClient, server: Faulty) -> None:
    server.script = once(SHORT)
    assert await asked(client, server.url) == (200, b"abc")
    [wire] = server.wires
    await wire.writer.wait_closed()
    # What is on its way here.
    await until(lambda: not client.resting)
    assert await asked(client, server.url) == (200, b"abc")
    assert len(server.wires) == 2


async def test_who_speaks_unasked_is_left(client: HttpClient, server: Faulty) -> None:
    """Or its words would be the next caller's answer."""
    speak = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(SHORT)
        await speak.wait()
        await wire.send(OK + b"Content-Length: 4\r\n\r\nevil")
        await wire.gone()

    server.script = script
    assert await asked(client, server.url) == (200, b"abc")
    speak.set()
    await until(lambda: server.wires[0].left is not None)
    assert await asked(client, server.url) == (200, b"abc")
    assert len(server.wires) == 2


async def test_a_request_is_sent_once(client: HttpClient, server: Faulty) -> None:
    """Also over a connection that was used before: its provider may have begun to work for it."""

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(SHORT)
        await wire.read()
        wire.reset()

    server.script = script
    assert await asked(client, server.url) == (200, b"abc")
    with pytest.raises(httpx.ReadError):
        await post(client, server.url)
    assert len(server.wires) == 1


async def test_who_answers_before_all_is_sent_is_not_asked_again(
    client: HttpClient, server: Faulty
) -> None:
    async def script(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await wire.gone()

    server.script = script
    with closing(await post(client, server.url, body=b"x" * 64 * MEBIBYTE)) as response:
        assert response.status == 413
    assert client.resting == 0
    await until(lambda: server.wires[0].left is not None)


async def test_connections_rest_for_a_while(
    client: HttpClient, server: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = each(SHORT)
    assert await asked(client, server.url) == (200, b"abc")
    monkeypatch.setattr(http_client, "KEEPALIVE_SECONDS", 0.0)
    assert await asked(client, server.url) == (200, b"abc")
    assert len(server.wires) == 2


async def test_connections_that_nobody_needs_are_ended(
    client: HttpClient, server: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "KEEPALIVE_SECONDS", 0.01)
    server.script = answers_and_hangs(SHORT)
    await asyncio.gather(*(asked(client, server.url) for _ in range(3)))
    assert client.resting == 3
    await until(lambda: all(wire.left is not None for wire in server.wires))
    assert client.resting == 0


async def test_so_many_connections_rest(
    client: HttpClient, server: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "MOST_RESTING", 2)
    server.script = answers_and_hangs(SHORT)
    await asyncio.gather(*(asked(client, server.url) for _ in range(4)))
    assert client.resting == 2
    await until(lambda: sum(wire.left is not None for wire in server.wires) == 2)


@pytest.mark.parametrize("answer", [b"", OK, OK + b"Content-Length: 4\r\n\r\nabc"])
async def test_who_is_cancelled_leaves_at_once(
    client: HttpClient, server: Faulty, answer: bytes
) -> None:
    server.script = answers_and_hangs(answer)
    calling = asyncio.create_task(asked(client, server.url))
    await until(lambda: bool(server.wires) and bool(server.wires[0].request))
    await until(lambda: server.wires[0].sent == len(answer))
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(lambda: server.wires[0].left is not None)


async def test_an_answer_that_is_closed_early_ends_its_connection(
    client: HttpClient, server: Faulty
) -> None:
    server.script = answers_and_hangs(OK + b"Content-Length: 4\r\n\r\nabc")
    response = await post(client, server.url)
    response.close()
    response.close()
    await until(lambda: server.wires[0].left is not None)
    # Whose connection may be another's by now.
    with pytest.raises(httpx.StreamClosed):
        await response.read()


async def test_an_end_leaves_nothing_open(server: Faulty, trusting: ssl.SSLContext) -> None:
    client = HttpClient(trusting)
    server.script = answers_and_hangs(OK + b"Content-Length: 4\r\n\r\nabc")
    response = await post(client, server.url)
    server.script = hangs
    waiting = asyncio.create_task(post(client, server.url))
    await until(lambda: len(server.wires) == 2 and bool(server.wires[1].request))
    server.script = answers_and_hangs(SHORT)
    assert await asked(client, server.url) == (200, b"abc")
    await client.aclose()
    with pytest.raises(httpx.ReadError):
        await waiting
    assert await response.read() == b"abc"
    with pytest.raises(httpx.ReadError):
        await response.read()
    response.close()
    await until(lambda: all(wire.left is not None for wire in server.wires))
    with pytest.raises(NotReady):
        await post(client, server.url)
    await client.aclose()


async def test_no_way_to_the_server(client: HttpClient, server: Faulty, secure: Faulty) -> None:
    server.script = answers_and_hangs(b"220 mail.example ESMTP\r\n")
    closed = "http://127.0.0.1:1"
    # Its certificate is for the address alone.
    misnamed = secure.url.replace("127.0.0.1", "localhost")
    for url in (closed, "http://nope.invalid", "http://a..b", misnamed):
        with pytest.raises(httpx.ConnectError):
            await post(client, url)
        with pytest.raises(httpx.ConnectError):
            await post(client, server.url, proxy=url)
    assert all(wire.request == {} for wire in secure.wires)


def at_random(chance: random.Random) -> Script:
    """Answers that say the number of the request over and over, in each form, some of them cut."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.read()
            told = b"%08d" % wire.request["a"]
            body = told * chance.choice([1, 1000, MOST_HELD // len(told) + 1])
            length = OK + b"Content-Length: %d\r\n\r\n"
            form = chance.choice(["length", "length", "chunks", "close", "cut", "more"])
            if form == "chunks":
                answer = CHUNKED + b"8\r\n%b\r\n" % told + b"0\r\n\r\n"
            elif form == "close":
                answer = OK + b"\r\n" + body
            else:
                answer = length % (len(body) + (form == "cut")) + body
            answer += SHORT if form == "more" else b""
            at = chance.randrange(len(answer))
            for piece in (answer[:at], answer[at:]):
                await wire.send(piece)
                await asyncio.sleep(0)
            if form in ("close", "cut"):
                return

    return script


async def test_nobody_gets_the_answer_of_another(client: HttpClient, server: Faulty) -> None:
    """However it came, and whoever left before."""
    chance = random.Random(1)
    server.script = at_random(chance)
    ends: set[str] = set()

    async def call(number: int) -> None:
        try:
            response = await post(client, server.url, body=b'{"a": %d}' % number)
            body = await whole(response)
        except httpx.ReadError:
            ends.add("cut")
        else:
            ends.add("whole")
            assert body == b"%08d" % number * (len(body) // 8)

    async def caller(first: int) -> None:
        for number in range(first, first + 20):
            calling = asyncio.create_task(call(number))
            if chance.random() < 0.2:
                for _ in range(chance.randrange(10)):
                    await asyncio.sleep(0)
                calling.cancel()
                ends.add("left")
            await asyncio.gather(calling, return_exceptions=True)
            if not calling.cancelled():
                calling.result()

    async with asyncio.timeout(20):
        await asyncio.gather(*(caller(100 * number) for number in range(1, 11)))
    assert ends == {"cut", "whole", "left"}


# --- TLS and proxies -----------------------------------------------------------------------------


async def test_tls(client: HttpClient, secure: Faulty) -> None:
    for _ in range(2):
        assert await asked(client, secure.url) == (200, b"abc")
    assert len(secure.wires) == 1


class Tunnels:
    """A proxy's script: it connects where it is asked to.

    Attributes:
        heads: Of the requests for that.
    """

    def __init__(self, answer: bytes = OK + b"\r\n") -> None:
        self.heads: list[str] = []
        self._answer = answer

    async def __call__(self, wire: Wire) -> None:
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        await wire.send(self._answer)
        host, _, port = head.split()[1].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pumped(wire.reader, writer), _pumped(reader, wire.writer))


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def test_a_tunnel(client: HttpClient, server: Faulty, secure: Faulty) -> None:
    server.script = tunnels = Tunnels()
    proxy = server.url.replace("://", "://user:pass@")
    for _ in range(2):
        assert await asked(client, secure.url, proxy) == (200, b"abc")
    address = secure.url[8:]
    lines = [f"CONNECT {address} HTTP/1.1", f"host: {address}"]
    lines += ["proxy-authorization: Basic dXNlcjpwYXNz", "", ""]
    assert tunnels.heads == ["\r\n".join(lines)]


async def test_a_tunnel_through_a_proxy_with_tls(
    client: HttpClient, secure: Faulty, serving_tls: ssl.SSLContext
) -> None:
    async with Faulty(Tunnels()).serving(serving_tls) as proxy:
        assert await asked(client, secure.url, proxy.url) == (200, b"abc")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nmore",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * MEBIBYTE,
    ],
)
async def test_a_tunnel_that_does_not_open(
    client: HttpClient, server: Faulty, secure: Faulty, answer: bytes
) -> None:
    async def script(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(answer)
        await wire.gone()

    server.script = script
    with pytest.raises(httpx.ConnectError):
        await post(client, secure.url, server.url)
    await until(lambda: server.wires[0].left is not None)


async def test_a_tunnel_to_whom_nobody_trusts(
    client: HttpClient, server: Faulty, secure: Faulty
) -> None:
    server.script = Tunnels()
    misnamed = secure.url.replace("127.0.0.1", "localhost")
    with pytest.raises(httpx.ConnectError):
        await post(client, misnamed, server.url)


async def test_a_proxy_without_a_tunnel(client: HttpClient, server: Faulty) -> None:
    lines: list[bytes] = []

    async def script(wire: Wire) -> None:
        lines.append(await wire.reader.readline())
        await wire.send(SHORT)

    server.script = script
    assert await asked(client, "http://a.example", server.url) == (200, b"abc")
    assert lines == [b"POST http://a.example/v1 HTTP/1.1\r\n"]


# --- In the loop that the gateway runs in --------------------------------------------------------


async def test_the_same_in_uvloop(trusting: ssl.SSLContext, serving_tls: ssl.SSLContext) -> None:
    """Its transports and its TLS are others."""
    body = b"x" * 16 * MEBIBYTE
    long = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body

    async def scenario() -> None:
        async with (
            Faulty(each(long)).serving() as server,
            Faulty(each(long)).serving(serving_tls) as secure,
            Faulty(Tunnels()).serving() as proxy,
            aclosing(HttpClient(trusting)) as client,
        ):
            for url, by in ((server.url, None), (secure.url, None), (secure.url, proxy.url)):
                for _ in range(2):
                    assert await asked(client, url, by) == (200, body)
            assert (len(server.wires), len(secure.wires), len(proxy.wires)) == (1, 2, 1)
            for faulty in (server, secure):
                faulty.script = hangs
                await leaves(client, faulty)
            with pytest.raises(httpx.ConnectError):
                await post(client, secure.url.replace("127.0.0.1", "localhost"))

    async def leaves(client: HttpClient, faulty: Faulty) -> None:
        before = len(faulty.wires)
        # One that rests is taken by the first.
        calls = [asyncio.create_task(post(client, faulty.url)) for _ in range(3)]
        await until(lambda: sum(bool(each.request) for each in faulty.wires[before:]) == 2)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await until(lambda: all(each.left is not None for each in faulty.wires[before:]))

    def run(scenario: Callable[[], Awaitable[None]]) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scenario())  # type: ignore[arg-type]

    await asyncio.to_thread(run, scenario)
