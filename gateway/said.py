"""What an answer says, by which its tokens are estimated where its provider reports none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.records import Operation


def said(operation: Operation, body: Mapping[str, Any]) -> list[str]:
    """The texts of an answer, or of an event of a stream."""
    match operation:
        case Operation.CHAT | Operation.COMPLETION:
            return [_of_choice(choice) for choice in body.get("choices", ())] or [""]
        case _:
            return []


def _of_choice(choice: Mapping[str, Any]) -> str:
    said = choice.get("delta") or choice.get("message") or choice
    parts = [said.get("content"), said.get("reasoning_content"), said.get("text")]
    for tool_call in said.get("tool_calls") or ():
        function = tool_call.get("function") or {}
        parts += [function.get("name"), function.get("arguments")]
    return "".join(part for part in parts if isinstance(part, str))
