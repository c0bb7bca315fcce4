"""OpenAI's Responses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from starlette.responses import Response

from tests.clients.upstream.model import Prompt, Said, Tool, count, say
from tests.clients.upstream.wire import Json, event_stream, json_response, text_of

_numbers = itertools.count(1)


def answer(body: Json) -> Response:
    said = say(_prompt(body))
    response = _response(body)
    if body.get("stream"):
        return event_stream(_events(response, said), named=True)
    return json_response(_ended(response, said))


def _prompt(body: Json) -> Prompt:
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    last = max(i for i, item in enumerate(items) if item.get("role") in ("user", "system"))
    since = items[last + 1 :]
    choice = body.get("tool_choice", "auto")
    wanted = (body.get("text") or {}).get("format") or {}
    schemas: dict[str, Json | None] = {"json_schema": wanted.get("schema"), "json_object": {}}
    return Prompt(
        text=text_of(items[last]["content"]),
        tokens=count(body.get("instructions") or "")
        + sum(count(text_of(item.get("content"))) for item in items),
        tools=[
            Tool(tool["name"], tool.get("parameters") or {})
            for tool in body.get("tools") or ()
            if tool["type"] == "function"
        ],
        choice=choice if isinstance(choice, str) else choice["name"],
        results=[
            text_of(item["output"]) for item in since if item.get("type", "").endswith("_output")
        ],
        called=frozenset(item["name"] for item in since if item.get("type") == "function_call"),
        schema=schemas.get(wanted.get("type", "")),
    )


def _response(body: Json) -> Json:
    return {
        "id": f"resp_{next(_numbers)}",
        "object": "response",
        "created_at": 1700000000,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "usage": None,
    }


def _items(said: Said) -> list[Json]:
    content = [{"type": "output_text", "text": said.text, "annotations": []}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    calls = [
        {
            "type": "function_call",
            "id": f"fc_{call.name}",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments_text,
            "status": "completed",
        }
        for call in said.calls
    ]
    return [message | {"content": content}, *calls] if said.text else calls


def _ended(response: Json, said: Said) -> Json:
    usage = {
        "input_tokens": said.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said.prompt_tokens + said.tokens,
    }
    return response | {"status": "completed", "output": _items(said), "usage": usage}


def _events(response: Json, said: Said) -> Iterator[Json]:
    for number, event in enumerate(_unnumbered(response, said)):
        yield event | {"sequence_number": number}


def _unnumbered(response: Json, said: Said) -> Iterator[Json]:
    yield {"type": "response.created", "response": response}
    yield {"type": "response.in_progress", "response": response}
    for index, item in enumerate(_items(said)):
        place = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            yield from _message(place, item, said)
        else:
            yield from _function_call(place, item)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": _ended(response, said)}


def _message(place: Json, item: Json, said: Said) -> Iterator[Json]:
    index = place["output_index"]
    begun = item | {"status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    (part,) = item["content"]
    place = place | {"content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": part | {"text": ""}}
    for piece in said.pieces:
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": said.text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


def _function_call(place: Json, item: Json) -> Iterator[Json]:
    index = place["output_index"]
    begun = item | {"status": "in_progress", "arguments": ""}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    kind = "response.function_call_arguments"
    text = item["arguments"]
    for part in (text[:5], text[5:]):
        yield {"type": f"{kind}.delta", **place, "delta": part}
    yield {"type": f"{kind}.done", **place, "name": item["name"], "arguments": text}
