"""A provider for clients to talk to: the wire formats of OpenAI and Anthropic, and a model of a
few rules behind both. A model named `busy` is at its limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.clients.upstream import chat, media, messages, responses
from tests.clients.upstream.wire import Endpoint, json_response, read

BUSY = "busy"

_ROUTES: dict[str, Endpoint] = {
    "/v1/chat/completions": chat.answer,
    "/v1/completions": chat.complete,
    "/v1/responses": responses.answer,
    "/v1/embeddings": media.embed,
    "/v1/moderations": media.moderate,
    "/v1/images/generations": media.draw,
    "/v1/images/edits": media.draw,
    "/v1/audio/speech": media.speak,
    "/v1/audio/transcriptions": media.transcribe,
    "/v2/rerank": media.rerank,
    "/v1/messages": messages.answer,
    "/v1/messages/count_tokens": messages.count_tokens,
}


def create_app() -> Starlette:
    return Starlette(
        routes=[Route(path, _unless_busy(do), methods=["POST"]) for path, do in _ROUTES.items()]
    )


def _unless_busy(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handler(request: Request) -> Response:
        body = await read(request)
        if body["model"] == BUSY:
            error = {
                "message": "Slow down.",
                "type": "rate_limit_error",
                "param": None,
                "code": None,
            }
            return json_response({"type": "error", "error": error}, 429)
        return endpoint(body)

    return handler
