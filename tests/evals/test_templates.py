"""References to a case and an answer: what they give, and what they say where there is nothing."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.records import Case, Item
from gateway.evals.templates import (
    Missing,
    NotInAnswer,
    check_template,
    columns_of,
    json_of,
    rendered,
    rendered_messages,
    value_of,
)

CASE = Case(
    "uk",
    "Capital of UK?",
    {"city": "London", "rank": [1, 2]},
    ("geo", "easy"),
    {"level": 3, "note": '{"a": {"b": "c"}}', "none": None, "two words": "x"},
)
TALK = Case("t", ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}))
ITEM = Item("r", "m", "uk", 0, '{"answer": {"city": "Paris"}}', ({"function": {"name": "f"}},))


@pytest.mark.parametrize(
    ("template", "text", "value"),
    [
        ("{{item.input}}", "Capital of UK?", "Capital of UK?"),
        ("{{ item.id }}", "uk", "uk"),
        ("{{item.tags}}", '["geo", "easy"]', ["geo", "easy"]),
        ("{{item.tags[1]}}", "easy", "easy"),
        ("{{item.expected.city}}", "London", "London"),
        ("{{item.expected.rank.1}}", "2", 2),
        ("{{item.expected.rank}}", "[1, 2]", [1, 2]),
        ("{{item.level}}", "3", 3),
        ("{{item.two words}}", "x", "x"),
        ("{{item.note.a.b}}", "c", "c"),
        ("{{item.none}}", "null", None),
        ("{{sample.output_text}}", ITEM.output, ITEM.output),
        ("{{sample.output_json.answer.city}}", "Paris", "Paris"),
        ("{{sample.output_tools[0].function.name}}", "f", "f"),
        ("{{item.id}}-{{item.level}}", "uk-3", "uk-3"),
        ("{ {item.id} } {{}", "{ {item.id} } {{}", "{ {item.id} } {{}"),
        ("", "", ""),
    ],
)
def test_what_references_stand_for(template: str, text: str, value: Any) -> None:
    check_template(template)
    assert rendered(template, CASE, ITEM) == text
    assert value_of(template, CASE, ITEM) == value


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{item.nothing}}", "the case has no nothing"),
        ("{{item.expected.town}}", "the case has no expected.town"),
        ("{{item.expected.rank[2]}}", "the case has no expected.rank.2"),
        ("{{item.level.x}}", "the case has no level.x"),
        ("{{item.input.x}}", "the case has no input.x"),
    ],
)
def test_what_a_case_does_not_have(template: str, message: str) -> None:
    with pytest.raises(Missing, match=message) as missing:
        rendered(template, CASE, ITEM)
    assert not isinstance(missing.value, NotInAnswer)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("Paris", "the answer is not JSON"),
        (None, "the answer is not JSON"),
        ('{"answer": 5}', "the answer has no answer.city"),
        ("[" * 100_000, "the answer is not JSON"),
    ],
)
def test_what_an_answer_does_not_have(output: str | None, message: str) -> None:
    with pytest.raises(NotInAnswer, match=message):
        rendered("{{sample.output_json.answer.city}}", CASE, Item("r", "m", "uk", 0, output))


def test_a_case_without_a_right_answer() -> None:
    with pytest.raises(Missing, match="the case has no expected"):
        rendered("{{item.expected}}", TALK, ITEM)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{input}}", "{{input}} refers to nothing; there are {{item.…}} and {{sample.…}}"),
        ("{{item}}", "refers to nothing"),
        ("{{item.}}", "refers to nothing"),
        ("{{item..a}}", "refers to nothing"),
        ("{{sample.output_txt}}", "did you mean output_text?"),
        ("{{sample.choices}}", "there are output_text, output_json, output_tools"),
        ("{{sample}}", "refers to nothing"),
        ("{{}}", "refers to nothing"),
        ("x {{item.a}} {{1+1}}", "{{1+1}} refers to nothing"),
    ],
)
def test_references_to_nothing_are_refused(template: str, message: str) -> None:
    with pytest.raises(ValueError, match="refers to nothing") as refused:
        check_template(template)
    assert message in str(refused.value)


def test_a_request_refers_to_no_answer() -> None:
    with pytest.raises(ValueError, match=r"sample.output_text"):
        check_template("{{sample.output_text}}", sample=False)


@given(st.text(st.sampled_from("{}item.sampleoutput_text[0] "), max_size=40))
def test_whatever_is_accepted_is_rendered_or_missing(template: str) -> None:
    try:
        check_template(template)
    except ValueError:
        return
    with contextlib.suppress(Missing):
        assert "{{item.id}}" not in rendered(template, CASE, ITEM)


@given(st.text(max_size=20))
def test_what_is_put_in_is_not_read_again(text: str) -> None:
    case = Case("a", text + "{{item.id}}")
    assert rendered("<{{item.input}}>", case) == f"<{case.input}>"


def test_the_columns_a_template_refers_to() -> None:
    template = "{{item.input}} {{item.a.b}} {{ item.c }} {{sample.output_json.d}} {{item.tags}}"
    assert list(columns_of(template)) == ["a", "c"]


def test_a_conversation_is_read_as_lines() -> None:
    talk = Case(
        "t",
        (
            {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": {"a": 1}},
        ),
    )
    assert rendered("{{item.input}}", talk) == (
        'user: See\nassistant: [{"id": "1"}]\ntool: {"a": 1}'
    )


@pytest.mark.parametrize(
    ("messages", "case", "request_"),
    [
        ([], CASE, [{"role": "user", "content": "Capital of UK?"}]),
        ([], TALK, list(TALK.input)),
        (
            [{"role": "system", "content": "Level {{item.level}}"},
             {"role": "user", "content": [{"type": "text", "text": "Q: {{item.input}}"}]}],
            CASE,
            [{"role": "system", "content": "Level 3"},
             {"role": "user", "content": [{"type": "text", "text": "Q: Capital of UK?"}]}],
        ),
        (
            [{"role": "system", "content": "X"}, {"role": "user", "content": "{{ item.input }}"}],
            TALK,
            [{"role": "system", "content": "X"}, *TALK.input],
        ),
        (
            [{"role": "user", "content": "{{ item.input }}", "name": "n"}],
            CASE,
            [{"role": "user", "content": "Capital of UK?", "name": "n"}],
        ),
    ],
)  # fmt: skip
def test_a_request_for_a_case(messages: Any, case: Case, request_: Any) -> None:
    assert rendered_messages(messages, case) == request_


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"a": 1}', {"a": 1}), (" 5 ", 5), ("```json\n[1]\n```", [1]), ("```\n[1]```\n", [1])],
)
def test_json_perhaps_in_a_code_block(text: str, value: Any) -> None:
    assert json_of(text) == value


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[-Infinity]", "x ```[1]```", "[" * 100_000, "[" * 102 + "]" * 102]
)
def test_what_is_not_json(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, and ours
        json_of(text)
