"""Validation of answers against the `openai` package's types, which by themselves take anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar, get_args

from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

Json = dict[str, Any]
M = TypeVar("M", bound=BaseModel)

EVENTS: dict[str, type[BaseModel]] = {
    get_args(event.model_fields["type"].annotation)[0]: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
}
PROVIDERS_OWN = frozenset(
    {
        # Anthropic's, also on Bedrock; `reasoning_content` is DeepSeek's, vLLM's, … too.
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "reasoning_content",
        "thinking_blocks",
        # What has no place in OpenAI's format, such as Gemini's thought signatures.
        "provider_specific_fields",
    }
)
"""Fields beyond OpenAI's that a provider's answer may carry."""


def chat(body: Json, *allowed: str) -> ChatCompletion:
    return strictly(ChatCompletion, body, *allowed)


def chunk(body: Json, *allowed: str) -> ChatCompletionChunk:
    return strictly(ChatCompletionChunk, body, *allowed)


def text(body: Json, *allowed: str) -> Completion:
    return strictly(Completion, body, *allowed)


def text_chunk(body: Json, *allowed: str) -> Completion:
    """A piece of a text completion, whose `finish_reason` is null until the end."""
    choices = [
        choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in body["choices"]
    ]
    return strictly(Completion, body | {"choices": choices}, *allowed)


def embeddings(body: Json) -> CreateEmbeddingResponse:
    return strictly(CreateEmbeddingResponse, body)


def response(body: Json) -> Response:
    return strictly(Response, body)


def response_event(body: Json) -> BaseModel:
    return strictly(EVENTS[body["type"]], body)


def strictly(model: type[M], body: Json, *allowed: str) -> M:
    """Validate without coercion, and refuse any field that the type does not name."""
    assert set(allowed) <= PROVIDERS_OWN
    value = model.model_validate_json(json.dumps(body), strict=True)
    stray = {
        path for path in _stray(value, model.__name__) if path.rsplit(".", 1)[1] not in allowed
    }
    assert not stray, f"fields that OpenAI's {model.__name__} does not have: {sorted(stray)}"
    return value


def _stray(value: object, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}.{name}"
        for name in type(value).model_fields:
            yield from _stray(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _stray(item, path)
