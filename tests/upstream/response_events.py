"""Reading responses, whole and in events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.servers import Gateway

Json = dict[str, Any]

HELLO = "Hello from the fake provider."
TOOLS: Any = [
    {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


@dataclass
class Events:
    """What a client saw of a stream."""

    status: int
    told: list[Json] = field(default_factory=list)
    error: Json | None = None
    """The error object, of an answer or of the event that ended the stream."""

    @property
    def last(self) -> Json:
        return self.told[-1]

    @property
    def text(self) -> str:
        deltas = [each for each in self.told if each["type"] == "response.output_text.delta"]
        return "".join(each["delta"] for each in deltas)


def read(got: httpx.Response) -> Events:
    """Read a whole answer, strictly: events have names, and their numbers follow each other."""
    seen = Events(got.status_code)
    if got.status_code != 200:
        seen.error = got.json()["error"]
        return seen
    assert got.headers["content-type"] == "text/event-stream; charset=utf-8"
    *framed, rest = got.text.split("\n\n")
    assert rest == ""
    for number, frame in enumerate(framed):
        assert seen.error is None
        name, data = frame.split("\n")
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        assert body["sequence_number"] == number
        if body["type"] == "error":
            seen.error = body
        else:
            seen.told.append(body)
    return seen


async def ask(gateway: Gateway, key: str, model: str, **params: Any) -> httpx.Response:
    body = {"model": model, "input": "hello", **params}
    return await gateway.request("POST", "/v1/responses", key, body)
