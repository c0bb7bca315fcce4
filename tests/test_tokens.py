"""How many tokens a request may come to: a bound that holds, and an estimate below it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records import Call, Operation
from gateway.specs import key_record
from gateway.tokens import (
    likely_prompt_tokens,
    likely_tokens,
    most_completion_tokens,
    most_prompt_tokens,
)

CHAT, COMPLETION, EMBEDDING = Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING
DATA_URI = "data:application/pdf;base64," + "A" * 1_000_000


def call(operation: Operation = CHAT, **body: Any) -> Call:
    return Call(operation, key_record("", "", 0), {"model": "gpt", **body}, "r")


def said(content: Any) -> Call:
    return call(messages=[{"role": "user", "content": content}])


def most(made: Call, limit: int | None = None) -> int:
    return most_prompt_tokens(made, limit)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def text_of(value: Any) -> int:
    """Bytes of text in JSON, with the names of fields and with numbers."""
    if isinstance(value, str):
        return len(value.encode(errors="replace"))
    if isinstance(value, dict):
        return sum(text_of(name) + text_of(item) for name, item in value.items())
    if isinstance(value, list):
        return sum(text_of(item) for item in value)
    return 0 if value is None else len(str(value))


@given(content=JSON, schema=JSON)
def test_no_text_gets_past_the_bound(content: Any, schema: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    made = call(messages=[{"role": "user", "content": [content]}], tools=[tool])
    text = text_of(made.body["messages"]) + text_of(made.body["tools"])
    assert text < most(made) == most(made, 1)
    assert 0 < likely_prompt_tokens(made) <= most(made)


@given(content=JSON)
def test_nothing_a_caller_sends_is_an_error(content: Any) -> None:
    for name in ("messages", "prompt", "input", "tools", "functions", "response_format", "suffix"):
        for operation in Operation:
            made = call(operation, **{name: content, "prediction": content})
            assert 0 <= likely_prompt_tokens(made) <= most(made)
            assert most_completion_tokens(made, {}, None) >= 0


@pytest.mark.parametrize("depth", [900])
def test_depth_is_no_obstacle(depth: int) -> None:
    nested: Any = "x"
    for _ in range(depth):
        nested = {"a": [nested]}
    assert most(said(nested)) > depth


@pytest.mark.parametrize(
    ("content", "likely"),
    [
        # `role`, `user` and `content` are 15 bytes, each object another 4 tokens.
        ("", 4 + 4),
        ("x", 4 + 4),
        ("x" * 400, 104 + 4),
        ("é" * 200, 104 + 4),
        ([{"type": "text", "text": "x" * 400}], 107 + 8),
        ([{"type": "image_url", "image_url": {"url": DATA_URI}}], 7 + 8 + 1000),
        ([{"type": "file", "file": {"file_data": DATA_URI}}], 6 + 8 + 1000),
    ],
)
def test_estimates(content: Any, likely: int) -> None:
    assert likely_prompt_tokens(said(content)) == likely


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("é", 1)]
)
def test_a_piece_of_an_answer(text: str, tokens: int) -> None:
    assert likely_tokens(text) == tokens
    assert likely_tokens("\ud800") == 1


def test_a_text_given_as_tokens_has_as_many() -> None:
    for operation, name in ((COMPLETION, "prompt"), (EMBEDDING, "input")):
        one = call(operation, **{name: [100_000] * 50})
        several = call(operation, **{name: [[100_000] * 50, [100_000] * 30]})
        assert (likely_prompt_tokens(one), most(one)) == (50, 50)
        assert (likely_prompt_tokens(several), most(several)) == (80, 80)
        texts = call(operation, **{name: ["ab", "é"]})
        assert (likely_prompt_tokens(texts), most(texts)) == (1, 4 + 2 * 4)


def test_numbers_in_a_tools_schema_are_text() -> None:
    schema = {"enum": [1_234_567_890] * 100}
    made = call(messages=[], tools=[{"type": "function", "function": {"parameters": schema}}])
    assert most(made) > 100 * 10


def test_only_a_message_has_attachments() -> None:
    text = "x" * 200_000
    schema = {"type": "image", "image": text, "properties": {"source": {"description": text}}}
    made = call(messages=[], tools=[{"type": "function", "function": {"parameters": schema}}])
    assert most(made) > 400_000
    # A name that is none of a content part's, or a part that is of text.
    for kind in ("text", "source"):
        assert most(said([{"type": kind, "text": "x", "source": text}])) > 200_000
    assert most(said([{"type": "image_url", "image_url": {"url": text}, "note": text}])) > 200_000


@pytest.mark.parametrize(
    ("part", "least", "limited"),
    [
        ({"type": "image_url", "image_url": {"url": DATA_URI}}, 4_000, 4_000),
        ({"type": "image", "source": {"type": "base64", "data": DATA_URI}}, 4_000, 4_000),
        ({"type": "file", "file": {"file_id": "file-1"}}, 100_000, 50_000),
        ({"type": "file", "file": {"file_data": DATA_URI}}, 1_100_000, 50_000),
        ({"type": "input_audio", "input_audio": {"data": DATA_URI}}, 1_100_000, 50_000),
        ({"type": "document", "source": {"type": "text", "data": "x" * 200_000}}, 300_000, 50_000),
    ],
)
def test_an_attachment_is_at_most_what_the_model_can_read(
    part: dict[str, Any], least: int, limited: int
) -> None:
    assert least <= most(said([part])) < least + 500
    assert limited <= most(said([part]), 50_000) < limited + 500


def test_tools_bring_a_preface_of_the_providers() -> None:
    without = call(messages=[])
    assert most(call(messages=[], tools=[])) == most(call(messages=[], functions=[])) > 500
    assert most(without) == 0


@pytest.mark.parametrize(
    ("body", "defaults", "limit", "tokens"),
    [
        ({}, {}, None, 16_384),
        ({}, {}, 4096, 4096),
        ({"max_tokens": 10}, {}, 4096, 10),
        ({"max_tokens": 10_000}, {}, 4096, 4096),
        ({"max_tokens": 10_000}, {}, None, 10_000),
        ({"max_completion_tokens": 10}, {}, None, 10),
        ({"max_completion_tokens": 10, "max_tokens": 20}, {}, None, 20),
        ({}, {"max_tokens": 30}, None, 30),
        ({"max_tokens": 10}, {"max_tokens": 30}, None, 10),
        ({"max_completion_tokens": 10}, {"max_tokens": 30}, None, 30),
        ({}, {"max_tokens": "30"}, None, 16_384),
        ({"n": 3, "max_tokens": 10}, {}, None, 30),
        ({"n": 3, "best_of": 5, "max_tokens": 10}, {}, None, 50),
        ({"max_tokens": 10}, {"n": 4}, None, 40),
        ({"max_tokens": 10, "prompt": ["a", "b", "c"]}, {}, None, 30),
        ({"max_tokens": 10, "prompt": [[1], [2]], "n": 2}, {}, None, 40),
        ({"max_tokens": 10, "prompt": [1, 2, 3]}, {}, None, 10),
        ({"max_tokens": 10, "prompt": "abc"}, {}, None, 10),
        ({"max_tokens": 10, "prompt": []}, {}, None, 10),
        ({"max_tokens": 10, "prediction": {"content": "12345"}}, {}, None, 10 + 7 + 5),
    ],
)
def test_the_longest_answer(
    body: dict[str, Any], defaults: dict[str, Any], limit: int | None, tokens: int
) -> None:
    operation = COMPLETION if "prompt" in body else CHAT
    assert most_completion_tokens(call(operation, **body), defaults, limit) == tokens


def test_what_anthropics_messages_have_besides_is_read_too() -> None:
    messages = [{"role": "user", "content": "x"}]
    short = call(Operation.MESSAGES, messages=messages)
    for name in ("system", "output_config", "mcp_servers"):
        more = {name: [{"text": "y" * 400}]}
        long = call(Operation.MESSAGES, messages=messages, **more)
        assert likely_prompt_tokens(long) >= likely_prompt_tokens(short) + 100
        assert most(long) >= most(short) + 400


def test_the_items_of_a_response_are_read_as_messages_are() -> None:
    text = {"role": "user", "content": [{"type": "input_text", "text": "y" * 400}]}
    done = {"type": "function_call_output", "call_id": "1", "output": "y" * 400}
    for more in ({"input": [text]}, {"input": [done]}, {"instructions": "y" * 400}):
        made = call(Operation.RESPONSES, **{"input": "x", **more})
        assert likely_prompt_tokens(made) >= 100
        assert most(made) >= 400
    for part, least in (
        ({"type": "input_image", "image_url": DATA_URI}, 4_000),
        ({"type": "input_file", "file_data": DATA_URI}, 1_100_000),
        ({"type": "input_file", "file_id": "file-1"}, 100_000),
    ):
        attached = call(Operation.RESPONSES, input=[{"role": "user", "content": [part]}])
        assert least <= most(attached) < least + 500
        assert likely_prompt_tokens(attached) < 1_100


def test_what_was_said_before_can_be_all_that_the_model_reads() -> None:
    for more in ({"previous_response_id": "resp_1"}, {"prompt": {"id": "pmpt_1"}}):
        made = call(Operation.RESPONSES, input="x", **more)
        assert 400_000 <= most(made, 400_000) < 400_500
        assert most(made) >= 100_000


def test_the_longest_answer_of_a_response() -> None:
    for asked, tokens in ((100, 100), (1, 16)):
        made = call(Operation.RESPONSES, input="x", max_output_tokens=asked)
        assert most_completion_tokens(made, {}, 4096) == tokens


def test_an_embedding_has_no_answer_to_pay_for() -> None:
    made = call(EMBEDDING, input=["a", "b"])
    assert most_completion_tokens(made, {"max_tokens": 5}, 100) == 0
