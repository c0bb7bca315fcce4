"""The anthropic package."""

from __future__ import annotations

import os
from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic

CLAUDE = "claude-sonnet-5"
# Of another provider, whose format the gateway translates.
MODELS = (CLAUDE, "gpt-4o-mini")
MESSAGES = [{"role": "user", "content": "What is the weather in 'Paris'?"}]
TOOL = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def client(url: str, key: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
def test_a_message(client: Anthropic, model: str) -> None:
    answer = client.messages.create(model=model, max_tokens=50, messages=MESSAGES)
    (block,) = answer.content
    assert block.text == "You said: What is the weather in 'Paris'?"
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (6, 8)


@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_message(client: Anthropic, model: str) -> None:
    with client.messages.stream(model=model, max_tokens=50, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "You said: What is the weather in 'Paris'?"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (6, 8)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_call_and_its_answer(client: Anthropic, model: str, streamed: bool) -> None:
    asked = {"model": model, "max_tokens": 50, "tools": [TOOL]}
    if streamed:
        with client.messages.stream(messages=MESSAGES, **asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(messages=MESSAGES, **asked)
    assert answer.stop_reason == "tool_use"
    (call,) = (block for block in answer.content if block.type == "tool_use")
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    content = [block.model_dump(exclude_none=True) for block in answer.content]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}
    turns = [
        *MESSAGES,
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    again = client.messages.create(messages=turns, **asked)
    assert again.content[0].text == "The tool says: Rain."


@pytest.mark.parametrize("model", MODELS)
def test_counted_tokens(client: Anthropic, model: str) -> None:
    counted = client.messages.count_tokens(model=model, messages=MESSAGES)
    # Where the provider has no such call, the gateway estimates.
    assert 6 <= counted.input_tokens <= 20


def test_beta_features(client: Anthropic) -> None:
    answer = client.beta.messages.create(
        model=CLAUDE, max_tokens=50, messages=MESSAGES, betas=["context-1m-2025-08-07"]
    )
    assert answer.content[0].text == "You said: What is the weather in 'Paris'?"


def test_models(client: Anthropic) -> None:
    names = [model.id for model in client.models.list(limit=2)]
    # Iterating goes from page to page.
    assert set(MODELS) < set(names)
    assert len(names) == len(set(names))
    assert client.models.retrieve(CLAUDE).display_name == CLAUDE


def test_a_bearer_token(url: str, key: str) -> None:
    with Anthropic(base_url=url, auth_token=key, max_retries=0) as client:
        assert client.messages.count_tokens(model=CLAUDE, messages=MESSAGES).input_tokens == 6


def test_errors(client: Anthropic) -> None:
    asked = {"max_tokens": 50, "messages": MESSAGES}
    stranger = client.with_options(api_key=os.environ["GATEWAY_REVOKED_KEY"])
    with pytest.raises(anthropic.AuthenticationError) as unknown_key:
        stranger.messages.create(model=CLAUDE, **asked)
    assert unknown_key.value.body["error"]["type"] == "authentication_error"
    with pytest.raises(anthropic.APIStatusError) as unknown_model:
        client.messages.create(model="unheard-of", **asked)
    assert isinstance(unknown_model.value, (anthropic.BadRequestError, anthropic.NotFoundError))
    assert "unheard-of" in str(unknown_model.value)
    with pytest.raises(anthropic.BadRequestError) as invalid:
        client.messages.create(model=CLAUDE, extra_body={"temperature": "hot"}, **asked)
    assert invalid.value.body["error"]["type"] == "invalid_request_error"
    for model in ("busy-claude", "busy"):
        with pytest.raises(anthropic.RateLimitError) as limited:
            client.messages.create(model=model, **asked)
        assert limited.value.request_id
        with (
            pytest.raises(anthropic.RateLimitError),
            client.messages.stream(model=model, **asked) as stream,
        ):
            stream.get_final_message()
