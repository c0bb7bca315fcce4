"""The demo's provider: a small server on OpenAI's wire that repeats what it is told.

Not a model, and not for anything but `gateway demo`: the gateway calls it over HTTP, through
litellm, as it would call any provider.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

_SECONDS_A_WORD = 0.05


def create_app() -> Starlette:
    return Starlette(routes=[Route("/v1/chat/completions", _chat, methods=["POST"])])


async def _chat(request: Request) -> Response:
    body = orjson.loads(await request.body())
    said = _last_text(body["messages"])
    words = f"You said: {said}".split(" ")
    prompt = sum(len(_last_text([message]).split()) for message in body["messages"])
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": len(words),
        "total_tokens": prompt + len(words),
    }
    head = {
        "id": f"chatcmpl-echo-{time.time_ns():x}",
        "created": int(time.time()),
        "model": body["model"],
    }
    if body.get("stream"):
        return StreamingResponse(_events(head, words, usage), media_type="text/event-stream")
    message = {"role": "assistant", "content": " ".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    return Response(orjson.dumps(whole), media_type="application/json")


async def _events(
    head: dict[str, Any], words: list[str], usage: dict[str, int]
) -> AsyncIterator[bytes]:
    head = {**head, "object": "chat.completion.chunk"}

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + orjson.dumps({**head, "choices": choices, **more}) + b"\n\n"

    for position, word in enumerate(words):
        delta = {"role": "assistant", "content": word} if not position else {"content": " " + word}
        yield event([{"index": 0, "delta": delta, "finish_reason": None}])
        await asyncio.sleep(_SECONDS_A_WORD)
    yield event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    yield event([], usage=usage)
    yield b"data: [DONE]\n\n"


def _last_text(messages: list[dict[str, Any]]) -> str:
    content = messages[-1].get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part.get("type") == "text")
