"""Real HTTP servers for tests: any ASGI app on a port of its own, in the test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.commands.serve import server_options
from gateway.providers import DIRECT
from gateway.records import Actor, LedgerRow

Json = dict[str, Any]

TESTER = Actor("test")
LANES = ("litellm", "direct")
IN_BOTH_LANES = pytest.mark.parametrize("lane", LANES, indirect=True, scope="session")
Behaviour = Callable[[Request], Awaitable[Response]]


class _Server(uvicorn.Server):
    """uvicorn's, which ends when it is told to and not at its next look, a tenth of a second on."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while self.server_state.tasks:
                    await asyncio.sleep(0.005)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        # Clients that keep theirs open need not be waited for.
        for connection in list(self.server_state.connections):
            connection.transport.close()
        await self.lifespan.shutdown()


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an app on a free port of 127.0.0.1; yields its URL."""
    # With its protocol named, or asyncio leaves Nagle's algorithm on: 40 ms for each request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    options = server_options("info") | {"log_config": None}
    config = uvicorn.Config(app, timeout_graceful_shutdown=2, **options)
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]))
    while not server.started:
        if running.done():
            listener.close()
            await running
            raise RuntimeError("the server did not start")
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stopping.set()
        await running


def http_client() -> httpx.AsyncClient:
    """A client for plain HTTP: to load certificates would take longer than most tests.

    The first call waits for litellm to be imported, which takes a busy machine half a minute.
    """
    return httpx.AsyncClient(timeout=90, verify=False)


@dataclass
class Received:
    """A request that the fake provider got."""

    path: str
    headers: dict[str, str]
    body: Json
    """Empty where it was no JSON."""
    raw: bytes = b""


@dataclass
class FakeProvider:
    """An OpenAI-wire provider that does as the test says.

    `behaviour` answers every call; each request is kept in `received`. `left` is set when a
    client of the provider goes away before its answer was complete.
    """

    url: str = ""
    behaviour: Behaviour | None = None
    received: list[Received] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        return Starlette(
            routes=[Route("/{path:path}", self._endpoint, methods=["GET", "POST", "DELETE"])],
        )

    async def _endpoint(self, request: Request) -> Response:
        raw = await request.body()
        self.received.append(
            Received(
                "/" + request.path_params["path"],
                dict(request.headers),
                orjson.loads(raw) if raw.startswith(b"{") else {},
                raw,
            )
        )
        if self.behaviour is None:
            return answer(completion("Hello from the fake provider."))
        return await self.behaviour(request)

    def does(self, response: Callable[[], Response] | Response) -> None:
        """Answer every call with this response, or with a new one from this function."""

        async def behaviour(_: Request) -> Response:
            return (
                response()
                if callable(response) and not isinstance(response, Response)
                else response
            )

        self.behaviour = behaviour

    def reset(self) -> None:
        self.behaviour = None
        self.received.clear()
        self.left.clear()

    def streams(
        self,
        chunks: Sequence[Json | str],
        *,
        done: bool = True,
        pause: float = 0.0,
        hang_after: int | None = None,
    ) -> None:
        """Answer every call with SSE events: JSON chunks, or raw text as it is.

        `hang_after` says after how many chunks nothing comes any more.
        """

        async def events() -> AsyncIterator[bytes]:
            try:
                for position, chunk in enumerate(chunks):
                    if position == hang_after:
                        await asyncio.sleep(60)
                    if pause:
                        await asyncio.sleep(pause)
                    if isinstance(chunk, str):
                        yield chunk.encode()
                    else:
                        yield b"data: " + orjson.dumps(chunk) + b"\n\n"
                if hang_after is not None:
                    await asyncio.sleep(60)
                if done:
                    yield b"data: [DONE]\n\n"
            except (asyncio.CancelledError, GeneratorExit):
                self.left.set()
                raise

        self.does(lambda: StreamingResponse(events(), media_type="text/event-stream"))

    def hangs(self) -> None:
        """Take every call and never answer; notices when the caller leaves."""

        async def behaviour(request: Request) -> Response:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            return Response()

        self.behaviour = behaviour


def answer(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")


def usage(prompt: int = 11, completion: int = 6) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def completion(text: str | None, **message: Any) -> Json:
    """OpenAI's answer to a chat."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "upstream-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None, **message},
                "logprobs": None,
                "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
            }
        ],
        "usage": usage(),
    }


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Json:
    """One event of OpenAI's streamed answer to a chat."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "upstream-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def chunks(text: str = "Hello from the fake provider.") -> list[Json | str]:
    """OpenAI's streamed answer to a chat: a word a chunk, then the usage."""
    words = text.split(" ")
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": word if i == 0 else " " + word}) for i, word in enumerate(words)),
        chunk({}, "stop"),
        chunk({}) | {"choices": [], "usage": usage()},
    ]


