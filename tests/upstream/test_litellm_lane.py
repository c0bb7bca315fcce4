"""Calls to eight providers: a running gateway, litellm, and a fake that speaks their formats."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from typing import Any

import openai
import pytest

from tests.servers import Gateway, answer, usage
from tests.upstream import strict
from tests.upstream.conftest import events
from tests.upstream.providers import SECRET, registration

Json = dict[str, Any]

HELLO = "Hello from the fake provider."
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
# aimock answers Ollama without counts, and Mistral's streams as OpenAI's, whose usage is to be
# asked for. Both providers' own formats are in test_formats.py.
NO_USAGE = ("ollama",)
NO_STREAMED_USAGE = ("ollama", "mistral")


def said(text: str) -> Json:
    return {"messages": [{"role": "user", "content": text}]}


async def test_answer(gateway: Gateway, key: str, mocked: str) -> None:
    response = await gateway.chat(key, mocked)
    assert response.status_code == 200, response.text
    answer = strict.chat(response.json(), "provider_specific_fields")
    assert answer.model == mocked
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == (HELLO, "stop")
    assert answer.usage
    if mocked not in NO_USAGE:
        counts = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        assert (*counts, answer.usage.total_tokens) == (11, 6, 17)


@pytest.mark.parametrize("asked", [True, False])
async def test_stream(gateway: Gateway, key: str, mocked: str, asked: bool) -> None:
    """Usage is a last chunk without choices, and only there for those who ask."""
    options = {"stream_options": {"include_usage": True}} if asked else {}
    seen = events(await gateway.chat(key, mocked, stream=True, **options))
    for chunk in seen.chunks:
        strict.chunk(chunk)
        assert chunk["model"] == mocked
        assert ("usage" in chunk) == (chunk["choices"] == [])
    assert len({chunk["id"] for chunk in seen.chunks}) == 1
    assert seen.chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert (seen.text, seen.finish_reasons, seen.done) == (HELLO, ["stop"], True)
    assert (seen.usage is not None) == asked
    if seen.usage and mocked not in NO_STREAMED_USAGE:
        assert seen.chunks[-1]["usage"] == seen.usage
        assert [seen.usage[f"{name}_tokens"] for name in ("prompt", "completion", "total")] == [
            11,
            6,
            17,
        ]


async def test_tools(gateway: Gateway, key: str, mocked: str) -> None:
    response = await gateway.chat(key, mocked, tools=TOOLS, **said("weather"))
    assert response.status_code == 200, response.text
    [choice] = strict.chat(response.json(), "provider_specific_fields").choices
    assert choice.finish_reason == "tool_calls"
    assert not choice.message.content
    assert choice.message.tool_calls
    [call] = choice.message.tool_calls
    assert call.type == "function"
    assert call.id
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Berne"}


async def test_tools_in_a_stream(gateway: Gateway, key: str, mocked: str) -> None:
    """The official client puts the pieces of the call together."""
    async with gateway.openai(key) as client:
        name = arguments = call_id = ""
        finish_reasons = []
        stream = await client.chat.completions.create(
            model=mocked,
            messages=[{"role": "user", "content": "weather"}],
            tools=TOOLS,
            stream=True,
        )
        async for chunk in stream:
            strict.chunk(chunk.model_dump(exclude_unset=True))
            [choice] = chunk.choices
            if choice.finish_reason:
                finish_reasons.append(choice.finish_reason)
            for call in choice.delta.tool_calls or ():
                assert call.index == 0
                assert call.function
                call_id += call.id or ""
                name += call.function.name or ""
                arguments += call.function.arguments or ""
    assert call_id
    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Berne"})
    assert finish_reasons == ["tool_calls"]


@pytest.mark.parametrize("stream", [False, True])
async def test_rate_limit(gateway: Gateway, key: str, mocked: str, stream: bool) -> None:
    """A provider's refusal arrives as it was, before any byte of a stream."""
    response = await gateway.chat(key, mocked, stream=stream, **said("slow down"))
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    error = response.json()["error"]
    assert error["message"] == "litellm.RateLimitError: Slow down please"
    assert error["type"] == "rate_limit_error"
    # The formats of Anthropic, Bedrock and Gemini have no code beside the status.
    coded = mocked not in ("anthropic", "bedrock", "gemini")
    assert error["code"] == ("rate_limited" if coded else "429")
    assert error["param"] is None


