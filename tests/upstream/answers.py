"""Whole answers in the formats of providers, plain and streamed, around a given usage."""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Callable, Sequence

from starlette.responses import Response

from tests.published_usage import Json, Row
from tests.servers import FakeProvider, answer, chunk, completion

_TEXT = "Hello!"


def give(provider: FakeProvider, row: Row, stream: bool) -> None:
    """Have the provider answer with the row's usage, in the row's format."""
    assert row.wire
    if stream:
        _STREAMS[row.wire](provider, row)
    else:
        provider.does(answer(_ANSWERS[row.wire](row)))


def _openai(row: Row) -> Json:
    return completion(_TEXT) | {"usage": row.reported} | row.more


def _stream_openai(provider: FakeProvider, row: Row) -> None:
    last = chunk({}) | {"choices": [], "usage": row.reported}
    pieces = [chunk({"role": "assistant", "content": _TEXT}), chunk({}, "stop"), last]
    provider.streams([piece | row.more for piece in pieces])


def _embeddings(row: Row) -> Json:
    vector = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
    return {"object": "list", "data": [vector], "model": row.model, "usage": row.reported}


def _text(row: Row) -> Json:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1700000000,
        "model": row.model,
        "choices": [{"text": _TEXT, "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": row.reported,
    }


def _stream_text(provider: FakeProvider, row: Row) -> None:
    whole = _text(row)
    provider.streams([whole | {"usage": None}, whole | {"choices": []}])


def _anthropic(row: Row) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": row.model,
        "content": [{"type": "text", "text": _TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": row.reported,
    }


def _stream_anthropic(provider: FakeProvider, row: Row) -> None:
    """The end counts again, without the cache's durations."""
    whole = _anthropic(row)
    first = whole | {
        "content": [],
        "stop_reason": None,
        "usage": row.reported | {"output_tokens": 1},
    }
    repeated = {
        name: count
        for name, count in row.reported.items()
        if name not in ("cache_creation", "service_tier")
    }
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    text = {"type": "text", "text": ""}
    events: list[Json] = [
        {"type": "message_start", "message": first},
        {"type": "content_block_start", "index": 0, "content_block": text},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": _TEXT},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": repeated},
        {"type": "message_stop"},
    ]
    provider.streams(
        [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events], done=False
    )


def _gemini(row: Row) -> Json:
    content = {"parts": [{"text": _TEXT}], "role": "model"}
    candidate = {"content": content, "finishReason": "STOP", "index": 0} | row.more
    return {"candidates": [candidate], "usageMetadata": row.reported, "modelVersion": row.model}


def _stream_gemini(provider: FakeProvider, row: Row) -> None:
    """Each piece counts what there is by then."""
    whole = _gemini(row)
    content = {"parts": [{"text": "Hel"}], "role": "model"}
    so_far = row.reported | {"candidatesTokenCount": 1}
    first = whole | {"candidates": [{"content": content, "index": 0}], "usageMetadata": so_far}
    provider.streams([f"data: {json.dumps(piece)}\n\n" for piece in (first, whole)], done=False)


def _bedrock(row: Row) -> Json:
    message = {"role": "assistant", "content": [{"text": _TEXT}]}
    return {
        "metrics": {"latencyMs": 1},
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": row.reported,
    }


def _stream_bedrock(provider: FakeProvider, row: Row) -> None:
    events: list[tuple[str, Json]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": _TEXT}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": row.reported, "metrics": {"latencyMs": 1}}),
    ]
    content = b"".join(amazon_event(name, body) for name, body in events)
    media_type = "application/vnd.amazon.eventstream"
    provider.does(lambda: Response(content, media_type=media_type))


def amazon_event(name: str, body: Json) -> bytes:
    """A message of Amazon's binary event streams."""
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in (
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        )
    )
    payload = json.dumps(body).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _ollama(row: Row) -> Json:
    return {
        "model": row.model,
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": _TEXT},
        "done_reason": "stop",
        "done": True,
        **row.reported,
    }


def _stream_ollama(provider: FakeProvider, row: Row) -> None:
    whole = _ollama(row)
    first = {name: whole[name] for name in ("model", "created_at", "message")} | {"done": False}
    last = whole | {"message": {"role": "assistant", "content": ""}}
    provider.streams([json.dumps(piece) + "\n" for piece in (first, last)], done=False)


_ANSWERS: dict[str, Callable[[Row], Json]] = {
    "anthropic": _anthropic,
    "bedrock": _bedrock,
    "embeddings": _embeddings,
    "gemini": _gemini,
    "ollama": _ollama,
    "openai": _openai,
    "text": _text,
}
_STREAMS: dict[str, Callable[[FakeProvider, Row], None]] = {
    "anthropic": _stream_anthropic,
    "bedrock": _stream_bedrock,
    "gemini": _stream_gemini,
    "ollama": _stream_ollama,
    "openai": _stream_openai,
    "text": _stream_text,
}

STREAMED: Sequence[str] = tuple(_STREAMS)
"""The formats that have streams."""
