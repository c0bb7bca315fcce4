"""What answers say, whatever they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records import Operation
from gateway.said import said, text_alone
from tests import calls
from tests.servers import chunk

NAMES = st.sampled_from(
    [
        "choices",
        "delta",
        "message",
        "content",
        "text",
        "tool_calls",
        "function",
        "arguments",
        "content_block",
        "output",
        "item",
        "summary",
        "input",
        "finish_reason",
        "role",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=20,
)
KINDS = st.sampled_from(
    [None, 1, "response.output_item.added", "response.output_text.delta", "content_block_delta"]
)
CHOICES = st.fixed_dictionaries(
    {"delta": st.dictionaries(NAMES, ANYTHING, max_size=2)}, optional={"finish_reason": ANYTHING}
)


@given(st.sampled_from(Operation), st.dictionaries(NAMES, ANYTHING), KINDS)
def test_says_texts_or_nothing(operation: Operation, body: dict[str, Any], kind: object) -> None:
    found = said(operation, body | {"type": kind})
    assert all(isinstance(text, str) for text in found)


@given(st.fixed_dictionaries({"choices": st.lists(CHOICES, max_size=2) | ANYTHING}))
def test_text_alone_is_all_that_is_said(body: dict[str, Any]) -> None:
    text = text_alone(body)
    assert text is None or said(Operation.CHAT, body) == [text]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (chunk({"content": "one"}), "one"),
        (chunk({"content": ""}), ""),
        (chunk({"content": None}), None),
        (chunk({"role": "assistant", "content": "one"}), None),
        (chunk({"content": "one"}, "stop"), None),
        (chunk({}) | {"choices": []}, None),
        (calls.whole(Operation.CHAT), None),
    ],
)
def test_text_alone(given: dict[str, Any], text: str | None) -> None:
    assert text_alone(given) == text
