"""Calls that are passed on as they are: what the provider gets, and what the caller does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response, StreamingResponse

from gateway.records import Operation
from tests import messages, responses
from tests.faulty import Faulty, Wire
from tests.servers import Gateway, Json, answer, chunk, chunks, completion, usage
from tests.upstream.conftest import events

REQUEST = (
    b'{"model":"gpt", "messages": [ {"role":"user","content":"\xc3\xa9"} ], "temperature": 1.50}'
)
STREAMED = REQUEST[:-1] + b', "stream" : true}'
# With spaces as no JSON writer has them, and fields that nobody knows.
ANSWER = json.dumps(completion("Hello!") | {"model": "gpt", "odd": {"a": [1.50]}}, indent=3)


@pytest.fixture(autouse=True)
async def _direct(gateway: Gateway) -> AsyncIterator[None]:
    """What a test registers has the lane, a model `gpt` first."""
    gateway.lane = "direct"
    await gateway.add_model()
    yield
    gateway.lane = "litellm"


@pytest.fixture
async def issued(gateway: Gateway) -> Json:
    return await gateway.issue_key()


@pytest.fixture
def key(issued: Json) -> str:
    return str(issued["key"])


async def post(gateway: Gateway, key: str, path: str, body: bytes, **headers: str) -> Any:
    named = {"authorization": f"Bearer {key}", "content-type": "application/json", **headers}
    return await gateway.http.post(f"{gateway.url}{path}", content=body, headers=named)


def sse(*frames: str) -> Response:
    """A stream in just these bytes."""

    async def sent() -> Any:
        for frame in frames:
            yield frame.encode()

    return StreamingResponse(sent(), media_type="text/event-stream")


async def test_an_answer_is_the_providers_to_the_byte(gateway: Gateway, key: str) -> None:
    gateway.provider.does(Response(ANSWER, media_type="application/json"))
    got = await post(gateway, key, "/v1/chat/completions", REQUEST)
    assert (got.status_code, got.text) == (200, ANSWER)
    [received] = gateway.provider.received
    assert (received.path, received.raw) == ("/v1/chat/completions", REQUEST)
    assert received.headers["authorization"] == "Bearer sk-upstream-0123456789"
    # Nothing of the caller's goes along.
    told = {"host", "content-type", "content-length", "authorization", "accept-encoding"}
    assert set(received.headers) == told


async def test_the_models_names_are_exchanged(gateway: Gateway, key: str) -> None:
    await gateway.add_model("mine", litellm_params={"model": "theirs"})
    gateway.provider.does(Response(ANSWER.replace('"gpt"', '"theirs-0613"')))
    body = REQUEST.replace(b'"gpt"', b'"mine"')
    got = await post(gateway, key, "/v1/chat/completions", body)
    assert got.text == ANSWER.replace('"gpt"', '"mine"')
    assert gateway.provider.received[-1].raw == REQUEST.replace(b'"gpt"', b'"theirs"')


@pytest.mark.parametrize("asked", [False, True])
async def test_a_streams_events_are_the_providers(
    gateway: Gateway, issued: Json, asked: bool
) -> None:
    pieces = [json.dumps({"model": "gpt"} | chunk({"content": text})) for text in ("a", "b")]
    pieces.append(json.dumps(chunk({}, "stop")))
    counts = json.dumps(chunk({}) | {"choices": [], "usage": usage()})
    frames = [f"data: {piece}\n\n" for piece in [*pieces, counts, "[DONE]"]]
    # In pieces that end anywhere, with a comment among them.
    text = ": hello\n\n" + "".join(frames)
    gateway.provider.does(lambda: sse(*(text[at : at + 7] for at in range(0, len(text), 7))))
    more = b', "stream_options": {"include_usage": true}}' if asked else b"}"
    got = await post(gateway, issued["key"], "/v1/chat/completions", STREAMED[:-1] + more)
    shown = "".join(frames if asked else [*frames[:3], frames[4]])
    assert got.text == shown.replace("upstream-model", "gpt")
    assert gateway.provider.received[-1].body["stream_options"] == {"include_usage": True}
    [row] = await gateway.rows(issued["id"])
    assert (row.prompt_tokens, row.completion_tokens, row.estimated) == (11, 6, False)


async def test_usage_that_comes_with_each_chunk_is_counted_once(
    gateway: Gateway, issued: Json
) -> None:
    """As vLLM sends it on request: each time the sum until then."""
    pieces: list[Json | str] = [
        chunk({"content": "a"}, usage=usage(11, 1)),
        chunk({"content": "b"}, usage=usage(11, 2)),
        chunk({}, "stop", usage=usage(11, 3)),
    ]
    gateway.provider.streams(pieces)
    seen = events(await gateway.chat(issued["key"], stream=True))
    assert (seen.text, seen.done) == ("ab", True)
    [row] = await gateway.rows(issued["id"])
    assert (row.completion_tokens, row.estimated, row.outcome) == (3, False, "complete")


async def test_a_stream_that_finished_needs_no_mark_at_its_end(gateway: Gateway, key: str) -> None:
    gateway.provider.streams(chunks("Hello"), done=False)
    seen = events(await gateway.chat(key, stream=True))
    assert (seen.text, seen.done, seen.error) == ("Hello", True, None)


async def test_a_connection_is_used_again(gateway: Gateway, key: str) -> None:
    ports: set[int] = set()

    async def behaviour(request: Any) -> Response:
        ports.add(request.client.port)
        if (await request.json()).get("stream"):
            return sse(*(f"data: {json.dumps(each)}\n\n" for each in chunks()), "data: [DONE]\n\n")
        return answer(completion("Hello!"))

    gateway.provider.behaviour = behaviour
    for stream in (False, True, True, False):
        assert (await gateway.chat(key, stream=stream)).status_code == 200
    assert len(ports) == 1


async def test_the_last_text_does_not_wait_for_the_connections_end(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.upstream.direct_lane._REST_SECONDS", 60)
    read = asyncio.Event()

    async def held() -> AsyncIterator[str]:
        yield "".join(f"data: {json.dumps(each)}\n\n" for each in chunks()) + "data: [DONE]\n\n"
        await read.wait()

    gateway.provider.does(lambda: StreamingResponse(held(), media_type="text/event-stream"))
    url = f"{gateway.url}/v1/chat/completions"
    headers = {"authorization": f"Bearer {key}"}
    async with gateway.http.stream("POST", url, content=STREAMED, headers=headers) as got:
        lines = got.aiter_lines()
        async for line in lines:
            if '"finish_reason":"stop"' in line.replace(" ", ""):
                break
        read.set()
        assert [line async for line in lines if line][-1] == "data: [DONE]"


async def test_what_needs_translation_goes_by_litellm(gateway: Gateway, key: str) -> None:
    await gateway.add_model("claude", provider="anthropic", base_url=gateway.provider.url)
    gateway.provider.does(answer(messages.message("Hello!")))
    got = await gateway.chat(key, "claude")
    assert got.json()["choices"][0]["message"]["content"] == "Hello!"
    assert gateway.provider.received[-1].path == "/v1/messages"


async def test_messages_are_passed_on(gateway: Gateway, key: str) -> None:
    await gateway.add_model("claude", provider="anthropic", base_url=gateway.provider.url)
    told = json.dumps(messages.message("Hello!") | {"model": "claude"}, indent=1)
    gateway.provider.does(Response(told, media_type="application/json"))
    body = b'{"max_tokens":9, "model":"claude", "messages": [{"role":"user", "content":"x"}]}'
    got = await post(gateway, key, "/v1/messages", body, **{"anthropic-beta": "a-1"})
    assert got.text == told
    [received] = gateway.provider.received
    assert (received.path, received.raw) == ("/v1/messages", body)
    assert received.headers["x-api-key"] == "sk-upstream-0123456789"
    assert received.headers["anthropic-beta"] == "a-1"


async def test_a_response_has_the_gateways_id(gateway: Gateway, key: str) -> None:
    made = responses.response(responses.text_item("Hello!"))
    gateway.provider.does(answer(made))
    body: Json = {"model": "gpt", "input": "x"}
    first = (await gateway.request("POST", "/v1/responses", key, body)).json()
    assert first["id"] != made["id"]
    body = {"model": "gpt", "input": "y", "previous_response_id": first["id"]}
    assert (await gateway.request("POST", "/v1/responses", key, body)).status_code == 200
    theirs = made["id"]
    assert gateway.provider.received[-1].body["previous_response_id"] == theirs


async def test_a_redirect_is_an_error(gateway: Gateway, key: str) -> None:
    gateway.provider.does(RedirectResponse("http://127.0.0.1:9/v1/chat/completions", 307))
    got = await gateway.chat(key)
    assert got.status_code >= 500
    assert "127.0.0.1" not in got.text
    assert len(gateway.provider.received) == 1


async def test_what_is_no_http_is_an_error(gateway: Gateway, key: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}")

    async with Faulty(script).serving() as faulty:
        await gateway.add_model("odd", base_url=f"{faulty.url}/v1")
        got = await gateway.chat(key, "odd")
    message = "The provider's answer is no proper HTTP"
    assert (got.status_code, got.json()["error"]["message"]) == (502, message)


async def test_a_header_that_cannot_be_sent_is_the_operators(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TWO_LINES", "secret\r\nx-evil: 1")
    headers = {"x-own": "os.environ/TWO_LINES"}
    await gateway.add_model("headed", litellm_params={"extra_headers": headers})
    got = await gateway.chat(key, "headed")
    assert (got.status_code, got.json()["error"]["message"]) == (
        500,
        "The model 'headed' is not set up rightly; the gateway's log says more",
    )
    assert gateway.provider.received == []
    assert "'x-own' is no header, or has a value that no header can have" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (429, {"message": "slow down", "type": "requests"}, "litellm.RateLimitError: slow down"),
        (
            400,
            {
                "message": "This model's maximum context length is 9 tokens",
                "code": "context_length_exceeded",
            },
            "litellm.ContextWindowExceededError: This model's maximum context length is 9 tokens",
        ),
        (401, {"message": "who?"}, "litellm.AuthenticationError: who?"),
    ],
)
async def test_errors_are_named_as_litellm_names_them(
    gateway: Gateway, key: str, status: int, error: Json, message: str
) -> None:
    gateway.provider.does(answer({"error": error}, status))
    got = await gateway.chat(key)
    assert (got.status_code, got.json()["error"]["message"]) == (status, message)


async def test_tags_and_the_like_are_the_gateways(gateway: Gateway, key: str) -> None:
    body: Json = {"tags": ["a"], "cache": {"no-store": True}, "user": None}
    assert (await gateway.chat(key, **body)).status_code == 200
    assert set(gateway.provider.received[-1].body) == {"model", "messages"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"provider": "azure", "base_url": "http://x", "api_version": "1"}, "litellm_params.lane"),
        ({"litellm_params": {"lane": "fast"}}, "litellm_params.lane"),
        ({"litellm_params": {"num_ctx": 5}}, "litellm_params.num_ctx"),
    ],
)
async def test_a_model_that_cannot_have_the_lane_is_refused(
    gateway: Gateway, fields: Json, param: str
) -> None:
    body: Json = {"model_name": "x", "provider": "openai", **fields}
    body["litellm_params"] = {"lane": "direct", **body.get("litellm_params", {})}
    refused = await gateway.manage("POST", "/models", body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)


@pytest.mark.parametrize("operation", [Operation.COMPLETION, Operation.EMBEDDING])
async def test_other_operations_have_the_lane_too(
    gateway: Gateway, key: str, operation: Operation
) -> None:
    given = {
        Operation.COMPLETION: ({"prompt": "x"}, {"choices": [{"text": "y"}], "odd": 1}),
        Operation.EMBEDDING: ({"input": "x"}, {"data": [{"embedding": "AAAA"}], "odd": 1}),
    }
    asked, told = given[operation]
    gateway.provider.does(answer(told | {"usage": usage()}))
    got = await gateway.request("POST", f"/v1{operation}", key, {"model": "gpt", **asked})
    assert got.json() == told | {"usage": usage(), "model": "gpt"}
