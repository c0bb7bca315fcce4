"""What can end a request to a model: each a function that makes one end so."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httpx
from starlette.responses import Response, StreamingResponse

from gateway.records import Operation
from tests import calls
from tests.servers import FakeProvider, Gateway, Json, answer

HEADERS = {"x-litellm-tags": "mine, night"}


@dataclass
class Bench:
    """A gateway, and a key whose requests are looked at."""

    gateway: Gateway
    operation: Operation
    stream: bool
    key_id: str
    key: str
    model: str
    body: Json = field(default_factory=dict)

    @property
    def provider(self) -> FakeProvider:
        return self.gateway.provider

    def request(self) -> tuple[str, Json, dict[str, str]]:
        body = {"model": self.model, **calls.user(self.operation)}
        body |= calls.REQUESTS[self.operation]
        body |= {"stream": True} if self.stream else {}
        headers = {"authorization": f"Bearer {self.key}", **HEADERS}
        return f"{self.gateway.url}/v1{self.operation}", body | self.body, headers

    async def limit(self, **limits: float) -> None:
        changed = await self.gateway.manage("PATCH", f"/keys/{self.key_id}", limits)
        assert changed.status_code == 200, changed.text

    async def call(self) -> httpx.Response:
        url, body, headers = self.request()
        return await self.gateway.http.post(url, json=body, headers=headers)

    async def raw(self) -> socket.socket:
        """A call by a client with a small buffer that has not read anything yet."""
        url, body, headers = self.request()
        address = httpx.URL(url)
        content = json.dumps(body).encode()
        lines = [f"POST {address.path} HTTP/1.1", f"host: {address.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(content)}", "", ""]
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (str(address.host), address.port))
        await loop.sock_sendall(client, "\r\n".join(lines).encode() + content)
        return client


NOTHING: Any = ({}, set(), {}, {})


def held(gateway: Gateway) -> tuple[Any, ...]:
    """What running requests hold: places, money, and rows to come."""
    accounting = gateway.app.state.services.pipeline._accounting
    budgets, ledger = accounting._budgets, accounting._ledger
    reserved = {owner: each.reserved for owner, each in budgets._accounts.items() if each.reserved}
    return dict(accounting._limiter._running), budgets._running, reserved, ledger._running


End = Callable[[Bench], Awaitable[None]]


async def _makes(response: Callable[[], Response], bench: Bench) -> httpx.Response:
    bench.provider.does(response)
    return await bench.call()


# --- what ends a request ---


async def complete(bench: Bench) -> None:
    if bench.stream:
        bench.provider.streams(calls.streamed(bench.operation))
    else:
        bench.provider.does(answer(calls.whole(bench.operation)))
    response = await bench.call()
    assert response.status_code == 200
    assert calls.ended(bench.operation, response.text) == bench.stream


async def complete_and_told(bench: Bench) -> None:
    bench.body = {"stream_options": {"include_usage": True}}
    await complete(bench)


async def complete_without_a_report(bench: Bench) -> None:
    if bench.stream:
        bench.provider.streams(calls.streamed(bench.operation)[:-1])
    else:
        bench.provider.does(answer(calls.whole(bench.operation, usage=None)))
    assert (await bench.call()).status_code == 200


async def too_many_requests(bench: Bench) -> None:
    error = {"error": {"message": "slow down", "type": "tokens"}}
    assert (await _makes(lambda: answer(error, 429), bench)).status_code == 429


async def overloaded(bench: Bench) -> None:
    error = {"error": {"message": "full", "type": "\ud800" + "x" * 300}}
    body = json.dumps(error).encode()
    response = await _makes(lambda: Response(body, 503, None, "application/json"), bench)
    assert response.status_code == 503


async def no_connection(bench: Bench) -> None:
    bench.model = f"closed{bench.operation}"
    assert (await bench.call()).status_code == 500


async def no_answer_in_time(bench: Bench) -> None:
    bench.model = f"hasty{bench.operation}"
    bench.provider.hangs()
    assert (await bench.call()).status_code == 408
    await _left(bench)


async def cut_answer(bench: Bench) -> None:
    headers = {"content-length": "9999", "content-type": "application/json"}

    async def half() -> AsyncIterator[bytes]:
        yield b'{"id": "'
        raise ConnectionAbortedError("on purpose")

    response = await _makes(lambda: StreamingResponse(half(), headers=headers), bench)
    assert response.status_code == 502


async def no_chunk(bench: Bench) -> None:
    bench.provider.streams([])
    assert (await bench.call()).status_code == 502


async def broken_connection(bench: Bench) -> None:
    async def half() -> AsyncIterator[bytes]:
        for piece in calls.pieces(bench.operation, "one", "two"):
            yield calls.frame(piece)
        # Or the pieces would be lost with the connection.
        await asyncio.sleep(0.05)
        raise ConnectionAbortedError("on purpose")

    await _is_cut(bench, lambda: StreamingResponse(half(), media_type="text/event-stream"))


async def no_finish(bench: Bench) -> None:
    bench.provider.streams(calls.pieces(bench.operation, "one", "two"), done=False)
    await _is_cut(bench)


async def error_event(bench: Bench) -> None:
    event = calls.failure(bench.operation)
    bench.provider.streams([*calls.pieces(bench.operation, "one", "two"), event])
    await _is_cut(bench)


async def no_chunk_in_time(bench: Bench) -> None:
    bench.model = f"hasty{bench.operation}"
    pieces = calls.pieces(bench.operation, "one", "two")
    bench.provider.streams(pieces, hang_after=len(pieces))
    await _is_cut(bench)
    await _left(bench)


async def _is_cut(bench: Bench, response: Callable[[], Response] | None = None) -> None:
    if response:
        bench.provider.does(response)
    got = await bench.call()
    assert got.status_code == 200
    assert not calls.ended(bench.operation, got.text)
    assert '"error"' in got.text.splitlines()[-2]


async def client_gone_at_once(bench: Bench) -> None:
    bench.provider.hangs()
    calling = asyncio.create_task(bench.call())
    while not bench.provider.received:
        await asyncio.sleep(0.005)
    calling.cancel()
    await _left(bench)


async def client_gone_amid(bench: Bench) -> None:
    pieces = calls.pieces(bench.operation, "one", "two")
    bench.provider.streams(pieces, hang_after=len(pieces))
    url, body, headers = bench.request()
    async with bench.gateway.http.stream("POST", url, json=body, headers=headers) as response:
        async for line in response.aiter_lines():
            if "two" in line:
                break
    await _left(bench)


async def client_stalled_and_gone(bench: Bench) -> None:
    client, sent = await _stall(bench)
    await _until_nothing_moves(sent)
    client.close()
    await _left(bench)


async def client_stalled(bench: Bench) -> None:
    client, _ = await _stall(bench)
    # What only the garbage collector lets go of is not let go of in time.
    gc.disable()
    try:
        await _left(bench)
    finally:
        gc.enable()
        client.close()


async def _stall(bench: Bench) -> tuple[socket.socket, list[None]]:
    """A client that does not read what the provider says without end; and what it has said."""
    sent: list[None] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                # litellm ends a stream that says the same again and again.
                [piece] = calls.pieces(bench.operation, f"{len(sent):100000}")
                yield calls.frame(piece)
                sent.append(None)
                await asyncio.sleep(0)
        finally:
            bench.provider.left.set()

    bench.provider.does(lambda: StreamingResponse(endless(), media_type="text/event-stream"))
    return await bench.raw(), sent


async def _until_nothing_moves(sent: list[None]) -> None:
    count = -1
    while len(sent) != count or not sent:
        count = len(sent)
        await asyncio.sleep(0.1)


async def _left(bench: Bench) -> None:
    await asyncio.wait_for(bench.provider.left.wait(), 10)


async def too_many_a_minute(bench: Bench) -> None:
    await bench.limit(rpm_limit=1)
    await complete(bench)
    response = await bench.call()
    assert (response.status_code, response.headers["rate_limit_type"]) == (429, "requests")


async def too_many_at_once(bench: Bench) -> None:
    await bench.limit(max_parallel_requests=1)
    bench.provider.hangs()
    calling = asyncio.create_task(bench.call())
    while not bench.provider.received:
        await asyncio.sleep(0.005)
    response = await bench.call()
    limit = response.headers["rate_limit_type"]
    assert (response.status_code, limit) == (429, "max_parallel_requests")
    calling.cancel()


async def budget_spent(bench: Bench) -> None:
    await bench.limit(max_budget=0)
    assert (await bench.call()).status_code == 422


async def unknown_model(bench: Bench) -> None:
    bench.model = "no such model " + "é" * 300
    assert (await bench.call()).status_code == 400


async def denied_model(bench: Bench) -> None:
    bench.model = "denied"
    assert (await bench.call()).status_code == 403


async def not_set_up(bench: Bench) -> None:
    bench.model = f"unset{bench.operation}"
    assert (await bench.call()).status_code == 500


async def fault_within(bench: Bench) -> None:
    with mock.patch.object(bench.gateway.app.state.services.pipeline, "_lanes", None):
        assert (await bench.call()).status_code == 500
