"""A provider of OpenAI's and Anthropic's formats that fails now and then.

Run by the soak as a process of its own: `python -m benchmarks.soak.upstream PORT SHARE`, where
SHARE is that of calls to a model named `flaky…` that it fails, from 0 to 1.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.servers import Json, answer, chunks, completion

_TEXT = "It was the best of times, it was the worst of times. " * 4
_PAUSE = 0.002
_FAULTS = ("429", "500", "hang", "html", "cut", "error event", "malformed", "silent")


def main() -> None:
    share = float(sys.argv[2])

    async def endpoint(request: Request) -> Response:
        body = orjson.loads(await request.body())
        flaky = "flaky" in str(body.get("model"))
        fault = random.choice(_FAULTS) if flaky and random.random() < share else None
        return await _answer(request.url.path, body, fault)

    app = Starlette(routes=[Route("/{path:path}", endpoint, methods=["POST"])])
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)


async def _answer(path: str, body: Json, fault: str | None) -> Response:
    match fault:
        case "429":
            refused = {"error": {"message": "Slow down", "type": "rate_limit", "code": None}}
            return answer(refused, 429, {"retry-after": "1"})
        case "500":
            return answer({"error": {"message": "Oops", "type": "server_error"}}, 500)
        case "hang":
            await asyncio.sleep(3)
        case "html":
            return Response("<html>Bad gateway</html>", 200, media_type="text/html")
    if not body.get("stream"):
        return answer(_whole(path))
    events = list(_events(path))
    return StreamingResponse(_sent(events, fault), media_type="text/event-stream")


def _whole(path: str) -> Json:
    if path.endswith("/embeddings"):
        vector = {"object": "embedding", "index": 0, "embedding": [0.5] * 256}
        counts = {"prompt_tokens": 11, "total_tokens": 11}
        return {"object": "list", "data": [vector], "model": "e", "usage": counts}
    if path.endswith("/messages"):
        return _message([{"type": "text", "text": _TEXT}], "end_turn", 60)
    if path.endswith("/responses"):
        return _response("completed", _TEXT)
    return completion(_TEXT)


def _events(path: str) -> Iterator[bytes]:
    if path.endswith("/messages"):
        for event in _message_events():
            yield _named(event)
    elif path.endswith("/responses"):
        for number, event in enumerate(_response_events()):
            yield _named(event | {"sequence_number": number})
    else:
        for chunk in chunks(_TEXT.strip()):
            yield b"data: " + orjson.dumps(chunk) + b"\n\n"
        yield b"data: [DONE]\n\n"


async def _sent(events: Sequence[bytes], fault: str | None) -> AsyncIterator[bytes]:
    ends = len(events) // 2 if fault in ("cut", "error event", "malformed", "silent") else None
    for event in itertools.islice(events, ends):
        yield event
        await asyncio.sleep(_PAUSE)
    match fault:
        case "error event":
            yield b'data: {"error": {"message": "Overloaded", "type": "overloaded_error"}}\n\n'
        case "malformed":
            yield b"data: {not json\n\n"
        case "silent":
            await asyncio.sleep(3)


def _named(event: Json) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), orjson.dumps(event))


def _message(content: list[Json], stop: str | None, tokens: int) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": tokens},
    }


def _message_events() -> Iterator[Json]:
    yield {"type": "message_start", "message": _message([], None, 1)}
    block = {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for word in _TEXT.split():
        delta = {"type": "text_delta", "text": f" {word}"}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 60}}
    yield {"type": "message_stop"}


def _response(status: str, text: str | None) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt",
        "output": [_item("completed", text)] if text else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 60,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 71,
        }
        if text
        else None,
    }


def _item(status: str, text: str | None) -> Json:
    parts = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": parts,
    }


def _response_events() -> Iterator[Json]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    yield {"type": "response.created", "response": _response("in_progress", None)}
    added = _item("in_progress", None)
    yield {"type": "response.output_item.added", "output_index": 0, "item": added}
    for word in _TEXT.split():
        yield {"type": "response.output_text.delta", **at, "delta": f" {word}", "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": _TEXT, "logprobs": []}
    done = _item("completed", _TEXT)
    yield {"type": "response.output_item.done", "output_index": 0, "item": done}
    yield {"type": "response.completed", "response": _response("completed", _TEXT)}


if __name__ == "__main__":
    main()
