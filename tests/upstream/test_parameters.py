"""What arrives at the provider: all that the caller sent, under the provider's key, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Gateway, answer, chunks, usage
from tests.upstream import strict
from tests.upstream.conftest import events
from tests.upstream.providers import SECRET

Json = dict[str, Any]

MESSAGES: list[Json] = [
    {"role": "system", "content": "Be kind."},
    {
        "role": "user",
        "name": "bob",
        "content": [
            {"type": "text", "text": "What is this?"},
            {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"},
            },
        ],
    },
    {
        "role": "assistant",
        "content": "I look it up.",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Berne"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
]
SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PARAMETERS: Json = {
    "audio": {"voice": "alloy", "format": "wav"},
    "frequency_penalty": 0.2,
    "function_call": "auto",
    "functions": [{"name": "old", "parameters": SCHEMA}],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 6,
    "max_tokens": 5,
    "metadata": {"trace": "t1"},
    "modalities": ["text"],
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.1,
    "prompt_cache_key": "cache",
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "city", "strict": True, "schema": SCHEMA},
    },
    "safety_identifier": "person-1",
    "seed": 7,
    "service_tier": "flex",
    "stop": ["a", "b"],
    "store": False,
    "temperature": 0.3,
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "tools": [
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "d", "parameters": SCHEMA},
        }
    ],
    "top_logprobs": 3,
    "top_p": 0.9,
    "user": "person-1",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def received(gateway: Gateway) -> Json:
    """The body of the one request that the provider got."""
    [request] = gateway.provider.received
    return request.body


@pytest.mark.parametrize("model", ["fake-openai", "fake-azure"])
async def test_every_parameter_of_chat(gateway: Gateway, key: str, model: str) -> None:
    """Whether it suits the model is the provider's to judge."""
    response = await gateway.chat(key, model, messages=MESSAGES, **PARAMETERS)
    assert response.status_code == 200, response.text
    assert received(gateway) == {"model": "gpt-4o", "messages": MESSAGES, **PARAMETERS}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
async def test_each_parameter_alone(gateway: Gateway, key: str, name: str) -> None:
    await gateway.add_model("unheard-of")
    params = {name: PARAMETERS[name]}
    if name in ("tool_choice", "parallel_tool_calls"):
        params["tools"] = PARAMETERS["tools"]
    response = await gateway.chat(key, "unheard-of", **params)
    assert response.status_code == 200, response.text
    hello = [{"role": "user", "content": "hello"}]
    assert received(gateway) == {"model": "unheard-of", "messages": hello, **params}


async def test_parameters_of_open_models(gateway: Gateway, key: str) -> None:
    """vLLM takes OpenAI's parameters and a few of its own.

    litellm takes `strict` and `additionalProperties` out of tools, which older vLLMs refuse.
    """
    params = PARAMETERS | {
        "chat_template_kwargs": {"enable_thinking": False},
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "top_k": 4,
    }
    del params["tools"], params["tool_choice"], params["parallel_tool_calls"]
    response = await gateway.chat(key, "fake-hosted_vllm", messages=MESSAGES, **params)
    assert response.status_code == 200, response.text
    model = "meta-llama/Llama-3.1-8B-Instruct"
    assert received(gateway) == {"model": model, "messages": MESSAGES, **params}


@pytest.mark.parametrize("model", ["fake-openai", "fake-azure", "fake-hosted_vllm"])
async def test_nothing_is_added(gateway: Gateway, key: str, model: str) -> None:
    """Neither litellm's own arguments nor keys, nor the caller's nulls."""
    nulls = dict.fromkeys(("temperature", "tools", "stop", "user", "stream", "metadata"))
    response = await gateway.chat(key, model, **nulls)
    assert response.status_code == 200, response.text
    body = received(gateway)
    assert sorted(body) == ["messages", "model"]
    assert body["messages"] == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("model", ["fake-openai", "fake-azure", "fake-hosted_vllm"])
async def test_streams_ask_for_usage(gateway: Gateway, key: str, model: str) -> None:
    gateway.provider.streams(chunks())
    assert events(await gateway.chat(key, model, stream=True)).done
    body = received(gateway)
    assert sorted(body) == ["messages", "model", "stream", "stream_options"]
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


