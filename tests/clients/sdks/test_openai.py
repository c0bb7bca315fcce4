"""The openai package."""

from __future__ import annotations

import os
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

GPT = "gpt-4o-mini"
# Of another provider, whose format the gateway translates.
MODELS = (GPT, "claude-sonnet-5")
MESSAGES = [{"role": "user", "content": "What is the weather in 'Paris'?"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}


@pytest.fixture
def client(url: str, key: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
def test_a_chat(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=MESSAGES)
    assert answer.choices[0].message.content == "You said: What is the weather in 'Paris'?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 8)


@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_chat_with_usage(client: OpenAI, model: str) -> None:
    stream = client.chat.completions.create(
        model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "You said: What is the weather in 'Paris'?"
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(usage.prompt_tokens, usage.completion_tokens) for usage in usages] == [(6, 8)]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_call_and_its_answer(client: OpenAI, model: str, streamed: bool) -> None:
    if streamed:
        with client.chat.completions.stream(model=model, messages=MESSAGES, tools=[TOOL]) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        answer = client.chat.completions.create(model=model, messages=MESSAGES, tools=[TOOL])
        message = answer.choices[0].message
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert call.function.arguments == '{"city": "Paris"}'
    result = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
    again = client.chat.completions.create(
        model=model,
        messages=[*MESSAGES, message.model_dump(exclude_none=True), result],
        tools=[TOOL],
    )
    assert again.choices[0].message.content == "The tool says: Rain."


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.mark.parametrize("model", MODELS)
def test_structured_output(client: OpenAI, model: str) -> None:
    said = [{"role": "user", "content": "It is 21 degrees in 'Paris'."}]
    answer = client.chat.completions.parse(model=model, messages=said, response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(city="Paris", degrees=21)


def test_a_text_completion(client: OpenAI) -> None:
    answer = client.completions.create(model=GPT, prompt="Once upon")
    assert answer.choices[0].text == "You said: Once upon"
    stream = client.completions.create(model=GPT, prompt="Once upon", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "You said: Once upon"


@pytest.mark.parametrize("model", MODELS)
def test_a_response(client: OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="Hello!")
    assert answer.output_text == "You said: Hello!"
    assert answer.status == "completed"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1, 3)


@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_response(client: OpenAI, model: str) -> None:
    with client.responses.stream(model=model, input="Hello!") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "You said: Hello!"
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens) == (1, 3)


@pytest.mark.parametrize("model", MODELS)
def test_a_responses_tool_call_and_its_answer(client: OpenAI, model: str) -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}
    answer = client.responses.create(model=model, input=MESSAGES, tools=[tool])
    (call,) = (item for item in answer.output if item.type == "function_call")
    assert (call.name, call.arguments) == ("get_weather", '{"city": "Paris"}')
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    items = [item.model_dump(exclude_none=True) for item in answer.output]
    again = client.responses.create(model=model, input=[*MESSAGES, *items, result], tools=[tool])
    assert again.output_text == "The tool says: Rain."


@pytest.mark.parametrize("model", MODELS)
def test_a_structured_response(client: OpenAI, model: str) -> None:
    said = "It is 21 degrees in 'Paris'."
    answer = client.responses.parse(model=model, input=said, text_format=Weather)
    assert answer.output_parsed == Weather(city="Paris", degrees=21)


# By default the package asks for base64, and reads it.
@pytest.mark.parametrize("encoding", ["float", None])
def test_embeddings(client: OpenAI, encoding: str | None) -> None:
    asked = {"encoding_format": encoding} if encoding else {}
    answer = client.embeddings.create(
        model="text-embedding-3-small", input=["one", "and two"], **asked
    )
    assert [item.embedding for item in answer.data] == [[1.0, 0.5, 0.5, 0.5], [2.0, 0.5, 0.5, 0.5]]
    assert answer.usage.prompt_tokens == 3


def test_models(client: OpenAI) -> None:
    assert set(MODELS) < {model.id for model in client.models.list()}
    assert client.models.retrieve(GPT).id == GPT


def test_moderations(client: OpenAI) -> None:
    answer = client.moderations.create(input=["a flower", "a bomb"])
    assert [result.flagged for result in answer.results] == [False, True]


def test_pictures(client: OpenAI) -> None:
    drawn = client.images.generate(model="gpt-image-1", prompt="a cat", n=2)
    assert drawn.data is not None
    assert len(drawn.data) == 2
    png = b"\x89PNG\r\n\x1a\n" + bytes(20)
    edited = client.images.edit(model="gpt-image-1", image=("cat.png", png), prompt="a dog")
    assert edited.data is not None
    assert edited.data[0].b64_json == drawn.data[0].b64_json


def test_speech(client: OpenAI) -> None:
    asked = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello!"}
    assert client.audio.speech.create(**asked).content.startswith(b"ID3")
    with client.audio.speech.with_streaming_response.create(**asked) as response:
        assert b"".join(response.iter_bytes()).startswith(b"ID3")


def test_a_transcription(client: OpenAI) -> None:
    file = ("talk.wav", b"RIFF" + bytes(96), "audio/wav")
    answer = client.audio.transcriptions.create(model="whisper-1", file=file)
    assert answer.text == "100 bytes of sound"
    text = client.audio.transcriptions.create(model="whisper-1", file=file, response_format="text")
    assert text.strip() == "100 bytes of sound"


def test_errors(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as unknown_key:
        client.with_options(api_key=os.environ["GATEWAY_REVOKED_KEY"]).models.list()
    assert unknown_key.value.status_code == 401
    with pytest.raises(openai.BadRequestError) as unknown_model:
        client.chat.completions.create(model="unheard-of", messages=MESSAGES)
    assert "unheard-of" in unknown_model.value.message
    assert unknown_model.value.param == "model"
    with pytest.raises(openai.BadRequestError) as invalid:
        client.chat.completions.create(model=GPT, messages=MESSAGES, temperature="hot")
    assert invalid.value.param == "temperature"
    for streamed in (False, True):
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(model="busy", messages=MESSAGES, stream=streamed)
        assert limited.value.request_id


def test_azures_client(url: str, key: str) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=url, api_key=key, api_version="2024-10-21", max_retries=0
    ) as client:
        answer = client.chat.completions.create(model=GPT, messages=MESSAGES)
        assert answer.choices[0].message.content == "You said: What is the weather in 'Paris'?"
        heard = client.audio.transcriptions.create(
            model="whisper-1", file=("talk.wav", b"RIFF" + bytes(96))
        )
        assert heard.text == "100 bytes of sound"
