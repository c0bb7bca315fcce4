"""What a gateway in Python cannot be faster than: servers that do nothing but the call.

`python -m benchmarks.peers.bare forwarder|acompletion PORT UPSTREAM`, where UPSTREAM ends in `/v1`.
The forwarder sends bytes on and back. The other calls `litellm.acompletion`, as the gateway does.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]


def main() -> None:
    kind, port, upstream = sys.argv[1:]
    app = _forwarder(upstream) if kind == "forwarder" else _acompletion(upstream)
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", log_level="error")


def _app(endpoint: Endpoint, lifespan: Any = None) -> Starlette:
    route = Route("/v1/chat/completions", endpoint, methods=["POST"])
    return Starlette(routes=[route], lifespan=lifespan)


def _forwarder(upstream: str) -> Starlette:
    url = f"{upstream}/chat/completions"

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout
        ) as session:
            app.state.session = session
            yield

    async def pieces(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
        try:
            async for piece in answer.content.iter_any():
                yield piece
        finally:
            answer.release()

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        headers = {"content-type": "application/json", "authorization": "Bearer sk-none"}
        answer = await request.app.state.session.post(url, data=body, headers=headers)
        kind = answer.content_type
        if kind == "text/event-stream":
            return StreamingResponse(pieces(answer), answer.status, media_type=kind)
        return Response(await answer.read(), answer.status, media_type=kind)

    return _app(endpoint, lifespan)


def _acompletion(upstream: str) -> Starlette:
    import litellm

    provider = {"api_base": upstream, "api_key": "sk-none"}

    async def events(chunks: Any) -> AsyncGenerator[bytes]:
        async for chunk in chunks:
            yield b"data: " + chunk.model_dump_json(exclude_none=True).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    async def endpoint(request: Request) -> Response:
        body = orjson.loads(await request.body())
        body["model"] = f"openai/{body['model']}"
        answer = await litellm.acompletion(**body, **provider)
        if body.get("stream"):
            return StreamingResponse(events(answer), media_type="text/event-stream")
        return Response(answer.model_dump_json(), media_type="application/json")

    return _app(endpoint)


if __name__ == "__main__":
    main()
