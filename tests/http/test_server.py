"""How a server ends: whoever is connected gets an answer, and is told that it is the last."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from uvicorn import Config

from gateway.commands.serve import server_options
from gateway.http import protocol
from gateway.http.server import Server

ASKED = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@dataclass
class Running:
    server: Server
    address: tuple[str, int]
    ended: asyncio.Task[None]
    go_on: asyncio.Event

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connections = self.server.server_state.connections
        before = len(connections)
        reader, writer = await asyncio.open_connection(*self.address)
        async with asyncio.timeout(5):
            while len(connections) == before:
                await asyncio.sleep(0.005)
        return reader, writer

    async def end(self) -> None:
        """Have it ending: it takes no new connections any more."""
        self.server.should_exit = True
        async with asyncio.timeout(5):
            while self.server.servers[0].is_serving():
                await asyncio.sleep(0.005)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with started() as running:
        yield running


@asynccontextmanager
async def started() -> AsyncIterator[Running]:
    go_on = asyncio.Event()

    async def whole(request: Request) -> PlainTextResponse:
        await request.body()
        return PlainTextResponse("whole")

    async def streamed(_: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            await go_on.wait()
            yield b"ended"

        return StreamingResponse(pieces())

    app = Starlette(
        routes=[Route("/", whole, methods=["GET", "POST"]), Route("/streamed", streamed)]
    )
    options = server_options("info") | {"log_config": None}
    server = Server(Config(app, port=0, **options))
    ended = asyncio.create_task(server.serve())
    async with asyncio.timeout(5):
        while not server.started:
            await asyncio.sleep(0.005)
    address = server.servers[0].sockets[0].getsockname()
    yield Running(server, address, ended, go_on)
    server.should_exit = True
    async with asyncio.timeout(10):
        await ended


async def answered(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """An answer with a length: its head, and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"content-length: 5\r\n" in head
    return head, await reader.readexactly(5)


async def is_last(reader: asyncio.StreamReader) -> None:
    """What comes next is an answer, which says that it is the last."""
    head, body = await answered(reader)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in head
    assert body == b"whole"
    assert await reader.read() == b"", "the connection is closed"


@pytest.mark.parametrize("used", [False, True])
async def test_a_request_on_its_way_is_answered(running: Running, used: bool) -> None:
    reader, writer = await running.connect()
    if used:
        writer.write(ASKED)
        head, _ = await answered(reader)
        assert b"connection:" not in head
    await running.end()
    writer.write(ASKED)
    await is_last(reader)
    writer.close()


async def test_after_a_stream_that_had_begun_one_more_is_answered(running: Running) -> None:
    """Its head has promised that the connection stays."""
    reader, writer = await running.connect()
    writer.write(ASKED.replace(b"GET /", b"GET /streamed"))
    await reader.readuntil(b"begun")
    await running.end()
    running.go_on.set()
    await reader.readuntil(b"0\r\n\r\n")
    writer.write(ASKED)
    await is_last(reader)
    writer.close()


@pytest.mark.parametrize("used", [False, True])
async def test_what_nothing_comes_over_is_closed_in_time(
    used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "ENDING_SECONDS", 0)
    async with started() as running:
        reader, writer = await running.connect()
        if used:
            writer.write(ASKED)
            await answered(reader)
        await running.end()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.mark.parametrize("used", [False, True])
async def test_a_request_whose_body_comes_slowly_is_answered(
    used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "ENDING_SECONDS", 0.2)
    async with started() as running:
        reader, writer = await running.connect()
        if used:
            writer.write(ASKED)
            await answered(reader)
        await running.end()
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na")
        await asyncio.sleep(0.5)
        writer.write(b"b")
        await is_last(reader)
        writer.close()


async def test_who_has_connected_is_answered_though_nobody_has_taken_the_connection() -> None:
    async with started() as running:
        waiting = []
        # The event loop has no turn, in which it would take them, before the server ends.
        for _ in range(3):
            waiting.append(socket.create_connection(running.address))
            waiting[-1].sendall(ASKED)
        running.server.should_exit = True
        await running.server.shutdown()
        for each in waiting:
            reader, writer = await asyncio.open_connection(sock=each)
            assert (await answered(reader))[1] == b"whole"
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(running.address)
