"""Answers of which a part is not what their format says: none may end in a fault of our own.

Each part of an answer is replaced by each odd value in turn, and left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

import httpx
import pytest

from gateway.records import Operation
from tests import calls, messages, responses
from tests.odd import changed
from tests.servers import LANES, FakeProvider, Gateway, answer, chunk, completion, usage

# litellm's, of what is not as its types say.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "one"}),
    chunk({"content": None, "tool_calls": [{"index": 0} | TOOL_CALL]}),
    chunk({}, "stop"),
    chunk({}) | {"choices": [], "usage": usage()},
]
WHOLE = {
    Operation.CHAT: completion("Hello", tool_calls=[TOOL_CALL]),
    **{
        operation: calls.whole(operation)
        for operation in (
            Operation.COMPLETION,
            Operation.EMBEDDING,
            Operation.RESPONSES,
            Operation.MESSAGES,
        )
    },
}

STREAMED = {
    Operation.CHAT: CHUNKS,
    Operation.COMPLETION: [
        json.loads(event) if isinstance(event, str) else event
        for event in calls.streamed(Operation.COMPLETION)
    ],
    Operation.RESPONSES: responses.events("one", " two"),
    Operation.MESSAGES: messages.events("one", " two"),
}
NAMED = (Operation.RESPONSES, Operation.MESSAGES)


Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def ask(
    gateway: Gateway,
    key: str,
    caplog: pytest.LogCaptureFixture,
    operation: Operation,
    lane: str,
) -> Ask:
    """Makes a call, of which the gateway, and not litellm, says that nothing went wrong."""
    provider, base, named = (
        ("anthropic", "", messages.MODEL)
        if operation is Operation.MESSAGES
        else ("openai", "/v1", "gpt-4o")
    )
    await gateway.add_model(
        "odd",
        provider=provider,
        base_url=gateway.provider.url + base,
        litellm_params={"lane": lane, "model": named},
    )

    async def ask(told: object, **more: object) -> httpx.Response:
        body = calls.REQUESTS[operation] | {"model": "odd"} | more
        got = await gateway.request("POST", f"/v1{operation}", key, body)
        faults = [
            record.getMessage()
            for record in caplog.records
            if record.levelno >= logging.ERROR and record.name.startswith("gateway")
        ]
        assert faults == [], told
        return got

    return ask


def from_provider(status: int, text: str) -> bool:
    """Whether it is what a caller is told of a provider's fault."""
    return "inside the gateway" not in text and (status == 502 or "litellm." in text)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("operation", WHOLE)
async def test_whole(provider: FakeProvider, ask: Ask, operation: Operation) -> None:
    for told, body in changed(WHOLE[operation]):
        provider.does(answer(body))
        got = await ask(told)
        assert got.status_code == 200 or from_provider(got.status_code, got.text), told


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("operation", STREAMED)
async def test_streamed(provider: FakeProvider, ask: Ask, operation: Operation) -> None:
    """It is whole, or it ends with an error that the caller can read."""
    events = STREAMED[operation]
    names = [f"event: {event['type']}\n" if operation in NAMED else "" for event in events]
    for number, event in enumerate(events):
        for told, odd in changed(event):
            sent = [*events[:number], odd, *events[number + 1 :]]
            frames = [
                f"{name}data: {json.dumps(each)}\n\n"
                for name, each in zip(names, sent, strict=True)
            ]
            provider.streams(frames, done=operation not in NAMED)
            got = await ask((number, told), stream=True)
            if got.status_code != 200:
                assert from_provider(got.status_code, got.text), (number, told)
            elif not calls.ended(operation, got.text):
                *_, last = got.text.rstrip("\n").split("\n\n")
                assert '"error"' in last, (number, told)
                assert "inside the gateway" not in last, (number, told)
