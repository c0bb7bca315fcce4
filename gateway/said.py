"""What an answer says, by which its tokens are estimated where its provider reports none.

What a provider sent need not be what its format says: what is not says nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.records import Operation


def said(operation: Operation, body: Mapping[str, Any]) -> list[str]:
    """The texts of an answer, or of an event of a stream."""
    match operation:
        case Operation.CHAT | Operation.COMPLETION:
            return [_of_choice(choice) for choice in _items(body.get("choices"))]
        case Operation.MESSAGES:
            return _of_message(body)
        case Operation.RESPONSES:
            return _of_response(body)
        case _:
            return []


def text_alone(chunk: Mapping[str, Any]) -> str | None:
    """The text of one of OpenAI's chunks that holds nothing else, as nearly all of a stream do."""
    choices = chunk.get("choices")
    if type(choices) is list and len(choices) == 1 and type(choice := choices[0]) is dict:
        delta = choice.get("delta")
        if type(delta) is dict and len(delta) == 1 and choice.get("finish_reason") is None:
            text = delta.get("content")
            return text if type(text) is str else None
    return None


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _fields(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _of_choice(choice: object) -> str:
    choice = _fields(choice)
    said = _fields(choice.get("delta") or choice.get("message") or choice)
    parts = [said.get("content"), said.get("reasoning_content"), said.get("text")]
    for tool_call in _items(said.get("tool_calls")):
        function = _fields(_fields(tool_call).get("function"))
        parts += [function.get("name"), function.get("arguments")]
    return "".join(part for part in parts if isinstance(part, str))


def _of_message(body: Mapping[str, Any]) -> list[str]:
    """Of a whole message, or of one of its events."""
    blocks = [*_items(body.get("content")), body.get("content_block"), body.get("delta")]
    return [_of_block(_fields(block)) for block in blocks]


def _of_block(block: dict[str, Any]) -> str:
    given = block.get("input")
    parts = [block.get(name) for name in ("text", "thinking", "name", "partial_json")]
    # Of a stream, what is empty at first comes in pieces.
    parts.append(json.dumps(given) if given else None)
    return "".join(part for part in parts if isinstance(part, str))


def _of_response(body: Mapping[str, Any]) -> list[str]:
    """Of a whole response, or of an event, of which the pieces count and not what they make."""
    match body.get("type"):
        case None:
            return [_of_item(_fields(item)) for item in _items(body.get("output"))]
        case "response.output_item.added":
            return [str(_fields(body.get("item")).get("name") or "")]
        case str(kind) if kind.endswith(".delta") and kind != "response.audio.delta":
            delta = body.get("delta")
            return [delta] if isinstance(delta, str) else []
        case _:
            return []


def _of_item(item: dict[str, Any]) -> str:
    parts = [item.get(name) for name in ("name", "arguments", "input", "code")]
    for part in map(_fields, _items(item.get("summary")) + _items(item.get("content"))):
        parts += [part.get("text"), part.get("refusal")]
    return "".join(part for part in parts if isinstance(part, str))
