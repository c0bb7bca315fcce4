"""instructor: structured output by tool calls, by JSON and by Responses."""

from __future__ import annotations

import os

import instructor
import pytest
from anthropic import Anthropic
from instructor.core.exceptions import InstructorRetryException
from openai import OpenAI
from pydantic import BaseModel

SAID = [{"role": "user", "content": "It is 21 degrees in 'Paris'."}]


class Weather(BaseModel):
    city: str
    degrees: int


# instructor keeps the answer in what it makes of it, which would be compared too.
PARIS = {"city": "Paris", "degrees": 21}


@pytest.fixture
def openai_client(url: str, key: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-sonnet-5"])
@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
def test_an_object(openai_client: OpenAI, mode: instructor.Mode, model: str) -> None:
    client = instructor.from_openai(openai_client, mode=mode)
    made, answer = client.create_with_completion(
        model=model, messages=SAID, response_model=Weather, max_retries=0
    )
    assert made.model_dump() == PARIS
    assert answer.usage.completion_tokens > 0


def test_an_object_of_a_response(openai_client: OpenAI) -> None:
    client = instructor.from_openai(openai_client, mode=instructor.Mode.RESPONSES_TOOLS)
    made = client.create(model="gpt-4o-mini", messages=SAID, response_model=Weather, max_retries=0)
    assert made.model_dump() == PARIS


def test_parts_of_a_streamed_object(openai_client: OpenAI) -> None:
    client = instructor.from_openai(openai_client)
    parts = list(client.create_partial(model="gpt-4o-mini", messages=SAID, response_model=Weather))
    assert parts[-1].model_dump() == PARIS


def test_anthropics_messages(url: str, key: str) -> None:
    client = instructor.from_anthropic(Anthropic(base_url=url, api_key=key, max_retries=0))
    made = client.create(
        model="claude-sonnet-5",
        max_tokens=50,
        messages=SAID,
        response_model=Weather,
        max_retries=0,
    )
    assert made.model_dump() == PARIS


def test_errors(openai_client: OpenAI) -> None:
    stranger = openai_client.with_options(api_key=os.environ["GATEWAY_REVOKED_KEY"])
    client = instructor.from_openai(stranger)
    with pytest.raises(InstructorRetryException, match="401"):
        client.create(model="gpt-4o-mini", messages=SAID, response_model=Weather, max_retries=0)
