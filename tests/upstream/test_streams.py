"""Streams that go wrong, and callers who leave: what the caller sees, and the provider."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest
from starlette.responses import StreamingResponse

from gateway.records import CallSettings
from tests.servers import TESTER, Gateway, answer, chunk, chunks
from tests.upstream.conftest import Events, events
from tests.upstream.providers import SECRET, registration
from tests.upstream.test_litellm_lane import text_piece

Json = dict[str, Any]

OPENAI_LIKE = ("fake-openai", "fake-azure", "fake-mistral", "fake-hosted_vllm")
OVERLOADED: Json = {
    "error": {"message": f"Overloaded, {SECRET}", "type": "overloaded_error", "code": "busy"}
}
BROKEN_OFF = {
    "message": "The provider broke off its answer",
    "type": "api_error",
    "param": None,
    "code": "502",
}
LATE = {
    "message": "litellm.Timeout: The provider did not answer in time",
    "type": "timeout_error",
    "param": None,
    "code": "408",
}


def event(body: Json) -> str:
    return f"data: {orjson.dumps(body).decode()}\n\n"


async def stream(gateway: Gateway, key: str, model: str) -> Events:
    return events(await gateway.chat(key, model, stream=True))


@pytest.mark.parametrize("model", OPENAI_LIKE)
async def test_error_instead_of_a_stream(gateway: Gateway, key: str, model: str) -> None:
    gateway.provider.does(answer(OVERLOADED, 503, {"retry-after": "3"}))
    seen = await stream(gateway, key, model)
    assert (seen.status, seen.headers["retry-after"]) == (503, "3")
    assert seen.error == {
        "message": "litellm.ServiceUnavailableError: Overloaded, [hidden]",
        "type": "overloaded_error",
        "param": None,
        "code": "busy",
    }


@pytest.mark.parametrize("model", OPENAI_LIKE)
async def test_error_as_first_event(gateway: Gateway, key: str, model: str) -> None:
    """The provider said 200 already, but the caller has an honest status."""
    gateway.provider.streams([event(OVERLOADED)], done=False)
    seen = await stream(gateway, key, model)
    assert seen.status == 500
    assert seen.error
    assert seen.error["message"].endswith("Overloaded, [hidden]")


@pytest.mark.parametrize("model", OPENAI_LIKE)
async def test_status_within_an_error_event(gateway: Gateway, key: str, model: str) -> None:
    """OpenRouter and others put the status that it would have been into the event's code."""
    error = {"error": {"message": "Slow down", "code": 429}}
    gateway.provider.streams([event(error)], done=False)
    seen = await stream(gateway, key, model)
    assert seen.status == 429
    assert seen.error
    assert seen.error["code"] == "429"


@pytest.mark.parametrize("model", OPENAI_LIKE)
async def test_error_within_a_stream(
    gateway: Gateway, key: str, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    gateway.provider.streams([*chunks()[:3], event(OVERLOADED)], done=False)
    seen = await stream(gateway, key, model)
    assert (seen.status, seen.text, seen.done) == (200, "Hello from", False)
    assert seen.error
    assert seen.error["message"].endswith("Overloaded, [hidden]")
    assert SECRET not in caplog.text
    # litellm keeps no more than the message for the other two.
    if model in ("fake-openai", "fake-azure"):
        assert (seen.error["type"], seen.error["code"]) == ("overloaded_error", "busy")


ANTHROPIC = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    '"role":"assistant","model":"c","content":[],"stop_reason":null,'
    '"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    '"content_block":{"type":"text","text":""}}\n\n'
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    '"delta":{"type":"text_delta","text":"Hel"}}\n\n'
)
ANTHROPIC_ERROR = (
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    '"message":"Overloaded"}}\n\n'
)
GEMINI = (
    'data: {"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}]}\n\n'
)
GEMINI_ERROR = 'data: {"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}\n\n'
OLLAMA = (
    '{"model":"m","created_at":"2026-01-01T00:00:00Z",'
    '"message":{"role":"assistant","content":"Hel"},"done":false}\n'
)
OLLAMA_ERROR = '{"error":"Overloaded"}\n'


