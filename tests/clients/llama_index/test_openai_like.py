"""llama-index's models and embeddings of OpenAI-like servers."""

from __future__ import annotations

import asyncio
import os

import openai
import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike, OpenAILikeResponses
from pydantic import BaseModel

GATEWAY = {
    "api_base": f"{os.environ['GATEWAY_URL']}/v1",
    "api_key": os.environ["GATEWAY_KEY"],
    "max_retries": 0,
}
HELLO = [ChatMessage("Hello!")]
MODELS = ("gpt-4o-mini", "claude-sonnet-5")


class Weather(BaseModel):
    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}."


def chat_model(name: str = "gpt-4o-mini", **more: object) -> OpenAILike:
    # The only temperature that all of today's models take.
    chats = {"is_chat_model": True, "is_function_calling_model": True, "temperature": 1}
    return OpenAILike(model=name, **GATEWAY | chats | more)


@pytest.mark.parametrize("name", MODELS)
def test_a_chat_with_usage(name: str) -> None:
    answer = chat_model(name).chat(HELLO)
    assert answer.message.content == "You said: Hello!"
    assert answer.raw.usage.completion_tokens == 3


@pytest.mark.parametrize("name", MODELS)
def test_a_streamed_chat_with_usage(name: str) -> None:
    model = chat_model(name, additional_kwargs={"stream_options": {"include_usage": True}})
    chunks = list(model.stream_chat(HELLO))
    assert "".join(chunk.delta or "" for chunk in chunks) == "You said: Hello!"
    assert chunks[-1].raw.usage.completion_tokens == 3


def test_a_text_completion() -> None:
    model = OpenAILike(model="gpt-4o-mini", **GATEWAY)
    assert model.complete("Once upon").text == "You said: Once upon"
    assert [*model.stream_complete("Once upon")][-1].text == "You said: Once upon"


@pytest.mark.parametrize("name", MODELS)
def test_a_tool_call(name: str) -> None:
    tool = FunctionTool.from_defaults(get_weather)
    model = chat_model(name)
    answer = model.chat_with_tools([tool], "What is the weather in 'Paris'?")
    (call,) = model.get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Paris"})


@pytest.mark.parametrize("name", MODELS)
def test_an_agent(name: str) -> None:
    async def answer() -> str:
        agent = FunctionAgent(tools=[get_weather], llm=chat_model(name))
        return str(await agent.run("What is the weather in 'Paris'?"))

    assert asyncio.run(answer()) == "The tool says: Rain in Paris."


@pytest.mark.parametrize("by_format", [False, True], ids=["tool", "format"])
def test_structured_output(by_format: bool) -> None:
    model = chat_model(should_use_structured_outputs=by_format)
    said = [ChatMessage("It is 21 degrees in 'Paris'.")]
    answer = model.as_structured_llm(Weather).chat(said)
    assert answer.raw == Weather(city="Paris", degrees=21)


def test_responses() -> None:
    model = OpenAILikeResponses(model="gpt-4o-mini", **GATEWAY)
    assert model.chat(HELLO).message.content == "You said: Hello!"
    chunks = list(model.stream_chat(HELLO))
    assert "".join(chunk.delta or "" for chunk in chunks) == "You said: Hello!"


def test_embeddings() -> None:
    model = OpenAILikeEmbedding(model_name="text-embedding-3-small", **GATEWAY)
    vectors = model.get_text_embedding_batch(["one", "and two"])
    assert [vector[0] for vector in vectors] == [1.0, 2.0]


def test_errors() -> None:
    with pytest.raises(openai.AuthenticationError):
        chat_model(api_key=os.environ["GATEWAY_REVOKED_KEY"]).chat(HELLO)
    with pytest.raises(openai.BadRequestError, match="unheard-of"):
        chat_model("unheard-of").chat(HELLO)
    with pytest.raises(openai.RateLimitError):
        chat_model("busy").chat(HELLO)
