"""litellm's answers, made into OpenAI's wire format.

litellm's objects carry keys of its own and nulls that OpenAI's API does not send. What comes out
here validates against the `openai` package's types; what is beyond them was sent by the provider
(`reasoning_content`, `provider_specific_fields` that hold something, …).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

Json = dict[str, Any]

_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")
# openai/types/completion_usage.py
_USAGE_DETAILS = {
    "prompt_tokens_details": ("audio_tokens", "cache_write_tokens", "cached_tokens"),
    "completion_tokens_details": (
        "accepted_prediction_tokens",
        "audio_tokens",
        "reasoning_tokens",
        "rejected_prediction_tokens",
    ),
}
# Anthropic's own counts, which litellm's clients read beside OpenAI's.
_ANTHROPIC_USAGE = ("cache_creation_input_tokens", "cache_read_input_tokens")
# Keys of litellm's that no provider sent.
_LITELLM_ONLY = ("moderation",)
# OpenAI's own fields of a message, which litellm files under provider_specific_fields.
_MISFILED = ("refusal", "annotations", "audio", "reasoning")


def chat_completion(answer: BaseModel, model_name: str) -> Json:
    """A `chat.completion` under the name that the caller asked for."""
    body = _dump(answer)
    body["model"] = model_name
    for choice in body.get("choices", ()):
        _tidy(choice)
        message = choice.get("message", {})
        _unfile(message)
        # OpenAI's type requires it, null where there are only tool calls.
        message.setdefault("content", None)
        for tool_call in message.get("tool_calls", ()):
            # A position makes sense in a stream only.
            tool_call.pop("index", None)
    return _with_usage(body)


def text_completion(answer: BaseModel, model_name: str) -> Json:
    """A `text_completion` under the name that the caller asked for."""
    body = _dump(answer)
    body["model"] = model_name
    return _with_usage(body)


def embeddings(answer: BaseModel, model_name: str) -> Json:
    """A list of embeddings. Vectors are lists of floats."""
    body = _dump(answer)
    usage = body.get("usage") or {}
    items = body.get("data", [])
    positions = list(range(len(items)))
    indexes = [item.get("index") for item in items]
    # Not every provider has them.
    if set(indexes) != set(positions):
        indexes = positions
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": item["embedding"]}
            for index, item in zip(indexes, items, strict=True)
        ],
        "model": model_name,
        "usage": {name: int(usage.get(name) or 0) for name in ("prompt_tokens", "total_tokens")},
    }


def chunk(piece: BaseModel, model_name: str, stream_id: str | None) -> tuple[Json, Json | None]:
    """A streamed chunk of either completion, and the usage it brought, if any.

    `stream_id` replaces the chunk's id: some providers' chunks come with an id each.
    """
    body = _dump(piece)
    body["model"] = model_name
    if stream_id:
        body["id"] = stream_id
    for choice in body.get("choices", ()):
        _tidy(choice)
        choice.setdefault("finish_reason", None)
        if "delta" in choice:
            _unfile(choice["delta"])
        else:
            choice.setdefault("text", "")
    usage = body.pop("usage", None)
    return body, _usage(usage) if usage else None


def is_hollow(body: Json) -> bool:
    """Whether a chunk says nothing in any choice."""
    telling = ("delta", "text", "finish_reason", "logprobs")
    return not any(choice.get(name) for choice in body.get("choices", ()) for name in telling)


def usage_chunk(last: Json, usage: Json) -> Json:
    """The chunk that ends a stream with `include_usage`, in the likeness of the one before."""
    kept = ("id", "object", "created", "model", "system_fingerprint")
    return {name: last[name] for name in kept if name in last} | {"choices": [], "usage": usage}


def _dump(answer: BaseModel) -> Json:
    body: Json = answer.model_dump(exclude_none=True, warnings=False)
    _tidy(body)
    # Gemini's answers have a list for each kind of metadata, mostly empty.
    empty = [
        name for name, value in body.items() if value == [] and name not in ("choices", "data")
    ]
    for name in (*_LITELLM_ONLY, *empty):
        body.pop(name, None)
    return body


def _tidy(part: Json) -> None:
    """Drop `provider_specific_fields` where nothing is in it."""
    if not _pruned(part.get("provider_specific_fields")):
        part.pop("provider_specific_fields", None)


def _unfile(message: Json) -> None:
    """Put OpenAI's own fields of a message back in their place."""
    specific = _pruned(message.pop("provider_specific_fields", None))
    for name in _MISFILED:
        if name in specific:
            message.setdefault(name, specific.pop(name))
    if specific:
        message["provider_specific_fields"] = specific
    for name in [name for name, value in message.items() if value == [] or value == {}]:
        del message[name]


def _pruned(fields: object) -> Json:
    if not isinstance(fields, Mapping):
        return {}
    return {name: value for name, value in fields.items() if value not in (None, [], {}, "")}


def _with_usage(body: Json) -> Json:
    if body.get("usage"):
        body["usage"] = _usage(body["usage"])
    return body


def _usage(usage: Json) -> Json:
    tidy: Json = {name: usage.get(name, 0) for name in _USAGE}
    for group, names in _USAGE_DETAILS.items():
        counts = _present(usage.get(group) or {}, names)
        if counts:
            tidy[group] = counts
    return tidy | {name: n for name, n in _present(usage, _ANTHROPIC_USAGE).items() if n}


def _present(counts: Mapping[str, Any], names: Iterable[str]) -> Json:
    return {name: counts[name] for name in names if counts.get(name) is not None}
