"""What is kept of prompts and answers: redacted, cut to a size, streams put together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.records import CallSettings
from gateway.redaction import Redactor
from gateway.transcripts import CUT, MOST_CHARACTERS, Accumulator, Recorder, recorder, shown
from tests import messages
from tests.servers import chunk, chunks, completion

DEFAULT = Redactor(CallSettings().redact_stored_prompts)
KEY = "sk-proj-AbCdEfGhIjKlMnOp"


def kept(body: Any) -> Any:
    return json.loads(shown(body, DEFAULT))


def recording(**settings: Any) -> Recorder:
    made = recorder(CallSettings(store_prompts_in_spend_logs=True, **settings))
    assert made is not None
    return made


# Whether


def test_nothing_is_recorded_unless_asked_for() -> None:
    assert recorder(CallSettings()) is None


def test_nothing_is_recorded_with_a_rule_that_only_a_newer_gateway_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    newer = CallSettings(store_prompts_in_spend_logs=True, redact_stored_prompts=("keys", "ibans"))
    assert recorder(newer) is None
    assert "ibans" in caplog.text


# Whole answers


def test_a_prompt_and_its_answer_are_redacted() -> None:
    made = recording()
    made.answer(completion(f"Mail joe@x.com, not {KEY}"))
    found = made.result("call-1", 7, {"model": "gpt", "messages": [{"content": f"my key: {KEY}"}]})
    assert found is not None
    assert (found.id, found.started_ms) == ("call-1", 7)
    assert json.loads(found.request) == {
        "model": "gpt",
        "messages": [{"content": "my key: [redacted key]"}],
    }
    answer = json.loads(found.response or "")
    said = answer["choices"][0]["message"]["content"]
    assert said == "Mail [redacted email], not [redacted key]"
    assert answer["usage"] == completion("")["usage"]


def test_a_call_without_an_answer_has_a_prompt_alone() -> None:
    found = recording().result("call-1", 7, {"model": "gpt"})
    assert found is not None
    assert found.response is None


def test_the_rules_are_those_of_the_settings() -> None:
    made = recording(redact_stored_prompts=({"pattern": "secret", "replacement": "…"},))
    found = made.result("call-1", 7, {"a": f"secret {KEY}"})
    assert found is not None
    assert json.loads(found.request) == {"a": f"… {KEY}"}


def test_names_and_numbers_are_redacted_too() -> None:
    body = {KEY: 1, KEY + "X": 2, "card": 4111111111111111, "time": 1732448000000, "ok": True}
    assert kept(body) == {
        "[redacted key]": 1,
        "[redacted key] (1)": 2,
        "card": "[redacted card number]",
        "time": 1732448000000,
        "ok": True,
    }


def test_an_escape_hides_nothing() -> None:
    body = json.loads(r'{"a": "joe\u0040x.com \u0073k-proj-AbCdEfGhIjKlMnOp"}')
    assert kept(body) == {"a": "[redacted email] [redacted key]"}


# Size


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("data:image/png;base64," + "QUJD" * 500, "[image/png, 1500 bytes]"),
        ("see ![x](data:image/png;a=b;base64,QUJD) there", "see ![x]([image/png, 3 bytes]) there"),
        ("data:text/plain,hello", "data:text/plain,hello"),
        ("QUJD" * 500, "[base64, 1500 bytes]"),
        ("QUJD" * 20, "QUJD" * 20),
        ([0.5] * 1536, "[1536 numbers]"),
        ([1, 2, 3], [1, 2, 3]),
        ([[1] * 100], ["[100 numbers]"]),
        (2**70, "[number]"),
        (float("nan"), None),
    ],
)
def test_what_nobody_reads_is_replaced_by_its_size(value: Any, expected: Any) -> None:
    assert kept({"a": value}) == {"a": expected}


@pytest.mark.parametrize(
    "body",
    [
        {"a": "word " * 100_000},
        {"a": '"' * 300_000},
        {"a": "\x01" * 300_000},
        {"a": "é\n" * 200_000},
        {"a": ["word"] * 300_000},
        {"a": [{"b": 1}] * 100_000},
        {"a": [0.1, "x"] * 100_000},
        {f"name {i}": "x" for i in range(50_000)},
        {"a b " * 100_000: "x"},
    ],
    ids=range(9),
)
def test_the_size_is_bounded_and_the_cut_is_marked(body: Any) -> None:
    text = shown(body, DEFAULT)
    assert MOST_CHARACTERS * 0.5 < len(text) <= MOST_CHARACTERS
    assert CUT in text or "more left out]" in text
    json.loads(text)


def test_the_beginning_is_what_is_kept_and_the_model_is_in_it() -> None:
    body = {"model": "gpt", "messages": [{"content": "first"}, {"content": "x " * 200_000}, {}]}
    found = kept(body)
    assert found["model"] == "gpt"
    assert found["messages"][0] == {"content": "first"}
    assert found["messages"][1]["content"].endswith(CUT)
    assert found["messages"][2:] == ["[1 more left out]"]


@pytest.mark.parametrize("before", range(len(KEY) + 1))
def test_no_key_is_kept_because_it_was_cut_in_two(before: int) -> None:
    text = " " * before + f"{KEY} " * (2 * MOST_CHARACTERS // len(KEY))
    kept_of_it = shown({"a": text}, DEFAULT)
    assert CUT in kept_of_it
    assert "sk-" not in kept_of_it


def test_deep_nesting_ends_somewhere() -> None:
    body: Any = "x"
    for _ in range(5000):
        body = [body]
    assert "nested deeper" in shown({"a": body}, DEFAULT)


# Streams


def test_chunks_become_the_answer_that_would_have_been_without_streaming() -> None:
    text = f"Hello from joe@x.com and {KEY} too."
    made = recording()
    for event in chunks(text):
        assert isinstance(event, dict)
        made.chunk(event)
    found = made.result("call-1", 7, {})
    assert found is not None
    answer = json.loads(found.response or "")
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "upstream-model"
    assert answer["choices"] == [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {
                "role": "assistant",
                "content": "Hello from [redacted email] and [redacted key] too.",
            },
        }
    ]


def test_a_secret_that_comes_in_pieces_is_found() -> None:
    accumulated = Accumulator()
    for letter in KEY:
        accumulated.add(chunk({"content": letter}))
    assert "sk-" not in shown(accumulated.answer(), DEFAULT)


def test_choices_and_tool_calls_are_put_together_by_their_index() -> None:
    call = {"index": 1, "id": "call_1", "type": "function"}
    deltas: list[tuple[int, dict[str, Any]]] = [
        (1, {"role": "assistant", "content": None}),
        (0, {"role": "assistant", "content": "a"}),
        (1, {"tool_calls": [call | {"function": {"name": "f", "arguments": '{"x"'}}]}),
        (0, {"content": "b", "reasoning_content": "why"}),
        (1, {"tool_calls": [call | {"function": {"name": "f", "arguments": ":1}"}}]}),
        (1, {"tool_calls": [{"index": 0, "function": {"name": "g", "arguments": ""}}]}),
    ]
    accumulated = Accumulator()
    for index, delta in deltas:
        accumulated.add({"choices": [{"index": index, "delta": delta}]})
    first, second = accumulated.answer()["choices"]
    assert first["message"] == {"role": "assistant", "content": "ab", "reasoning_content": "why"}
    assert second["message"] == {
        "role": "assistant",
        "tool_calls": [
            {"index": 0, "function": {"name": "g"}},
            call | {"function": {"name": "f", "arguments": '{"x":1}'}},
        ],
    }


def test_text_completions_stream_text() -> None:
    accumulated = Accumulator()
    for text in ("a ", "b"):
        accumulated.add({"object": "text_completion", "choices": [{"index": 0, "text": text}]})
    assert accumulated.answer() == {
        "object": "text_completion",
        "choices": [{"index": 0, "text": "a b"}],
    }


def test_events_of_anthropics_make_a_message() -> None:
    tool = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": text} for text in ('{"x"', ":1}")]
    citation = {"type": "page_location", "cited_text": "a"}
    events = [
        messages.start(),
        {"type": "ping"},
        *messages.block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "H"},
            {"type": "thinking_delta", "thinking": "m."},
            {"type": "signature_delta", "signature": "c2ln"},
        ),
        *messages.block(
            1,
            {"type": "text", "text": ""},
            {"type": "citations_delta", "citation": citation},
            {"type": "text_delta", "text": "a"},
            {"type": "text_delta", "text": "b"},
        ),
        *messages.block(2, tool, *pieces),
        *messages.block(3, tool),
        *messages.block(4, tool, pieces[0]),
        *messages.end(messages.counts(completion=9), "tool_use"),
    ]
    accumulated = Accumulator()
    for event in events:
        accumulated.add(event)
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "ab", "citations": [citation]},
        tool | {"input": {"x": 1}},
        tool,
        # What is not whole stays as it came.
        tool | {"input": '{"x"'},
    ]
    whole = messages.message("", content=content, stop_reason="tool_use")
    whole |= {"usage": messages.counts(completion=9)}
    assert accumulated.answer() == {n: value for n, value in whole.items() if value is not None}


def test_a_long_stream_is_kept_up_to_the_size_and_marked() -> None:
    made = recording()
    for number in range(40_000):
        made.chunk(chunk({"content": f"word {number} "}))
    found = made.result("call-1", 7, {})
    assert found is not None
    assert found.response is not None
    assert len(found.response) <= MOST_CHARACTERS
    assert CUT in found.response


@pytest.mark.parametrize("item", [1, {"token": "x"}, {"index": 2**40}])
def test_a_stream_of_items_is_not_kept_for_ever(item: Any) -> None:
    accumulated = Accumulator()
    for number in range(20_000):
        one = item | {"index": number} if isinstance(item, dict) and "index" in item else item
        accumulated.add({"choices": [{"index": 0, "logprobs": {"content": [one]}}]})
    assert len(accumulated.answer()["choices"][0]["logprobs"]["content"]) < 6000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text() | st.sampled_from(["choices", "index", "delta"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)
bodies = st.dictionaries(st.text(), json_values, max_size=5)
events = st.fixed_dictionaries(
    {"choices": st.lists(st.dictionaries(st.sampled_from(["index", "delta", "text"]), json_values))}
)


@given(bodies)
def test_any_json_stays_json_and_once_shown_does_not_change(body: Any) -> None:
    once = kept(body)
    assert kept(once) == once
    assert set(once) >= {name for name in body if name.isalpha() and name.isascii()}


of_anthropics = st.fixed_dictionaries(
    {"type": st.sampled_from(["message_start", "content_block_start", "content_block_delta"])},
    optional=dict.fromkeys(["message", "content_block", "delta", "index", "content"], json_values),
)


@given(st.lists(bodies | events | of_anthropics | st.just({"choices": [1, None, "x"]}), max_size=4))
@example([{"type": "message_start", "message": {"choices": False}}])
@example([{"type": "response.created", "response": {}}, {"output": 1}])
def test_no_chunk_makes_recording_fail(parts: list[Any]) -> None:
    made = recording()
    for part in parts:
        made.chunk(part)
    found = made.result("call-1", 7, {"half": "\ud800"})
    assert found is not None
    assert json.loads(found.request) == {"half": "?"}
    assert parts == [] or found.response is not None


def test_what_cannot_be_recorded_is_logged_and_the_call_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unreadable:
        def __str__(self) -> str:
            raise ValueError("no text")

    made = recording()
    made.chunk([1, 2])  # type: ignore[arg-type]
    assert "A chunk is missing" in caplog.text
    assert made.result("call-1", 7, {"a": Unreadable()}) is None
    assert "The prompt and answer of call-1 could not be stored" in caplog.text
