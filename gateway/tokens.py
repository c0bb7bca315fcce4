"""How many tokens a request may come to, told without a tokenizer.

Tokenizers differ by model and cost milliseconds; a budget needs a bound, and a call that ended
without a report needs an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.records import Call, Operation

# What goes to the model besides messages, prompts and inputs, of the parameters of all routes.
_READ = {
    "functions",
    "instructions",
    "mcp_servers",
    "output_config",
    "output_format",
    "response_format",
    "suffix",
    "system",
    "text",
    "tools",
}
_BYTES_A_TOKEN = 4
# Roles, separators and what a provider wraps a tool's description in.
_FRAME = 16
# Quotes, commas and the like around a field, or an item of a list.
_ITEM = 4
# What providers tell a model of tools in general; Anthropic's is the longest, about 530:
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing
_TOOLS = 600
# Content parts whose tokens do not follow from their bytes.
_PICTURES = frozenset({"computer_screenshot", "image", "image_url", "input_image"})
_PAGES = frozenset({"document", "file", "input_audio", "input_file", "video", "video_url"})
_ATTACHED = _PICTURES | _PAGES
# Where a part has what is attached: under its kind, or under names of Anthropic and OpenAI.
_UNDER = _ATTACHED | {"source", "file_data"}
_MOST_OF_PICTURE = 4000
_MOST_OF_PAGES = 100_000
_LIKELY_OF_ATTACHED = 1000
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
# litellm raises what OpenAI would refuse for too low.
_LEAST_OF_RESPONSE = 16
# Where neither the caller, the model nor the price table has a limit.
_LONGEST_ANSWER = 16_384
# Whose answers no model writes.
_WITHOUT_TEXT = (Operation.EMBEDDING, Operation.MODERATION)


@dataclass(slots=True)
class _Size:
    """What a model reads of a request."""

    text: int = 0
    """Bytes of text, with names of fields and with numbers as they are written."""
    objects: int = 0
    items: int = 0
    """Of lists and objects."""
    tokens: int = 0
    """Of a text that is given as its tokens."""
    pictures: int = 0
    pages: int = 0
    """Files, recordings and films."""
    page_bytes: int = 0


def most_prompt_tokens(call: Call, model_limit: int | None) -> int:
    """A bound: no tokenizer makes more than a token of a byte.

    `model_limit` is what the model can read, if that is known: no attachment is longer.
    """
    size = _size(call.body)
    attached = _MOST_OF_PICTURE * size.pictures + _MOST_OF_PAGES * size.pages + size.page_bytes
    # What was said before, or what a template says, is not told.
    if "previous_response_id" in call.body or isinstance(call.body.get("prompt"), dict):
        attached = model_limit or attached + _MOST_OF_PAGES
    elif model_limit:
        attached = min(attached, model_limit)
    told = _TOOLS if "tools" in call.body or "functions" in call.body else 0
    return size.text + _FRAME * size.objects + _ITEM * size.items + size.tokens + attached + told


def likely_prompt_tokens(call: Call) -> int:
    """An estimate."""
    size = _size(call.body)
    attached = _LIKELY_OF_ATTACHED * (size.pictures + size.pages)
    return -(-size.text // _BYTES_A_TOKEN) + 4 * size.objects + size.tokens + attached


def most_completion_tokens(call: Call, defaults: Mapping[str, Any], model_limit: int | None) -> int:
    """A bound; `defaults` are the model's own parameters, `model_limit` what it can write."""
    if call.operation in _WITHOUT_TEXT:
        return 0
    params = {**defaults, **call.body}
    # Which of them a provider goes by, where it is given several, is not known.
    asked = max(_count(params.get(name)) for name in _LIMITS)
    if asked and call.operation is Operation.RESPONSES:
        asked = max(asked, _LEAST_OF_RESPONSE)
    known = [limit for limit in (asked, model_limit) if limit]
    answers = max(1, _count(params.get("n")), _count(params.get("best_of")))
    prompt = call.body.get("prompt")
    if isinstance(prompt, list) and not isinstance(next(iter(prompt), 0), int):
        answers *= len(prompt)
    predicted = 0
    if "prediction" in params:
        # What is wrong in it is charged as if the model had written it.
        size = _Size()
        _add(size, params["prediction"])
        predicted = size.text
    return (min(known) if known else _LONGEST_ANSWER) * answers + predicted


def most_tokens(text: str) -> int:
    """A bound for a text: no tokenizer makes more than a token of a byte."""
    return _bytes(text)


def likely_tokens(text: str) -> int:
    """An estimate for a piece of an answer."""
    return -(-_bytes(text) // _BYTES_A_TOKEN)


def _size(body: Mapping[str, Any]) -> _Size:
    size = _Size()
    _add(size, body.get("messages"), attachments=True)
    for name in body.keys() & _READ:
        _add(size, body[name])
    for given in (body.get("prompt"), body.get("input")):
        if given is None:
            continue
        if isinstance(given, list):
            lists = [given, *(item for item in given if isinstance(item, list))]
            size.tokens += sum(isinstance(item, int) for each in lists for item in each)
            told = [item for item in given if isinstance(item, str | dict)]
            _add(size, told, attachments=True)
        else:
            _add(size, given)
    return size


def _add(size: _Size, value: object, *, attachments: bool = False) -> None:
    """Count what is in a value; with `attachments` also content parts that are none of text."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            size.text += _bytes(value)
        elif isinstance(value, list):
            size.items += len(value)
            pending += value
        # Bodies are read from JSON: a look for any mapping takes ten times as long.
        elif isinstance(value, dict):
            size.objects += 1
            size.items += len(value)
            kind = value.get("type") if attachments else None
            attached = isinstance(kind, str) and kind in _ATTACHED
            if attached:
                size.pictures += kind in _PICTURES
                size.pages += kind in _PAGES
            for name, item in value.items():
                if not (attached and name in _UNDER):
                    size.text += _bytes(name)
                    pending.append(item)
                elif kind in _PAGES:
                    inside = item.values() if isinstance(item, dict) else (item,)
                    size.page_bytes += sum(len(text) for text in inside if isinstance(text, str))
        elif value is not None:
            size.text += len(str(value))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