@pytest.mark.parametrize(
    ("model", "start", "error", "status"),
    [
        ("fake-anthropic", ANTHROPIC, ANTHROPIC_ERROR, 500),
        ("fake-gemini", GEMINI, GEMINI_ERROR, 503),
        ("fake-ollama", OLLAMA, OLLAMA_ERROR, 502),
    ],
)
async def test_error_in_other_formats(
    gateway: Gateway, key: str, model: str, start: str, error: str, status: int
) -> None:
    gateway.provider.streams([error], done=False)
    early = await stream(gateway, key, model)
    assert (early.status, early.error and "Overloaded" in early.error["message"]) == (status, True)
    gateway.provider.streams([start, error], done=False)
    late = await stream(gateway, key, model)
    assert (late.status, late.text, late.done) == (200, "Hel", False)
    assert late.error
    assert "Overloaded" in late.error["message"]
    assert late.error["code"] == str(status)


CUT = [
    *((model, [*chunks()[:3]]) for model in OPENAI_LIKE),
    ("fake-anthropic", [ANTHROPIC]),
    ("fake-ollama", [OLLAMA]),
]


@pytest.mark.parametrize(("model", "pieces"), CUT)
async def test_stream_without_an_end(
    gateway: Gateway, key: str, model: str, pieces: list[Json | str]
) -> None:
    """litellm would make up a `finish_reason` of `stop`; half an answer must not look whole."""
    gateway.provider.streams(pieces, done=False)
    seen = await stream(gateway, key, model)
    assert seen.text.startswith("Hel")
    assert (seen.finish_reasons, seen.error, seen.done) == ([], BROKEN_OFF, False)


async def test_text_completion_without_an_end(gateway: Gateway, key: str) -> None:
    await gateway.add_model("instruct", provider="hosted_vllm")
    gateway.provider.streams([text_piece("Hi"), text_piece(" there")], done=False)
    body = {"model": "instruct", "prompt": "Say", "stream": True}
    seen = events(await gateway.request("POST", "/v1/completions", key, body))
    assert (seen.text, seen.finish_reasons) == ("Hi there", [])
    assert (seen.error, seen.done) == (BROKEN_OFF, False)


@pytest.mark.parametrize("model", [*OPENAI_LIKE, "fake-anthropic", "fake-ollama"])
async def test_empty_stream(gateway: Gateway, key: str, model: str) -> None:
    gateway.provider.streams([], done=False)
    seen = await stream(gateway, key, model)
    assert (seen.status, seen.error) == (502, BROKEN_OFF)


async def test_empty_stream_of_gemini(gateway: Gateway, key: str) -> None:
    gateway.provider.streams([], done=False)
    seen = await stream(gateway, key, "fake-gemini")
    assert (seen.status, seen.error) == (502, BROKEN_OFF)


@pytest.mark.parametrize("model", OPENAI_LIKE)
async def test_finished_stream_without_done(gateway: Gateway, key: str, model: str) -> None:
    """The answer is whole: the gateway puts `[DONE]` itself, as OpenAI does."""
    gateway.provider.streams(chunks()[:-1], done=False)
    seen = await stream(gateway, key, model)
    assert (seen.finish_reasons, seen.error, seen.done) == (["stop"], None, True)


