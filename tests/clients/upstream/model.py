"""What the provider's model says. It follows a few rules, so that tests know what to expect."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_WORD = re.compile(r"[a-z]{3,}")
_NUMBER = re.compile(r"-?\d+")
_QUOTED = re.compile(r"""`([^`]+)`|'([^']+)'|"([^"]+)\"""")
# What a request for JSON without a schema names as its keys.
_KEYS = re.compile(r"""['"`]([a-z_]+)['"`]""")


@dataclass(frozen=True)
class Tool:
    """A function that the model may call."""

    name: str
    schema: Json


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    arguments: Json

    @property
    def arguments_text(self) -> str:
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True)
class Prompt:
    """A conversation, whichever wire it came by."""

    text: str
    """What the user said last."""
    tokens: int
    tools: list[Tool] = field(default_factory=list)
    choice: str = "auto"
    """auto, none, required, or the name of the tool to call."""
    results: list[str] = field(default_factory=list)
    """What tools have answered since."""
    called: frozenset[str] = frozenset()
    """Names of those tools."""
    schema: Json | None = None
    """Of the JSON to answer with; empty for any JSON."""


@dataclass(frozen=True)
class Said:
    """The model's answer."""

    text: str
    calls: list[ToolCall]
    prompt_tokens: int

    @property
    def tokens(self) -> int:
        return count(self.text) + sum(count(call.arguments_text) for call in self.calls)

    @property
    def pieces(self) -> list[str]:
        """The text as it is streamed."""
        return re.findall(r"\s*\S+|\s+$", self.text)


def say(prompt: Prompt) -> Said:
    """Answer a prompt.

    It calls the tool that it has to call, or whose name shares a word with what the user said;
    else it repeats the user, or what the tools told. Numbers and quoted texts that the user said
    become a tool's arguments and the values of structured output.
    """
    tool = _tool(prompt)
    if tool is not None:
        made = fill(tool.schema, prompt.text)
        return Said("", [ToolCall(f"call_{tool.name}", tool.name, made)], prompt.tokens)
    if prompt.schema is not None:
        schema = prompt.schema or {"required": _KEYS.findall(prompt.text)}
        text = json.dumps(fill(schema, prompt.text), ensure_ascii=False)
    elif prompt.results:
        text = f"The tool says: {' '.join(prompt.results)}"
    else:
        text = f"You said: {prompt.text}"
    return Said(text, [], prompt.tokens)


def count(text: str) -> int:
    return len(text.split())


def fill(schema: Json, text: str) -> Any:
    """A value that a JSON Schema allows, made of what the text has; optional properties are left
    out."""
    return _value(schema, text, schema)


def _tool(prompt: Prompt) -> Tool | None:
    if prompt.choice == "none":
        return None
    if prompt.choice not in ("auto", "required"):
        return next(tool for tool in prompt.tools if tool.name == prompt.choice)
    fresh = [tool for tool in prompt.tools if tool.name not in prompt.called]
    said = set(_WORD.findall(prompt.text.lower()))
    shared = {tool.name: len(said & set(_WORD.findall(tool.name.lower()))) for tool in fresh}
    best = max(fresh, key=lambda tool: shared[tool.name], default=None)
    if best is None or shared[best.name] or prompt.choice == "required":
        return best
    return None


def _value(schema: Json, text: str, root: Json) -> Any:
    match schema:
        case {"$ref": reference}:
            return _value(_resolve(reference, root), text, root)
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return _value(first, text, root)
        case {"const": value}:
            return value
        case {"enum": values}:
            return next((value for value in values if str(value) in text), values[0])
        case {"type": "object"} | {"properties": _} | {"required": _}:
            properties = schema.get("properties", {})
            names = schema.get("required", [])
            return {name: _value(properties.get(name, {}), text, root) for name in names}
        case {"type": "array"}:
            return [_value(schema.get("items", {}), text, root)]
        case {"type": "integer" | "number"}:
            found = _NUMBER.search(text)
            return int(found[0]) if found else 1
        case {"type": "boolean"}:
            return True
        case _:
            quoted = _QUOTED.search(text)
            return next(filter(None, quoted.groups())) if quoted else text


def _resolve(reference: str, root: Json) -> Json:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found