async def test_stream_options_are_kept(gateway: Gateway, key: str) -> None:
    gateway.provider.streams(chunks())
    options = {"include_usage": False, "include_obfuscation": False}
    seen = events(await gateway.chat(key, "fake-openai", stream=True, stream_options=options))
    assert (seen.done, seen.usage) == (True, None)
    assert received(gateway)["stream_options"] == options | {"include_usage": True}


@pytest.mark.parametrize(
    ("model", "header", "value"),
    [
        ("fake-openai", "authorization", f"Bearer {SECRET}"),
        ("fake-azure", "api-key", SECRET),
        ("fake-anthropic", "x-api-key", SECRET),
        ("fake-gemini", "x-goog-api-key", SECRET),
        ("fake-mistral", "authorization", f"Bearer {SECRET}"),
        ("fake-ollama", "authorization", f"Bearer {SECRET}"),
        ("fake-bedrock", "authorization", f"AWS4-HMAC-SHA256 Credential={SECRET}-id/"),
        ("fake-hosted_vllm", "authorization", f"Bearer {SECRET}"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_provider_gets_its_own_key(
    gateway: Gateway, key: str, model: str, header: str, value: str, stream: bool
) -> None:
    """Never the caller's, in no header, whatever header the caller put it in."""
    gateway.provider.does(answer({}, 404))
    body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
    await gateway.request(
        "POST",
        "/v1/chat/completions",
        key,
        body | {"stream": stream},
        {"x-api-key": key, "api-key": key, "openai-organization": "org-caller", "cookie": "a=b"},
    )
    [request] = gateway.provider.received
    assert request.headers[header].startswith(value)
    whole = f"{request.path} {request.headers} {request.body}"
    assert key not in whole
    assert "org-caller" not in whole
    assert "cookie" not in request.headers
    assert SECRET not in f"{request.path} {request.body}"


async def test_model_defaults(gateway: Gateway, key: str) -> None:
    """The operator's parameters reach the provider; where the caller has one too, it wins."""
    defaults = {
        "model": "gpt-4o",
        "temperature": 0.1,
        "max_tokens": 100,
        "metadata": {"team": "blue"},
        "extra_body": {"guided_choice": ["a"]},
    }
    await gateway.add_model("tuned", litellm_params=defaults)
    await gateway.chat(key, "tuned")
    await gateway.chat(key, "tuned", temperature=0.9, metadata={"team": "red"})
    first, second = (request.body for request in gateway.provider.received)
    assert (first["temperature"], first["max_tokens"]) == (0.1, 100)
    assert (first["metadata"], first["guided_choice"]) == ({"team": "blue"}, ["a"])
    assert (second["temperature"], second["max_tokens"]) == (0.9, 100)
    assert (second["metadata"], second["guided_choice"]) == ({"team": "red"}, ["a"])


async def test_extra_headers(gateway: Gateway, key: str) -> None:
    """The operator's headers reach the provider, and are a secret in what it answers."""
    headers = {"x-tenant": "tenant-4711"}
    await gateway.add_model("headed", litellm_params={"extra_headers": headers})
    gateway.provider.does(answer({"error": {"message": "No tenant-4711 here"}}, 404))
    response = await gateway.chat(key, "headed")
    assert gateway.provider.received[0].headers["x-tenant"] == "tenant-4711"
    assert response.json()["error"]["message"] == "litellm.NotFoundError: No [hidden] here"


async def test_unsupported_parameters(gateway: Gateway, key: str) -> None:
    """A parameter that a provider's format lacks is refused, or dropped where so configured."""
    mistral = gateway.provider.url + "/v1"
    fields: Json = {"provider": "mistral", "base_url": mistral}
    await gateway.add_model("strict", **fields)
    await gateway.add_model("lenient", **fields, litellm_params={"drop_params": True})
    refused = await gateway.chat(key, "strict", logprobs=True)
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "message": "litellm.UnsupportedParamsError: mistral does not support parameters: "
        "['logprobs'], for model=strict.",
        "type": "invalid_request_error",
        "param": None,
        "code": "400",
    }
    assert gateway.provider.received == []
    taken = await gateway.chat(key, "lenient", logprobs=True, temperature=0.5)
    assert taken.status_code == 200, taken.text
    body = received(gateway)
    assert "logprobs" not in body
    assert body["temperature"] == 0.5


EMBEDDED = {
    "object": "list",
    "model": "upstream-model",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}


@pytest.mark.parametrize("model", ["fake-openai", "fake-azure", "fake-hosted_vllm"])
@pytest.mark.parametrize("texts", ["x", ["x", "y"], [1, 2], [[1], [2]]])
async def test_every_parameter_of_embeddings(
    gateway: Gateway, key: str, model: str, texts: Any
) -> None:
    gateway.provider.does(answer(EMBEDDED))
    params = {"dimensions": 3, "user": "person-1"}
    body = {"model": model, "input": texts, **params}
    response = await gateway.request("POST", "/v1/embeddings", key, body)
    assert response.status_code == 200, response.text
    assert strict.embeddings(response.json()).usage.total_tokens == 3
    sent = received(gateway)
    # Azure's client asks for base64 by itself, and decodes it.
    assert sent.pop("encoding_format", "base64") == "base64"
    assert sent.pop("model") in ("gpt-4o", "meta-llama/Llama-3.1-8B-Instruct")
    # litellm makes a list of a single text for vLLM.
    assert sent.pop("input") in (texts, [texts])
    assert sent == params


async def test_reference_is_resolved_when_called(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.add_model("referring", api_key="os.environ/REFERRED_KEY")
    for value in ("first-value-123", "second-value-456"):
        monkeypatch.setenv("REFERRED_KEY", value)
        assert (await gateway.chat(key, "referring")).status_code == 200
        assert gateway.provider.received[-1].headers["authorization"] == f"Bearer {value}"
    gateway.provider.does(answer({"error": {"message": "Bad key second-value-456!"}}, 401))
    response = await gateway.chat(key, "referring")
    assert response.json()["error"]["message"] == "litellm.AuthenticationError: Bad key [hidden]!"


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": "os.environ/NOT_SET_ANYWHERE"},
        {"base_url": "os.environ/NOT_SET_ANYWHERE"},
        {"litellm_params": {"organization": "os.environ/NOT_SET_ANYWHERE"}},
        {"litellm_params": {"extra_headers": {"x-a": "os.environ/NOT_SET_ANYWHERE"}}},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_missing_variable(
    gateway: Gateway, key: str, fields: Json, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller learns that the model is at fault; the log has the variable for the operator."""
    await gateway.add_model("unfinished", **fields)
    response = await gateway.chat(key, "unfinished", stream=stream)
    assert response.status_code == 500
    error = response.json()["error"]
    assert error["message"].startswith("The model 'unfinished' is not set up completely")
    assert error["param"] is None
    assert "NOT_SET_ANYWHERE" not in response.text
    assert "NOT_SET_ANYWHERE" in caplog.text
    assert gateway.provider.received == []


async def test_usage_is_as_reported(gateway: Gateway, key: str) -> None:
    """Details too, for who bills by them."""
    reported = usage(100, 50) | {
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 3},
        "completion_tokens_details": {
            "reasoning_tokens": 20,
            "audio_tokens": 2,
            "accepted_prediction_tokens": 1,
            "rejected_prediction_tokens": 4,
        },
    }
    last = {**chunks()[-1], "usage": reported}  # type: ignore[dict-item]
    gateway.provider.streams([*chunks()[:-1], last])
    options = {"include_usage": True}
    seen = events(await gateway.chat(key, "fake-openai", stream=True, stream_options=options))
    assert seen.usage == reported


async def test_tools_of_litellms_own_servers_are_the_providers_matter(
    gateway: Gateway, key: str
) -> None:
    """litellm would run them itself: ask servers of its proxy, and call the model in a loop."""
    tool = {"type": "mcp", "server_label": "x", "server_url": "litellm_proxy/mcp/x"}
    response = await gateway.chat(key, "fake-openai", tools=[tool])
    assert response.status_code == 200, response.text
    [received] = gateway.provider.received
    assert received.body["tools"] == [tool]
