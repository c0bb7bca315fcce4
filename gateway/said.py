"""What an answer says, by which its tokens are estimated where its provider reports none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.records import Operation


def said(operation: Operation, body: Mapping[str, Any]) -> list[str]:
    """The texts of an answer, or of an event of a stream."""
    match operation:
        case Operation.CHAT | Operation.COMPLETION:
            return [_of_choice(choice) for choice in body.get("choices", ())]
        case Operation.MESSAGES:
            return _of_message(body)
        case Operation.RESPONSES:
            return _of_response(body)
        case _:
            return []


def _of_choice(choice: Mapping[str, Any]) -> str:
    said = choice.get("delta") or choice.get("message") or choice
    if len(said) == 1 and type(content := said.get("content")) is str:
        # Of a stream, nearly all.
        return content
    parts = [said.get("content"), said.get("reasoning_content"), said.get("text")]
    for tool_call in said.get("tool_calls") or ():
        function = tool_call.get("function") or {}
        parts += [function.get("name"), function.get("arguments")]
    return "".join(part for part in parts if isinstance(part, str))


def _of_message(body: Mapping[str, Any]) -> list[str]:
    """Of a whole message, or of one of its events."""
    blocks = [*(body.get("content") or ()), body.get("content_block"), body.get("delta")]
    return [_of_block(block) for block in blocks if isinstance(block, Mapping)]


def _of_block(block: Mapping[str, Any]) -> str:
    given = block.get("input")
    parts = [block.get(name) for name in ("text", "thinking", "name", "partial_json")]
    # Of a stream, what is empty at first comes in pieces.
    parts.append(json.dumps(given) if given else None)
    return "".join(part for part in parts if isinstance(part, str))


def _of_response(body: Mapping[str, Any]) -> list[str]:
    """Of a whole response, or of an event, of which the pieces count and not what they make."""
    match body.get("type"):
        case None:
            return [_of_item(item) for item in body.get("output") or ()]
        case "response.output_item.added":
            return [str((body.get("item") or {}).get("name") or "")]
        case str(kind) if kind.endswith(".delta") and kind != "response.audio.delta":
            delta = body.get("delta")
            return [delta] if isinstance(delta, str) else []
        case _:
            return []


def _of_item(item: Mapping[str, Any]) -> str:
    parts = [item.get(name) for name in ("name", "arguments", "input", "code")]
    for part in (*(item.get("summary") or ()), *(item.get("content") or ())):
        parts += [part.get("text"), part.get("refusal")]
    return "".join(part for part in parts if isinstance(part, str))
