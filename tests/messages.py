"""Anthropic's Messages on the wire: answers, streams of events, and the reading of these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import httpx

from tests.servers import Json

MODEL = "claude-sonnet-4-5"


def counts(prompt: int = 11, completion: int = 6, **more: object) -> Json:
    return {"input_tokens": prompt, "output_tokens": completion, **more}


def message(text: str, **more: object) -> Json:
    """A whole answer."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": counts(),
        **more,
    }


def start(**more: object) -> Json:
    """The first event of a stream."""
    begun = message("", content=[], stop_reason=None, usage=counts(completion=1))
    return {"type": "message_start", "message": begun | more}


def block(index: int, began: Json, *deltas: Json) -> list[Json]:
    """The events of a content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": began},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def end(usage: Json | None = None, stop_reason: str = "end_turn") -> list[Json]:
    """The last events of a stream."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    given = counts() if usage is None else usage
    return [
        {"type": "message_delta", "delta": delta, "usage": given},
        {"type": "message_stop"},
    ]


def events(*texts: str) -> list[Json]:
    """A whole stream, with a delta for each text."""
    deltas = [{"type": "text_delta", "text": text} for text in texts]
    said = block(0, {"type": "text", "text": ""}, *deltas)
    return [start(), {"type": "ping"}, *said, *end()]


def frames(made: Iterable[Json]) -> list[Json | str]:
    """The events as they are sent."""
    return [frame(each) for each in made]


def frame(event: Json) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


def read(response: httpx.Response) -> list[Json]:
    """The events of a stream, strictly: each is named by its type, and none follows the last."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *found, rest = response.text.split("\n\n")
    assert rest == ""
    seen: list[Json] = []
    for each in found:
        name, data = each.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert not seen or seen[-1]["type"] not in ("error", "message_stop")
        seen.append(event)
    return seen


def types(seen: Sequence[Json]) -> list[str]:
    return [event["type"] for event in seen]