async def test_rate_limit_in_the_official_client(gateway: Gateway, key: str, mocked: str) -> None:
    async with gateway.openai(key) as client:
        with pytest.raises(openai.RateLimitError) as raised:
            await client.chat.completions.create(
                model=mocked, messages=[{"role": "user", "content": "slow down"}]
            )
    assert raised.value.response.headers["retry-after"] == "7"
    assert raised.value.type == "rate_limit_error"


@pytest.mark.parametrize("stream", [False, True])
async def test_refused_key_is_not_shown(
    gateway: Gateway,
    key: str,
    mocked: str,
    stream: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """aimock quotes the provider's key in its answer; neither caller nor log may see it."""
    caplog.set_level("INFO")
    response = await gateway.chat(key, mocked, stream=stream, **said("wrong key"))
    assert response.status_code == 401
    error = response.json()["error"]
    assert error["message"] == ("litellm.AuthenticationError: Incorrect API key provided: [hidden]")
    assert error["type"] == "authentication_error"
    assert SECRET not in response.text
    assert SECRET not in caplog.text


async def test_official_client(gateway: Gateway, key: str, mocked: str) -> None:
    async with gateway.openai(key) as client:
        whole = await client.chat.completions.create(
            model=mocked, messages=[{"role": "user", "content": "hello"}]
        )
        assert whole.choices[0].message.content == HELLO
        stream = await client.chat.completions.create(
            model=mocked, messages=[{"role": "user", "content": "hello"}], stream=True
        )
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(pieces) == HELLO


EMBEDDED = [0.5, -0.25, 0.125]


@pytest.mark.parametrize("mocked", ["openai", "azure", "mistral", "hosted_vllm"], indirect=True)
async def test_embeddings(gateway: Gateway, key: str, mocked: str) -> None:
    for texts in ("hello", ["hello", "hello again"]):
        body = {"model": mocked, "input": texts}
        response = await gateway.request("POST", "/v1/embeddings", key, body)
        assert response.status_code == 200, response.text
        answer = strict.embeddings(response.json())
        assert answer.model == mocked
        assert [item.embedding for item in answer.data] == [EMBEDDED] * (
            1 if texts == "hello" else 2
        )
        assert [item.index for item in answer.data] == list(range(len(answer.data)))


@pytest.mark.parametrize("mocked", ["openai", "azure", "mistral", "hosted_vllm"], indirect=True)
async def test_embeddings_in_base64(gateway: Gateway, key: str, mocked: str) -> None:
    """What the official client asks for unless told otherwise, and decodes by itself."""
    body = {"model": mocked, "input": "hello", "encoding_format": "base64"}
    response = await gateway.request("POST", "/v1/embeddings", key, body)
    encoded = response.json()["data"][0]["embedding"]
    assert list(struct.unpack("<3f", b64decode(encoded))) == EMBEDDED
    async with gateway.openai(key) as client:
        answer = await client.embeddings.create(model=mocked, input="hello")
    assert answer.data[0].embedding == EMBEDDED


@pytest.mark.parametrize("mocked", ["openai", "azure", "mistral", "hosted_vllm"], indirect=True)
async def test_rate_limit_of_embeddings(gateway: Gateway, key: str, mocked: str) -> None:
    body = {"model": mocked, "input": "slow down"}
    response = await gateway.request("POST", "/v1/embeddings", key, body)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert response.json()["error"]["code"] == "rate_limited"


@pytest.mark.parametrize(
    ("fake", "given"),
    [
        ("fake-ollama", {"model": "llama3.1", "embeddings": [EMBEDDED], "prompt_eval_count": 3}),
        ("fake-gemini", {"embeddings": [{"values": EMBEDDED}]}),
    ],
)
@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings_in_other_formats(
    gateway: Gateway, key: str, fake: str, given: Json, encoding: str
) -> None:
    """aimock's answers at these routes are not those that litellm asks for."""
    gateway.provider.does(answer(given))
    body = {"model": fake, "input": "hello", "encoding_format": encoding}
    response = await gateway.request("POST", "/v1/embeddings", key, body)
    assert response.status_code == 200, response.text
    [item] = response.json()["data"]
    if encoding == "float":
        strict.embeddings(response.json())
        assert item["embedding"] == EMBEDDED
    else:
        assert list(struct.unpack("<3f", b64decode(item["embedding"]))) == EMBEDDED


def text_answer(text: str = "Hi there") -> Json:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1700000000,
        "model": "upstream-model",
        "choices": [
            {
                "index": 0,
                "text": text,
                "logprobs": {
                    "text_offset": [0],
                    "token_logprobs": [-0.5],
                    "tokens": [text],
                    "top_logprobs": [{text: -0.5}],
                },
                "finish_reason": "length",
            }
        ],
        "usage": usage(),
    }


