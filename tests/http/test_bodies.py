"""What passes to a provider and what does not."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import completion_create_params as chat_params
from openai.types.completion_create_params import CompletionCreateParamsBase
from openai.types.embedding_create_params import EmbeddingCreateParams

from gateway.errors import InvalidRequest
from gateway.http.bodies import completions, validate
from gateway.records import Operation

MINIMAL: dict[Operation, dict[str, Any]] = {
    Operation.CHAT: {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    Operation.COMPLETION: {"model": "m", "prompt": "x"},
    Operation.EMBEDDING: {"model": "m", "input": "x"},
    Operation.RESPONSES: {"model": "m", "input": "x"},
}


@pytest.mark.parametrize(
    ("ours", "theirs", "left_out"),
    [
        (
            completions.Chat,
            chat_params.CompletionCreateParamsBase,
            {"moderation", "prompt_cache_options"},
        ),
        (completions.Completion, CompletionCreateParamsBase, set()),
        (completions.Embedding, EmbeddingCreateParams, set()),
    ],
)
def test_every_parameter_of_openais_passes(ours: Any, theirs: Any, left_out: set[str]) -> None:
    """Left out: what litellm 1.106.2 has no parameter for."""
    known = set(get_type_hints(theirs))
    assert known - set(get_type_hints(ours)) - {"stream"} == left_out & known


@pytest.mark.parametrize("operation", MINIMAL)
def test_nulls_are_parameters_not_given(operation: Operation) -> None:
    body = MINIMAL[operation] | {"user": None, "odd": None}
    assert validate(operation, body) == MINIMAL[operation]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "x"},
        {"role": "developer", "content": [{"type": "text", "text": "x"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]},
        {"role": "user", "content": "x", "cache_control": {"type": "ephemeral"}},
        {"role": "assistant", "content": None, "tool_calls": None, "refusal": None},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "assistant", "content": "x", "thinking_blocks": [], "reasoning_content": "y"},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
        {"role": "function", "name": "f", "content": None},
    ],
)  # fmt: skip
def test_messages_of_every_role_pass(message: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [message]}
    assert validate(Operation.CHAT, body) == body


@pytest.mark.parametrize("value", ["x", ["x", "y"], [1, 2], [[1], [2, 3]]])
def test_inputs_may_be_text_or_tokens(value: Any) -> None:
    assert validate(Operation.EMBEDDING, {"model": "m", "input": value})["input"] == value
    assert validate(Operation.COMPLETION, {"model": "m", "prompt": value})["prompt"] == value


@pytest.mark.parametrize("value", [[1, "x"], ["x", 1], [[1], "x"], [{}], [True]])
def test_inputs_may_not_be_mixed(value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate(Operation.EMBEDDING, {"model": "m", "input": value})
    assert (refused.value.param or "").startswith("input")


@pytest.mark.parametrize(("name", "param"), [("", '""'), ("<any>", "<any>"), ("<text>", "<text>")])
def test_odd_names_are_named_too(name: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate(Operation.CHAT, MINIMAL[Operation.CHAT] | {name: 1})
    assert refused.value.param == param


@given(
    st.sampled_from(list(MINIMAL)),
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(st.none() | st.integers() | st.text(max_size=8), st.lists, max_leaves=5),
        max_size=4,
    ),
)
def test_whatever_is_refused_names_its_parameter(operation: Operation, more: Any) -> None:
    refused: InvalidRequest | None = None
    passed: dict[str, Any] = {}
    try:
        passed = validate(operation, MINIMAL[operation] | more)
    except InvalidRequest as error:
        refused = error
    assert None not in passed.values()
    assert refused is None or (refused.param and refused.code)
