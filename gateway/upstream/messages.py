"""Anthropic's Messages by way of litellm: as they are where the provider takes them, or a chat.

https://platform.claude.com/docs/en/api/messages, and …/build-with-claude/streaming for the events.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson

from gateway.errors import broken_answer
from gateway.records import Call, Usage
from gateway.upstream import messages_as_chat
from gateway.upstream.event_stream import EventReader, EventTooLarge
from gateway.upstream.messages_as_chat import Adapted
from gateway.upstream.reports import Witness
from gateway.upstream.usage import read_usage, service_tier

Json = dict[str, Any]
_Piece = tuple[Json, Usage | None]

# Statuses of the errors that come within a stream: https://platform.claude.com/docs/en/api/errors.
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
LAST = "message_stop"
_NAME = re.compile("[a-z_.]{1,64}")


class StreamError(Exception):
    """A provider's error event.

    Attributes:
        body: The provider's error object, as `failures` looks for it.
        status_code: What it would have been answered with before the stream.
    """

    UNKNOWN = 500

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__("an error within a stream")
        self.body = body
        self.status_code = _STATUSES.get(str(body.get("type")), self.UNKNOWN)


async def send(litellm: Any, **made: Any) -> Any:
    """Make the call; what comes is for `whole` or `stream`."""
    if _is_native(litellm, made["model"]):
        # litellm would run such tools itself, by servers that its proxy knows.
        return await litellm.anthropic_messages(**made, _skip_mcp_handler=True)
    return await messages_as_chat.send(litellm, **made)


def _is_native(litellm: Any, model: str) -> bool:
    provider, _, name = model.partition("/")
    try:
        known = litellm.LlmProviders(provider)
    except ValueError:
        return False
    manager = litellm.utils.ProviderConfigManager
    return manager.get_provider_anthropic_messages_config(model=name, provider=known) is not None


def whole(answer: Any, call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """A `message` under the name that the caller asked for."""
    if isinstance(answer, Adapted):
        body, usage = messages_as_chat.whole(answer, witness)
    else:
        body = answer if isinstance(answer, dict) else {}
        if not isinstance(body.get("content"), list):
            raise broken_answer("The provider's answer is no message of Anthropic's")
        usage = usage_of(body.get("usage"), witness)
    body["model"] = call.model_name
    return body, usage


async def stream(pieces: Any, call: Call, witness: Witness) -> AsyncGenerator[list[_Piece]]:
    """Anthropic's events, `message_stop` the last; the usage is beside it."""
    if isinstance(pieces, Adapted):
        events = messages_as_chat.stream(pieces, witness)
    else:
        events = _native(pieces, witness)
    async with aclosing(events):
        async for event, usage in events:
            if isinstance(message := event.get("message"), dict):
                message["model"] = call.model_name
            yield [(event, usage)]
            if event["type"] == LAST:
                return
    raise broken_answer("The provider broke off its answer")


async def _native(pieces: Any, witness: Witness) -> AsyncGenerator[_Piece]:
    reading = Reading(witness)
    async with aclosing(pieces):
        reader = EventReader()
        async for piece in pieces:
            try:
                found = reader.feed(piece)
            except EventTooLarge:
                raise broken_answer("The provider sent an event that is too large") from None
            for name, data in found:
                yield reading.take(name, data)


class Reading:
    """What the events of a stream have said."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._counts: Json = {}
        self._counted = False

    def take(self, name: str, data: bytes) -> _Piece:
        """An event; beside the last is the usage.

        Raises:
            StreamError: It tells an error.
            UpstreamError: It is none of Anthropic's.
        """
        event = _event(name, data)
        match event["type"]:
            case "error":
                error = event.get("error")
                raise StreamError(error if isinstance(error, dict) else {})
            case "message_start":
                _merge(self._counts, (event.get("message") or {}).get("usage"))
            case "message_delta":
                self._counted = _merge(self._counts, event.get("usage")) or self._counted
        last = event["type"] == LAST
        # A stream begins with a count, too, of what it has not said yet.
        return event, usage_of(self._counts, self._witness) if last and self._counted else None


def _event(name: str, data: bytes) -> Json:
    event = _json(data)
    if not isinstance(event, dict):
        raise broken_answer("The provider sent an event that is no JSON object")
    kind = event.setdefault("type", name)
    if not isinstance(kind, str) or not _NAME.fullmatch(kind):
        raise broken_answer("The provider sent an event of no type")
    return event


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        # Which takes half of a surrogate pair.
        return json.loads(text)
    except ValueError:
        return None


def _merge(counts: Json, reported: object) -> bool:
    """Take the newer counts; they are sums of what there is by then."""
    if not isinstance(reported, Mapping):
        return False
    counts |= {name: value for name, value in reported.items() if value is not None}
    return True


def tells(event: Json) -> bool:
    """Whether an event says more than that an answer has begun."""
    match event["type"]:
        case "message_start" | "ping":
            return False
        case "content_block_start":
            # Of a text nothing is there yet; thoughts may not be shown for minutes.
            return (event.get("content_block") or {}).get("type") != "text"
        case _:
            return True


def usage_of(reported: object, witness: Witness) -> Usage | None:
    """Anthropic's counts, in which the parts of the prompt stand side by side."""
    if not isinstance(reported, Mapping):
        return None
    counts = dict(reported)
    # What a summary of the conversation took is not in the totals:
    # https://platform.claude.com/docs/en/build-with-claude/compaction#understanding-usage
    iterations = counts.get("iterations")
    for each in iterations if isinstance(iterations, list) else ():
        if isinstance(each, Mapping) and each.get("type") == "compaction":
            for name in ("input_tokens", "output_tokens", *_CACHE):
                counts[name] = _count(counts, name) + _count(each, name)
    written, cached = (_count(counts, name) for name in _CACHE)
    prompt = _count(counts, "input_tokens") + written + cached
    completion = _count(counts, "output_tokens")
    if not prompt and not completion:
        return None
    details = counts.get("output_tokens_details")
    raw = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": written,
            "cache_creation_token_details": counts.get("cache_creation"),
        },
        "completion_tokens_details": {
            "reasoning_tokens": _count(details, "thinking_tokens"),
        },
        "server_tool_use": counts.get("server_tool_use"),
    }
    return read_usage(raw, service_tier(counts.get("service_tier"), witness.tier))


_CACHE = ("cache_creation_input_tokens", "cache_read_input_tokens")


def _count(counts: object, name: str) -> int:
    value = counts.get(name) if isinstance(counts, Mapping) else None
    return value if isinstance(value, int) and value > 0 else 0