@pytest.mark.parametrize("model", [*OPENAI_LIKE, "fake-anthropic", "fake-gemini", "fake-ollama"])
@pytest.mark.parametrize("begun", [False, True])
async def test_broken_connection(gateway: Gateway, key: str, model: str, begun: bool) -> None:
    """The connection breaks within the HTTP answer."""
    start = {"fake-anthropic": ANTHROPIC, "fake-gemini": GEMINI, "fake-ollama": OLLAMA}
    first = start.get(model) or "".join(event(piece) for piece in chunks()[:3])  # type: ignore[arg-type]

    class Broken(StreamingResponse):
        async def stream_response(self, send: Any) -> None:
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            body = first.encode() if begun else b""
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(0.05)
            # uvicorn closes the connection of an app that does not finish its answer.

    gateway.provider.does(lambda: Broken(iter(()), media_type="text/event-stream"))
    seen = await stream(gateway, key, model)
    assert seen.done is False
    assert seen.error
    assert seen.error["message"].endswith("The connection to the provider broke off")
    assert (seen.error["type"], seen.error["code"]) == ("api_error", "502")
    assert (seen.status, seen.text[:3]) == ((200, "Hel") if begun else (502, ""))


@pytest.mark.parametrize("model", OPENAI_LIKE)
async def test_malformed_chunk(gateway: Gateway, key: str, model: str) -> None:
    """litellm would skip it, of the last two."""
    malformed = 'data: {"id": "chatcmpl-1", "cho\n\n'
    gateway.provider.streams([*chunks()[:3], malformed, *chunks()[3:]])
    seen = await stream(gateway, key, model)
    assert (seen.status, seen.text, seen.done) == (200, "Hello from", False)
    assert seen.error
    assert (seen.error["type"], seen.error["code"]) == ("api_error", "502")
    gateway.provider.streams([malformed, *chunks()])
    assert (await stream(gateway, key, model)).status == 502


@pytest.mark.parametrize(
    "model", [*OPENAI_LIKE, "fake-anthropic", "fake-gemini", "fake-ollama", "fake-bedrock"]
)
@pytest.mark.parametrize("streams", [False, True])
async def test_silent_provider(gateway: Gateway, key: str, model: str, streams: bool) -> None:
    """Nothing comes at all: 408 as soon as the model's `timeout` says, and no later."""
    # litellm imports what it needs for a provider when it is first called.
    await gateway.chat(key, model)
    await _impatient(gateway, model, timeout=0.3)
    gateway.provider.hangs()
    started = time.monotonic()
    response = await gateway.chat(key, "impatient", stream=streams)
    assert (response.status_code, response.json()["error"]) == (408, LATE)
    assert time.monotonic() - started < 2
    await asyncio.wait_for(gateway.provider.left.wait(), 1)


@pytest.mark.parametrize("model", [*OPENAI_LIKE, "fake-anthropic", "fake-gemini", "fake-ollama"])
async def test_stalled_stream(gateway: Gateway, key: str, model: str) -> None:
    await _impatient(gateway, model, stream_timeout=0.3, timeout=60)
    start = {"fake-anthropic": ANTHROPIC, "fake-gemini": GEMINI, "fake-ollama": OLLAMA}
    pieces: list[Json | str] = [start[model]] if model in start else chunks()[:3]
    gateway.provider.streams(pieces, hang_after=len(pieces))
    seen = await stream(gateway, key, "impatient")
    assert (seen.status, seen.text[:3], seen.done) == (200, "Hel", False)
    assert seen.error == LATE
    await asyncio.wait_for(gateway.provider.left.wait(), 1)


async def test_slow_stream_is_no_stalled_one(gateway: Gateway, key: str) -> None:
    """The time is counted between pieces, not for the whole."""
    await gateway.add_model("slow", litellm_params={"stream_timeout": 0.4})
    gateway.provider.streams(chunks(), pause=0.1)
    started = time.monotonic()
    seen = await stream(gateway, key, "slow")
    assert (seen.error, seen.done) == (None, True)
    assert time.monotonic() - started > 0.5


async def test_trickling_answer(gateway: Gateway, key: str) -> None:
    """A whole answer has one time for all of it, however steadily its bytes come."""
    await gateway.add_model("trickling", litellm_params={"timeout": 0.4})

    async def bytes_by_bytes() -> Any:
        for _ in range(50):
            yield b" "
            await asyncio.sleep(0.05)

    gateway.provider.does(lambda: StreamingResponse(bytes_by_bytes()))
    response = await gateway.chat(key, "trickling")
    assert (response.status_code, response.json()["error"]) == (408, LATE)


