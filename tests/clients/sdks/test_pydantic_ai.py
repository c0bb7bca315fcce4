"""pydantic-ai: agents on chats, Responses and Messages."""

from __future__ import annotations

import asyncio
import os

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, Embedder, NativeOutput
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

WIRES = ("chat", "responses", "messages")


class Weather(BaseModel):
    city: str
    degrees: int


def model(wire: str, url: str, key: str, name: str | None = None) -> Model:
    """A model on that wire; its clients end with the loop of the test."""
    if wire == "messages":
        client = AsyncAnthropic(base_url=url, api_key=key, max_retries=0)
        provider = AnthropicProvider(anthropic_client=client)
        return AnthropicModel(name or "claude-sonnet-5", provider=provider)
    openai = AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    kind = OpenAIChatModel if wire == "chat" else OpenAIResponsesModel
    return kind(name or "gpt-4o-mini", provider=OpenAIProvider(openai_client=openai))


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_with_usage(url: str, key: str, wire: str) -> None:
    result = Agent(model(wire, url, key)).run_sync("Hello!")
    assert result.output == "You said: Hello!"
    assert (result.usage.input_tokens, result.usage.output_tokens) == (1, 3)


@pytest.mark.parametrize("wire", WIRES)
def test_a_streamed_answer_with_usage(url: str, key: str, wire: str) -> None:
    async def stream() -> None:
        async with Agent(model(wire, url, key)).run_stream("Hello!") as result:
            pieces = [piece async for piece in result.stream_text(delta=True)]
        assert "".join(pieces) == "You said: Hello!"
        assert (result.usage.input_tokens, result.usage.output_tokens) == (1, 3)

    asyncio.run(stream())


@pytest.mark.parametrize("wire", WIRES)
def test_a_tool_call_and_its_answer(url: str, key: str, wire: str) -> None:
    agent = Agent(model(wire, url, key))

    @agent.tool_plain
    def get_weather(city: str) -> str:
        return f"Rain in {city}."

    result = agent.run_sync("What is the weather in 'Paris'?")
    assert result.output == "The tool says: Rain in Paris."
    assert result.usage.requests == 2
    assert result.usage.tool_calls == 1


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("output", [Weather, NativeOutput(Weather)], ids=["tool", "native"])
def test_structured_output(url: str, key: str, wire: str, output: type[Weather]) -> None:
    agent = Agent(model(wire, url, key), output_type=output)
    result = agent.run_sync("It is 21 degrees in 'Paris'.")
    assert result.output == Weather(city="Paris", degrees=21)


def test_embeddings(url: str, key: str) -> None:
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key=key)
    embedder = Embedder(OpenAIEmbeddingModel("text-embedding-3-small", provider=provider))
    result = embedder.embed_documents_sync(["one", "and two"])
    assert [vector[0] for vector in result.embeddings] == [1.0, 2.0]


@pytest.mark.parametrize("wire", WIRES)
def test_errors(url: str, key: str, wire: str) -> None:
    with pytest.raises(ModelHTTPError) as unknown_key:
        Agent(model(wire, url, os.environ["GATEWAY_REVOKED_KEY"])).run_sync("Hello!")
    assert unknown_key.value.status_code == 401
    with pytest.raises(ModelHTTPError) as unknown_model:
        Agent(model(wire, url, key, "unheard-of")).run_sync("Hello!")
    assert unknown_model.value.status_code in (400, 404)
    with pytest.raises(ModelHTTPError) as limited:
        Agent(model(wire, url, key, "busy")).run_sync("Hello!")
    assert limited.value.status_code == 429
