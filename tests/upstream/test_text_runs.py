"""Text that does not go through litellm, beside what litellm would have made of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import orjson
import pytest
from starlette.responses import Response, StreamingResponse

from gateway.errors import UpstreamError
from gateway.records import Call, CallSettings, Operation
from gateway.specs import key_record
from gateway.upstream import text_runs
from gateway.upstream.lane import Piece
from gateway.upstream.litellm_lane import LitellmLane
from tests.servers import FakeProvider, chunk, usage
from tests.upstream.test_usage import model_at

Json = dict[str, Any]

PROVIDERS = ("openai", "azure", "hosted_vllm", "mistral", "groq")
FIRST = chunk({"role": "assistant", "content": "", "refusal": None})
TEXT = [chunk({"content": word}) for word in ("Hello", " from", " the", " provider", ".")]
LAST = [chunk({}, "stop"), chunk({}) | {"choices": [], "usage": usage()}]
TOOL = {"index": 0, "id": "call_1", "type": "function"}
SAFE = {"hate": {"filtered": False, "severity": "safe"}}
LOGPROBS = {"content": [{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}]}


def of_choice(**fields: Any) -> Json:
    piece = chunk({"content": "Hello"})
    return piece | {"choices": [piece["choices"][0] | fields]}


STREAMS: dict[str, list[Json]] = {
    "text": TEXT,
    "nothing": [],
    "nulls": [
        chunk({"content": "a", "role": None, "tool_calls": None, "refusal": None}, usage=None)
    ],
    "role": [chunk({"role": "assistant", "content": word}) for word in ("a", "b")],
    "empty text": [chunk({"content": ""}), chunk({}), chunk({"content": None}), *TEXT],
    "thoughts": [
        chunk({"reasoning_content": "Let me"}),
        chunk({"reasoning_content": " think"}),
        chunk({"content": None, "reasoning": " about"}),
        chunk({"content": "", "reasoning_content": " it."}),
        *TEXT,
        chunk({"reasoning_content": "Once more."}),
        *TEXT,
    ],
    "further fields": [
        chunk(
            {"content": word},
            system_fingerprint="fp_1",
            service_tier="default",
            obfuscation="x",
        )
        for word in ("a", "b")
    ],
    "one fingerprint": [chunk({"content": "a"}, system_fingerprint="fp_1"), *TEXT],
    "unknown fields": [
        chunk({"content": "a", "mood": "good"}, provider="P", citations=["https://example.com"]),
        *TEXT,
    ],
    "specific fields": [
        chunk({"content": "a", "provider_specific_fields": {"a": 1}}),
        chunk({"content": "b"}, provider_specific_fields={"b": 2}),
        *TEXT,
    ],
    "odd fields": [chunk({"content": "a"}, service_tier="", obfuscation=1), *TEXT],
    "no reason": [chunk({}) | {"choices": [{"index": 0, "delta": {"content": "a"}}]}] * 2,
    "filtered": [of_choice(content_filter_results=SAFE), of_choice(content_filter_results={})],
    "half filtered": [of_choice(content_filter_results={"hate": None})] * 2,
    "probabilities": [of_choice(logprobs=LOGPROBS)] * 2,
    "tokens": [of_choice(stop_reason=None, token_ids=None), of_choice(token_ids=[1, 2])],
    "second choice": [of_choice(index=1), *TEXT],
    "two choices": [
        chunk({}) | {"choices": [TEXT[0]["choices"][0], TEXT[1]["choices"][0] | {"index": 1}]},
        *TEXT,
    ],
    "other heads": [
        TEXT[0] | {"id": "chatcmpl-2", "created": 1800000000, "model": "other"},
        TEXT[1] | {"id": ""},
        {"choices": TEXT[2]["choices"]},
    ],
    "counts throughout": [piece | {"usage": usage(completion=1)} for piece in TEXT],
    "the same again": [*TEXT[:1] * 5, *TEXT[1:2] * 2, *TEXT],
    "tools": [
        *TEXT,
        chunk({"tool_calls": [TOOL | {"function": {"name": "f", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        *TEXT,
    ],
    "reason beside text": [*TEXT, chunk({"content": " Bye"}, "stop")],
    "text after the reason": [*TEXT, chunk({}, "length"), *TEXT],
}


def written(events: Sequence[Json]) -> bytes:
    lines = [b"data: " + orjson.dumps(event) + b"\n\n" for event in events]
    return b"".join([*lines, b"data: [DONE]\n\n"])


def sends(provider: FakeProvider, body: bytes, size: int) -> None:
    """Have it answer in pieces of this size."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    provider.does(lambda: StreamingResponse(pieces(), media_type="text/event-stream"))


def called(litellm_lane: LitellmLane, url: str, provided: str) -> AsyncGenerator[list[Piece]]:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    call = Call(Operation.CHAT, key_record("", "", 0), body, "r")
    return litellm_lane.stream(call, model_at(url, provided, "gpt-4o"), CallSettings())