async def test_timeout_of_the_settings(gateway: Gateway, key: str) -> None:
    """`request_timeout` counts for models without a `timeout` of their own."""
    store = gateway.app.state.services.store
    await store.settings.put(CallSettings(num_retries=0, request_timeout=0.3), TESTER)
    try:
        gateway.provider.hangs()
        response = await gateway.chat(key, "fake-openai")
        assert (response.status_code, response.json()["error"]) == (408, LATE)
        gateway.provider.streams(chunks(), hang_after=3)
        assert (await stream(gateway, key, "fake-openai")).error == LATE
    finally:
        await store.settings.put(CallSettings(num_retries=0), TESTER)


LEAVERS = [*OPENAI_LIKE, "fake-anthropic", "fake-gemini", "fake-ollama", "fake-bedrock"]


@pytest.mark.parametrize("model", LEAVERS)
@pytest.mark.parametrize("streams", [False, True])
async def test_caller_leaves_while_waiting(
    gateway: Gateway, key: str, model: str, streams: bool
) -> None:
    gateway.provider.hangs()
    async with asyncio.TaskGroup() as group:
        call = group.create_task(gateway.chat(key, model, stream=streams))
        await _until_called(gateway)
        call.cancel()
    await asyncio.wait_for(gateway.provider.left.wait(), 1)


@pytest.mark.parametrize(
    ("model", "pieces"),
    [*CUT, ("fake-gemini", [GEMINI]), ("instruct", [text_piece("Hi"), text_piece(" there")])],
)
async def test_caller_leaves_a_stream(
    gateway: Gateway, key: str, model: str, pieces: list[Json | str]
) -> None:
    """The provider's work is stopped, and what it costs with it."""
    path, body = "/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}
    if model == "instruct":
        await gateway.add_model(model, provider="hosted_vllm")
        path, body = "/v1/completions", {"prompt": "Say"}  # type: ignore[dict-item]
    gateway.provider.streams(pieces, hang_after=len(pieces))
    async with httpx.AsyncClient() as client:
        sent = orjson.dumps({"model": model, "stream": True, **body})
        headers = {"authorization": f"Bearer {key}"}
        async with client.stream(
            "POST", gateway.url + path, content=sent, headers=headers
        ) as response:
            assert response.status_code == 200
            first = await anext(response.aiter_bytes())
            assert first.startswith(b"data: ")
    await asyncio.wait_for(gateway.provider.left.wait(), 1)


async def test_many_choices(gateway: Gateway, key: str) -> None:
    """Each choice's text is kept. litellm knows one finish reason for them all: a limit of its."""
    second = {"index": 1, "delta": {"content": "two"}, "finish_reason": None}
    gateway.provider.streams(
        [
            chunk({"role": "assistant", "content": "one"}),
            chunk({}) | {"choices": [second]},
            chunk({}, "stop"),
        ]
    )
    seen = events(await gateway.chat(key, "fake-openai", stream=True, n=2))
    texts: dict[int, str] = {}
    for choice in (choice for piece in seen.chunks for choice in piece["choices"]):
        texts[choice["index"]] = texts.get(choice["index"], "") + choice["delta"].get("content", "")
    assert (texts, seen.done) == ({0: "one", 1: "two"}, True)


async def _impatient(gateway: Gateway, model: str, **params: Any) -> None:
    """A model `impatient` like this one, with further parameters."""
    provider = model.removeprefix("fake-")
    fields = registration(provider, gateway.provider.url, **params)
    await gateway.add_model("impatient", **fields)


async def _until_called(gateway: Gateway) -> None:
    while not gateway.provider.received:
        await asyncio.sleep(0.01)
