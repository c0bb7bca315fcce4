"""Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response

from tests.clients.upstream.model import Prompt, Said, Tool, count, say
from tests.clients.upstream.wire import Json, event_stream, json_response, text_of


def answer(body: Json) -> Response:
    said = say(_prompt(body))
    if body.get("stream"):
        return event_stream(_events(body, said), named=True)
    content: list[Json] = [{"type": "text", "text": said.text}] if said.text else []
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        for call in said.calls
    ]
    whole = _message(body) | {"content": content, "stop_reason": _stop(said)}
    return json_response(whole | {"usage": _usage(said)})


def count_tokens(body: Json) -> Response:
    return json_response({"input_tokens": _prompt(body).tokens})


def _prompt(body: Json) -> Prompt:
    messages = body["messages"]
    blocks = [
        (message["role"], block) for message in messages for block in _blocks(message["content"])
    ]
    last = max(
        i for i, (role, block) in enumerate(blocks) if (role, block["type"]) == ("user", "text")
    )
    since = [block for _, block in blocks[last + 1 :]]
    choice = body.get("tool_choice") or {"type": "auto"}
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format")
    return Prompt(
        text=blocks[last][1]["text"],
        tokens=count(text_of(body.get("system")))
        + sum(count(text_of([block])) for _, block in blocks),
        tools=[
            Tool(tool["name"], tool["input_schema"])
            for tool in body.get("tools", ())
            # Others are Anthropic's to run.
            if "input_schema" in tool
        ],
        choice={"any": "required"}.get(choice["type"], choice.get("name", choice["type"])),
        results=[text_of(block["content"]) for block in since if block["type"] == "tool_result"],
        called=frozenset(block["name"] for block in since if block["type"] == "tool_use"),
        schema=wanted["schema"] if wanted else None,
    )


def _blocks(content: str | list[Json]) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _events(body: Json, said: Said) -> Iterator[Json]:
    usage = {"input_tokens": said.prompt_tokens, "output_tokens": 1}
    start = _message(body) | {"content": [], "stop_reason": None, "usage": usage}
    yield {"type": "message_start", "message": start}
    blocks: list[tuple[Json, list[Json]]] = []
    if said.text:
        deltas: list[Json] = [{"type": "text_delta", "text": piece} for piece in said.pieces]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for call in said.calls:
        text = call.arguments_text
        deltas = [
            {"type": "input_json_delta", "partial_json": part} for part in (text[:5], text[5:])
        ]
        blocks.append(({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas))
    for index, (block, deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": _stop(said), "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.tokens}}
    yield {"type": "message_stop"}


def _message(body: Json) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "stop_sequence": None,
    }


def _stop(said: Said) -> str:
    return "tool_use" if said.calls else "end_turn"


def _usage(said: Said) -> Json:
    return {"input_tokens": said.prompt_tokens, "output_tokens": said.tokens}
