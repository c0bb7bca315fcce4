"""litellm's package with its provider `litellm_proxy/`, which the gateway stands in for."""

from __future__ import annotations

import os

import litellm
import pytest

GATEWAY = {
    "api_base": os.environ["GATEWAY_URL"],
    "api_key": os.environ["GATEWAY_KEY"],
    "max_retries": 0,
}
GPT = "litellm_proxy/gpt-4o-mini"
MODELS = (GPT, "litellm_proxy/claude-sonnet-5")
MESSAGES = [{"role": "user", "content": "What is the weather in 'Paris'?"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}


@pytest.mark.parametrize("model", MODELS)
def test_a_completion(model: str) -> None:
    answer = litellm.completion(model, MESSAGES, **GATEWAY)
    assert answer.choices[0].message.content == "You said: What is the weather in 'Paris'?"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 8)
    # It reads what the call cost out of the gateway's headers.
    assert answer._hidden_params["response_cost"] > 0


@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_completion_with_usage(model: str) -> None:
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(litellm.completion(model, MESSAGES, **asked, **GATEWAY))
    whole = litellm.stream_chunk_builder(chunks)
    assert whole is not None
    assert whole.choices[0].message.content == "You said: What is the weather in 'Paris'?"
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (6, 8)


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_call(model: str) -> None:
    answer = litellm.completion(model, MESSAGES, tools=[TOOL], **GATEWAY)
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Paris"}')


def test_structured_output() -> None:
    wanted = {"name": "weather", "schema": WEATHER, "strict": True}
    answer = litellm.completion(
        GPT, MESSAGES, response_format={"type": "json_schema", "json_schema": wanted}, **GATEWAY
    )
    assert answer.choices[0].message.content == '{"city": "Paris"}'


def test_a_text_completion() -> None:
    answer = litellm.text_completion("Once upon", model=GPT, **GATEWAY)
    assert answer.choices[0].text == "You said: Once upon"


@pytest.mark.parametrize("model", MODELS)
def test_a_response(model: str) -> None:
    answer = litellm.responses("Hello!", model, **GATEWAY)
    assert answer.output[0].content[0].text == "You said: Hello!"
    events = list(litellm.responses("Hello!", model, stream=True, **GATEWAY))
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.output_tokens == 3


@pytest.mark.parametrize("model", MODELS)
async def test_messages(model: str) -> None:
    answer = await litellm.anthropic_messages(50, MESSAGES, model, **GATEWAY)
    assert answer["content"][0]["text"] == "You said: What is the weather in 'Paris'?"


def test_embeddings() -> None:
    answer = litellm.embedding(
        "litellm_proxy/text-embedding-3-small", ["one", "and two"], **GATEWAY
    )
    assert [item["embedding"][0] for item in answer.data] == [1.0, 2.0]


def test_moderations() -> None:
    asked = {"api_base": f"{GATEWAY['api_base']}/v1", "api_key": GATEWAY["api_key"]}
    answer = litellm.moderation("a bomb", custom_llm_provider="litellm_proxy", **asked)
    assert answer.results[0].flagged


def test_a_picture() -> None:
    answer = litellm.image_generation("a cat", "litellm_proxy/gpt-image-1", **GATEWAY)
    assert answer.data[0].b64_json


def test_sound() -> None:
    spoken = litellm.speech("litellm_proxy/gpt-4o-mini-tts", "Hello!", "alloy", **GATEWAY)
    assert spoken.content.startswith(b"ID3")
    file = ("talk.wav", b"RIFF" + bytes(96))
    heard = litellm.transcription("litellm_proxy/whisper-1", file, **GATEWAY)
    assert heard.text == "100 bytes of sound"


def test_a_reranking() -> None:
    documents = ["a dog", "the weather in Paris"]
    answer = litellm.rerank("litellm_proxy/rerank-v3.5", "weather", documents, **GATEWAY)
    assert [result["index"] for result in answer.results] == [1, 0]


def test_models() -> None:
    names = litellm.get_valid_models(
        check_provider_endpoint=True, custom_llm_provider="litellm_proxy", **_credentials()
    )
    assert set(MODELS) < set(names)


def test_errors() -> None:
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(
            GPT, MESSAGES, **GATEWAY | {"api_key": os.environ["GATEWAY_REVOKED_KEY"]}
        )
    with pytest.raises(litellm.BadRequestError, match="unheard-of"):
        litellm.completion("litellm_proxy/unheard-of", MESSAGES, **GATEWAY)
    with pytest.raises(litellm.RateLimitError):
        litellm.completion("litellm_proxy/busy", MESSAGES, **GATEWAY)


def _credentials() -> dict[str, str]:
    return {name: str(GATEWAY[name]) for name in ("api_base", "api_key")}
