"""Texts with references to a case and an answer: `{{item.expected}}`, `{{sample.output_text}}`.

The names are those of OpenAI's evals. A reference is a path and nothing else: no code, no filters.

    {{item.input}}            the input; a conversation as lines of `role: text`
    {{item.expected.name}}    of a right answer that is JSON, or JSON in text
    {{item.<column>}}         any other column, and parts of it: {{item.offer.prices[0]}}
    {{sample.output_text}}    the answer
    {{sample.output_json.a}}  a part of the answer, which is JSON
    {{sample.output_tools}}   the calls of tools, as OpenAI has them
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.evals.records import Case, Item, Message
from gateway.litellm_names import nearest

Path = tuple[str, ...]

_REFERENCE = re.compile(r"\{\{([^{}]*)\}\}")
_INDEX = re.compile(r"\[(\d{1,9})\]")
# Far from where Python's recursion ends, whatever goes through it.
_DEEPEST = 100
_POSITION = re.compile(r"\d{1,9}")
_FENCED = re.compile(r"\s*```[A-Za-z]*\n(.*?)\n?```\s*", re.DOTALL)
_OF_SAMPLES = ("output_text", "output_json", "output_tools")
_OF_CASES = ("input", "expected", "id", "tags")
_NOTHING = object()


class Missing(Exception):
    """The case does not have what a reference names."""


class NotInAnswer(Missing):
    """It is the answer that does not have it: which is the model's fault."""


def check_template(template: str, *, sample: bool = True) -> None:
    """Refuse references that no case could have.

    Args:
        template: The text.
        sample: Whether there is an answer to refer to, too.

    Raises:
        ValueError: Names the reference, and what there is.
    """
    for written, path in references(template):
        root, *names = path
        if root == "item" and names and all(names):
            continue
        if root == "sample" and sample and names and all(names):
            if names[0] in _OF_SAMPLES:
                continue
            meant = nearest(names[0], _OF_SAMPLES)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(_OF_SAMPLES)}"
            raise ValueError(f"{written} refers to nothing; {hint}")
        known = "{{item.…}} and {{sample.…}}" if sample else "{{item.…}}"
        raise ValueError(f"{written} refers to nothing; there are {known}")


def references(template: str) -> Iterator[tuple[str, Path]]:
    """Each reference as it is written, and its path."""
    for found in _REFERENCE.finditer(template):
        yield found[0], _path(found[1])


def columns_of(template: str) -> Iterator[str]:
    """The names of the columns, other than those every case has, that the template refers to."""
    for _, path in references(template):
        if path[0] == "item" and len(path) > 1 and path[1] not in _OF_CASES:
            yield path[1]


def rendered(template: str, case: Case, item: Item | None = None) -> str:
    """The text with what its references stand for; what is not text as JSON.

    Raises:
        Missing: A case, or the answer (NotInAnswer), has no such thing.
    """

    def _replaced(found: re.Match[str]) -> str:
        path = _path(found[1])
        value = _value(path, case, item)
        if path == ("item", "input") and not isinstance(value, str):
            return conversation(value)
        return as_text(value)

    return _REFERENCE.sub(_replaced, template)


def value_of(template: str, case: Case, item: Item | None = None) -> Any:
    """The value that the template's only reference stands for; other templates' text.

    Raises:
        Missing: A case, or the answer (NotInAnswer), has no such thing.
    """
    only = _REFERENCE.fullmatch(template.strip())
    return _value(_path(only[1]), case, item) if only else rendered(template, case, item)


def filled(value: Any, case: Case, item: Item | None = None) -> Any:
    """JSON with all templates in it rendered. Raises as `rendered`."""
    if isinstance(value, str):
        return rendered(value, case, item)
    if isinstance(value, Mapping):
        return {name: filled(inner, case, item) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled(inner, case, item) for inner in value]
    return value