@dataclass
class Gateway:
    """A running gateway, and what a test does with it."""

    url: str
    admin_key: str
    provider: FakeProvider
    app: Starlette
    http: httpx.AsyncClient
    lane: str = "litellm"
    """Of its models, where it can be theirs."""

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1/gateway"

    async def manage(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A management request with the admin key."""
        return await self.request(method, f"/api/v1/gateway{path}", self.admin_key, body)

    async def request(
        self,
        method: str,
        path: str,
        key: str | None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        given = {"authorization": f"Bearer {key}"} if key else {}
        return await self.http.request(
            method, self.url + path, content=content, headers=given | (headers or {})
        )

    async def add_model(self, name: str = "gpt", **fields: Any) -> Json:
        """Register a model, by default one at the fake provider."""
        body = {
            "model_name": name,
            "provider": "openai",
            "api_key": "sk-upstream-0123456789",
            "base_url": f"{self.provider.url}/v1",
        } | fields
        if self.lane != "litellm" and body["provider"] in DIRECT:
            body["litellm_params"] = {"lane": self.lane, **body.get("litellm_params", {})}
        response = await self.manage("POST", "/models", body)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def issue_key(self, **fields: Any) -> Json:
        """Issue a gateway key; its secret is under `key`."""
        response = await self.manage("POST", "/keys", fields)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def flush(self) -> None:
        """Have the rows of all requests so far in the database."""
        await self.app.state.services.ledger.flush()

    async def try_once(self) -> None:
        """Have each call tried once: a test that fails a call means to see that call fail."""
        store = self.app.state.services.store
        await store.settings.change(lambda old: replace(old, num_retries=0), TESTER)

    async def rows(self, key_id: str, count: int = 1) -> list[LedgerRow]:
        """The ledger's rows of a key, as soon as there are so many."""
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            await self.flush()
            pages = await self.app.state.services.store.ledger.after(0, 100_000)
            found = [row for _, row in pages if row.key_id == key_id]
            if len(found) >= count:
                return found
            assert asyncio.get_running_loop().time() < deadline, f"{len(found)} row(s)"
            await asyncio.sleep(0.01)

    async def chat(self, key: str, model: str = "gpt", **params: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]} | params
        return await self.request("POST", "/v1/chat/completions", key, body)

    @contextlib.asynccontextmanager
    async def streaming(self, key: str) -> AsyncIterator[AsyncIterator[str]]:
        """A streamed chat's lines as they come; leaving the block leaves the stream."""
        body = {"model": "gpt", "stream": True, "messages": [{"role": "user", "content": "x"}]}
        url, headers = f"{self.url}/v1/chat/completions", {"authorization": f"Bearer {key}"}
        async with self.http.stream("POST", url, json=body, headers=headers) as response:
            yield response.aiter_lines()

    @contextlib.asynccontextmanager
    async def openai(self, key: str, prefix: str = "/api/v1/gateway") -> AsyncIterator[AsyncOpenAI]:
        """The official client, pointed at the gateway."""
        base_url = self.url + prefix
        async with (
            http_client() as http,
            AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=http) as client,
        ):
            yield client