async def streamed(litellm_lane: LitellmLane, url: str, provided: str) -> list[Piece]:
    return [piece async for batch in called(litellm_lane, url, provided) for piece in batch]


def text_of(piece: Piece) -> str:
    return piece.body["choices"][0]["delta"].get("content") or ""


def but_the_time(pieces: list[Piece]) -> list[Piece]:
    """litellm's own, of when the stream began."""
    created = {piece.body.pop("created") for piece in pieces}
    assert len(created) == 1
    return pieces


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("provided", PROVIDERS)
async def test_comes_out_as_it_does_from_litellm(
    litellm_lane: LitellmLane,
    provider: FakeProvider,
    provided: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = written([FIRST, *STREAMS[name], *LAST])
    sends(provider, body, len(body))
    at_once = await streamed(litellm_lane, provider.url, provided)
    sends(provider, body, 100)
    in_pieces = await streamed(litellm_lane, provider.url, provided)
    monkeypatch.setattr(text_runs, "within", lambda _stream: None)
    by_litellm = but_the_time(await streamed(litellm_lane, provider.url, provided))
    assert but_the_time(at_once) == by_litellm
    assert but_the_time(in_pieces) == by_litellm
    assert by_litellm[-1].usage is not None


@pytest.mark.parametrize("provided", PROVIDERS)
async def test_is_counted_where_the_provider_does_not(
    litellm_lane: LitellmLane,
    provider: FakeProvider,
    provided: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider.streams([FIRST, *STREAMS["thoughts"], LAST[0]])
    seen = await streamed(litellm_lane, provider.url, provided)
    assert seen[-1].usage is None
    assert seen[-1].body["usage"]["completion_tokens"] > len(TEXT)
    monkeypatch.setattr(text_runs, "within", lambda _stream: None)
    by_litellm = await streamed(litellm_lane, provider.url, provided)
    assert seen[-1].body["usage"] == by_litellm[-1].body["usage"]


@pytest.mark.parametrize("provided", PROVIDERS)
async def test_goes_past_litellm(
    litellm_lane: LitellmLane,
    provider: FakeProvider,
    provided: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It sees the first chunk, all the text as one, the end's reason and the usage."""
    import litellm

    seen: list[object] = []
    create = litellm.CustomStreamWrapper.chunk_creator

    def noted(self: Any, chunk: Any) -> Any:
        seen.append(chunk)
        return create(self, chunk)

    monkeypatch.setattr(litellm.CustomStreamWrapper, "chunk_creator", noted)
    body = written([FIRST, *TEXT * 20, *LAST])
    sends(provider, body, len(body))
    pieces = await streamed(litellm_lane, provider.url, provided)
    assert len(pieces) == 1 + len(TEXT) * 20 + len(LAST)
    # Of those that litellm reads by itself it has the mark of the end, too.
    assert len(seen) in (4, 5)


async def test_comes_together_where_it_came_together(
    litellm_lane: LitellmLane, provider: FakeProvider
) -> None:
    body = written([FIRST, *TEXT, *LAST])
    sends(provider, body, len(body))
    batches = [len(batch) async for batch in called(litellm_lane, provider.url, "openai")]
    assert batches == [1 + len(TEXT), 1, 1]


@pytest.mark.parametrize("provided", PROVIDERS)
async def test_a_fault_comes_after_the_text_before_it(
    litellm_lane: LitellmLane, provider: FakeProvider, provided: str
) -> None:
    error = {"error": {"message": "Overloaded", "type": "overloaded_error", "code": 503}}
    body = written([FIRST, *TEXT, error])
    sends(provider, body, len(body))
    seen: list[Piece] = []

    async def see_all() -> None:
        async for batch in called(litellm_lane, provider.url, provided):
            seen.extend(batch)

    with pytest.raises(UpstreamError, match="Overloaded"):
        await see_all()
    assert "".join(map(text_of, seen)) == "Hello from the provider."


@pytest.mark.parametrize("provided", PROVIDERS)
async def test_a_model_that_repeats_itself_is_stopped(
    litellm_lane: LitellmLane, provider: FakeProvider, provided: str
) -> None:
    """litellm sees each of such chunks, whatever it did not see before."""
    provider.streams([FIRST, *TEXT, *[chunk({"content": " again"})] * 120, *LAST])
    with pytest.raises(UpstreamError, match="repeating the same chunk"):
        await streamed(litellm_lane, provider.url, provided)


async def test_is_read_in_the_encoding_that_the_provider_says(
    litellm_lane: LitellmLane, provider: FakeProvider
) -> None:
    events = [FIRST, *[chunk({"content": "Café"})] * 2, *LAST]
    body = b"".join(
        b"data: " + json.dumps(event, ensure_ascii=False).encode("latin-1") + b"\n\n"
        for event in events
    )
    kind = "text/event-stream; charset=iso-8859-1"
    provider.does(lambda: Response(body, headers={"content-type": kind}))
    pieces = await streamed(litellm_lane, provider.url, "hosted_vllm")
    assert [text_of(piece) for piece in pieces[1:3]] == ["Café", "Café"]