def text_piece(text: str, finish: str | None = None) -> Json:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return {key: value for key, value in text_answer().items() if key != "usage"} | {
        "choices": [choice]
    }


@pytest.fixture(params=["openai", "hosted_vllm"])
async def instruct(gateway: Gateway, request: pytest.FixtureRequest) -> str:
    """The name of a model with text completions of its own."""
    fields = registration(request.param, gateway.provider.url)
    # litellm sends OpenAI's chat models to chat, whatever is asked of them.
    fields["litellm_params"] = {"model": "gpt-3.5-turbo-instruct"}
    await gateway.add_model("instruct", **fields)
    return "instruct"


async def test_text_completion(gateway: Gateway, key: str, instruct: str) -> None:
    gateway.provider.does(answer(text_answer()))
    params = {"prompt": "Say", "max_tokens": 4, "logprobs": 1, "echo": True, "best_of": 1}
    response = await gateway.request("POST", "/v1/completions", key, {"model": instruct, **params})
    assert response.status_code == 200, response.text
    body = strict.text(response.json())
    assert response.json()["choices"] == text_answer()["choices"]
    assert (body.model, body.usage and body.usage.total_tokens) == (instruct, 17)
    [received] = gateway.provider.received
    assert received.path == "/v1/completions"
    assert {name: received.body[name] for name in params} == params


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", said("hello")),
        ("/v1/completions", {"prompt": "hello"}),
        ("/v1/embeddings", {"input": "hello"}),
    ],
)
@pytest.mark.parametrize("fake", ["fake-openai", "fake-azure", "fake-mistral", "fake-hosted_vllm"])
async def test_no_hidden_retries(
    gateway: Gateway, key: str, fake: str, path: str, body: Json, stream: bool
) -> None:
    """The libraries below would try again by themselves, unknown to limits and callers."""
    error = {"error": {"message": "Busy", "type": "server_error", "code": "busy"}}
    gateway.provider.does(answer(error, 503, {"retry-after": "1"}))
    streamed = {"stream": True} if stream and "embeddings" not in path else {}
    body = {"model": fake, **body, **streamed}
    response = await gateway.request("POST", path, key, body)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["code"] == "busy"
    assert len(gateway.provider.received) == 1


@pytest.mark.parametrize("asked", [True, False])
async def test_text_completion_in_a_stream(
    gateway: Gateway, key: str, instruct: str, asked: bool
) -> None:
    last = text_piece("") | {"choices": [], "usage": usage()}
    gateway.provider.streams(
        [text_piece("Hi"), text_piece(" there"), text_piece("", "length"), last]
    )
    options = {"stream_options": {"include_usage": True}} if asked else {}
    body = {"model": instruct, "prompt": "Say", "stream": True, **options}
    seen = events(await gateway.request("POST", "/v1/completions", key, body))
    for chunk in seen.chunks:
        strict.text_chunk(chunk)
    assert (seen.text, seen.finish_reasons, seen.done) == ("Hi there", ["length"], True)
    assert (seen.usage and seen.usage["total_tokens"]) == (17 if asked else None)


async def test_text_completion_by_chat(gateway: Gateway, key: str, aimock: str) -> None:
    """A provider without text completions is called by its chat."""
    await gateway.add_model(
        "claude", provider="anthropic", base_url=aimock, litellm_params={"model": "claude-3-opus"}
    )
    body: Json = {"model": "claude", "prompt": "hello"}
    response = await gateway.request("POST", "/v1/completions", key, body)
    assert response.status_code == 200, response.text
    answer = strict.text(response.json())
    assert (answer.choices[0].text, answer.usage and answer.usage.total_tokens) == (HELLO, 17)
    streamed = await gateway.request("POST", "/v1/completions", key, body | {"stream": True})
    seen = events(streamed)
    for chunk in seen.chunks:
        strict.text_chunk(chunk)
    assert (seen.text, seen.finish_reasons, seen.done) == (HELLO, ["stop"], True)
