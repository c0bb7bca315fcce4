"""The openai package's objects, made in our way and in its own."""

from __future__ import annotations

import copy
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import (
    Completion,
    CreateEmbeddingResponse,
    ImagesResponse,
    ModerationCreateResponse,
)
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseFunctionToolCall
from openai.types.responses.response_usage import ResponseUsage

from gateway.upstream import litellm_setup
from tests.servers import chunk, completion, usage

litellm_setup.load()

Json = dict[str, Any]

# As to types, its way of making objects is not made for all of them.
BaseModel: Any = openai.BaseModel
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
}
BODIES: list[tuple[Any, Json]] = [
    (ChatCompletion, completion("Hi", tool_calls=[CALL], annotations=[], audio=None)),
    (ChatCompletion, completion("Hi", reasoning_content="Hm") | {"service_tier": "odd", "x": [1]}),
    (ChatCompletion, {"error": {"message": "no completion"}}),
    (ChatCompletion, {"cls": 1, "choices": [None, 1, {"index": "0", "message": "text"}]}),
    (ChatCompletionChunk, chunk({"role": "assistant", "content": "Hi"}, usage=usage())),
    (ChatCompletionChunk, chunk({"tool_calls": [CALL | {"index": 0}]}, "tool_calls", usage=None)),
    (ChatCompletionChunk, {"choices": {"index": 1}, "created": 1.5, "usage": []}),
    (Completion, {"id": "c", "choices": [{"text": "Hi", "index": 0, "logprobs": None}]}),
    (
        CreateEmbeddingResponse,
        {"data": [{"embedding": [1, 0.5], "index": 0}], "usage": usage(), "model": "e"},
    ),
    (ImagesResponse, {"created": 1, "data": [{"b64_json": "aGk="}], "usage": {"input_tokens": 1}}),
    (ModerationCreateResponse, {"results": [{"flagged": False, "category_scores": {"hate": 0}}]}),
    (Transcription, {"text": "Hi", "usage": {"type": "duration", "seconds": 2}}),
    (TranscriptionVerbose, {"text": "Hi", "duration": "1.5", "segments": [{"id": "1"}]}),
    (
        Response,
        {
            "id": "resp_1",
            "created_at": 1700000000,
            "output": [MESSAGE, {"type": "unheard_of", "x": 1}, {"type": "reasoning", "id": "r"}],
            "temperature": 1,
            "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": "true"}],
            "tool_choice": "auto",
            "usage": {"input_tokens": 1, "output_tokens_details": {"reasoning_tokens": "1"}},
        },
    ),
]


def parts(made: Any) -> Any:
    """All that there is of an object, classes and what was given among it."""
    if isinstance(made, openai.BaseModel):
        return (
            type(made),
            {name: parts(value) for name, value in made.__dict__.items()},
            {name: parts(value) for name, value in (made.__pydantic_extra__ or {}).items()},
            made.__pydantic_fields_set__,
        )
    if isinstance(made, dict):
        return {name: parts(value) for name, value in made.items()}
    if isinstance(made, list):
        return [parts(value) for value in made]
    return type(made), made


def as_the_package_would(monkeypatch: pytest.MonkeyPatch, model: Any, body: Json) -> Any:
    own: Any = classmethod(BaseModel.construct.__func__.__wrapped__)
    with monkeypatch.context() as patch:
        patch.setattr(BaseModel, "construct", own)
        patch.setattr(BaseModel, "model_construct", own)
        return parts(model.construct(**copy.deepcopy(body)))


@pytest.mark.parametrize(("model", "body"), BODIES)
def test_objects_are_those_of_the_package(
    model: Any, body: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = parts(model.construct(**copy.deepcopy(body)))
    assert made == as_the_package_would(monkeypatch, model, body)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_also_of_values_of_any_kind(data: st.DataObject) -> None:
    model: Any = data.draw(
        st.sampled_from([ChatCompletionChunk, ResponseUsage, ResponseFunctionToolCall])
    )
    names = st.sampled_from([*model.model_fields, "else"])
    body = data.draw(st.dictionaries(names, _VALUES))
    with pytest.MonkeyPatch.context() as monkeypatch:
        expected = as_the_package_would(monkeypatch, model, body)
    assert parts(model.construct(**copy.deepcopy(body))) == expected


def test_a_default_is_not_shared() -> None:
    class Listed(openai.BaseModel):
        items: list[str] = []  # noqa: RUF012 - pydantic copies it

    made: Any = Listed
    first, second = made.construct(), made.construct()
    first.items.append("x")
    assert second.items == []


def test_the_package_makes_its_objects_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would be gained if it did not look for a class's `construct`."""
    from openai import _models

    made: list[Any] = []

    def construct(cls: Any, /, **_values: Any) -> None:
        made.append(cls)

    monkeypatch.setattr(BaseModel, "construct", classmethod(construct))
    _models.construct_type(value=chunk({}), type_=ChatCompletionChunk)
    assert made == [ChatCompletionChunk]