def rendered_messages(messages: Sequence[Message], case: Case) -> list[dict[str, Any]]:
    """A request's messages: the template with the case in it, or without one the case's input.

    A message with nothing but `{{item.input}}` in it stands for all messages of an input that is
    a conversation.

    Raises:
        Missing: The case has no such thing.
    """
    own: list[dict[str, Any]] = (
        [{"role": "user", "content": case.input}]
        if isinstance(case.input, str)
        else [dict(message) for message in case.input]
    )
    if not messages:
        return own
    made: list[dict[str, Any]] = []
    for message in messages:
        if _is_input(message.get("content")) and not isinstance(case.input, str):
            made += own
        else:
            made.append(filled(message, case))
    return made


def as_text(value: Any) -> str:
    """Text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def conversation(messages: Sequence[Message]) -> str:
    """A conversation as lines for a judge to read."""
    return "\n".join(f"{message.get('role')}: {_said(message)}" for message in messages)


def json_of(text: str) -> Any:
    """The JSON that a text is, perhaps between the marks of a code block.

    Raises:
        ValueError: It is none, or nested too deeply.
    """
    fenced = _FENCED.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text, parse_constant=_refused)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if text.count("[") + text.count("{") > _DEEPEST and _depth(value) > _DEEPEST:
        raise ValueError("it is nested too deeply")
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [
        inner
        for outer in level
        if isinstance(outer, dict | list)
        for inner in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
    return depth


def _refused(constant: str) -> Any:
    raise ValueError(f"JSON has no {constant}")


def _path(written: str) -> Path:
    dotted = _INDEX.sub(r".\1", written.strip())
    return tuple(part.strip() for part in dotted.split("."))


def _value(path: Path, case: Case, item: Item | None) -> Any:
    root, name, *inner = (*path, "")[: max(len(path), 2)]
    if root == "item":
        value = _part(_of_case(name, case), inner)
        if value is _NOTHING or (value is None and name == "expected"):
            raise Missing(f"the case has no {'.'.join((name, *inner))}")
        return value
    if root != "sample" or item is None:
        raise Missing(f"{{{{{'.'.join(path)}}}}} refers to nothing")
    value = _part(_of_sample(name, item), inner)
    if value is _NOTHING:
        raise NotInAnswer(f"the answer has no {'.'.join(inner) or name}")
    return value


def _of_case(name: str, case: Case) -> Any:
    match name:
        case "input":
            return case.input if isinstance(case.input, str) else list(case.input)
        case "expected":
            return case.expected
        case "id":
            return case.id
        case "tags":
            return list(case.tags)
    return case.fields.get(name, _NOTHING)


def _of_sample(name: str, item: Item) -> Any:
    match name:
        case "output_text":
            return item.output or ""
        case "output_tools":
            return [dict(call) for call in item.tool_calls]
        case "output_json":
            try:
                return json_of(item.output or "")
            except ValueError:
                raise NotInAnswer("the answer is not JSON") from None
    return _NOTHING


def _part(value: Any, names: Sequence[str]) -> Any:
    for name in names:
        if isinstance(value, str):
            try:
                value = json_of(value)
            except ValueError:
                return _NOTHING
        if isinstance(value, Mapping):
            value = value.get(name, _NOTHING)
        elif (
            isinstance(value, Sequence) and not isinstance(value, str) and _POSITION.fullmatch(name)
        ):
            value = value[int(name)] if int(name) < len(value) else _NOTHING
        else:
            return _NOTHING
    return value


def _is_input(content: Any) -> bool:
    found = _REFERENCE.fullmatch(content.strip()) if isinstance(content, str) else None
    return found is not None and _path(found[1]) == ("item", "input")


def _said(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list | tuple):
        texts = (part.get("text") for part in content if isinstance(part, Mapping))
        return " ".join(text for text in texts if isinstance(text, str))
    if content is None and message.get("tool_calls"):
        return as_text(message["tool_calls"])
    return content if isinstance(content, str) else as_text(content)
