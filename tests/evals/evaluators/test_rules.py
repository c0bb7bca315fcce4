"""Evaluators that ask nobody: what passes, what fails, and what cannot be told."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.evaluators import patterns
from gateway.evals.evaluators.numbers import number_in
from gateway.evals.records import Item
from tests.evals.callers import CASE, Json, answer, score

UNEXPECTING = dataclasses.replace(CASE, expected=None)
DOCUMENT = dataclasses.replace(CASE, expected={"city": "London", "n": [1, 2]})
CODE = '```json\n{"a": 1}\n```'
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("description", "output", "passed"),
    [
        ({"type": "string_check", "operation": "eq"}, "London", True),
        ({"type": "string_check", "operation": "eq"}, "London.", False),
        ({"type": "string_check", "operation": "ne"}, "London.", True),
        ({"type": "string_check", "operation": "ne"}, "London", False),
        ({"type": "string_check", "operation": "like"}, "It is London.", True),
        ({"type": "string_check", "operation": "like"}, "It is LONDON.", False),
        ({"type": "string_check", "operation": "ilike"}, "It is LONDON.", True),
        ({"type": "string_check", "operation": "ilike", "reference": "STRASSE"}, "Straße", True),
        ({"type": "string_check", "operation": "ilike"}, "Lond", False),
        ({"type": "string_check", "operation": "eq", "input": "{{sample.output_json.city}}"},
         '{"city": "London"}', True),
        ({"type": "text", "operation": "contains_any", "value": "Paris, London"}, "London!", True),
        ({"type": "text", "operation": "contains_any", "value": ["a, b"]}, "a", False),
        ({"type": "text", "operation": "contains_any", "value": ["{{item.expected}}"]}, "London",
         True),
        ({"type": "text", "operation": "contains_all", "value": "a,b"}, "b a", True),
        ({"type": "text", "operation": "contains_all", "value": "a,b"}, "a", False),
        ({"type": "text", "operation": "not_contains_any", "value": "a,b"}, "c", True),
        ({"type": "text", "operation": "not_contains_any", "value": "a,b"}, "b", False),
        ({"type": "text", "operation": "not_contains_all", "value": "a,b"}, "a", True),
        ({"type": "text", "operation": "not_contains_all", "value": "a,b"}, "ab", False),
        ({"type": "text", "operation": "starts_with", "value": "a,b"}, "bc", True),
        ({"type": "text", "operation": "starts_with", "value": "a,b"}, "Bc", False),
        ({"type": "text", "operation": "starts_with", "value": "a,b", "ignore_case": True}, "Bc",
         True),
        ({"type": "text", "operation": "not_starts_with", "value": "a"}, "ba", True),
        ({"type": "text", "operation": "not_starts_with", "value": "a"}, "ab", False),
        ({"type": "exact"}, "London", True),
        ({"type": "exact"}, " London", False),
        ({"type": "exact"}, "london", False),
        ({"type": "exact", "ignore_case": True}, "london", True),
        ({"type": "exact", "ignore_whitespace": True}, "\n London ", True),
        ({"type": "exact", "ignore_punctuation": True}, "London.”", True),
        ({"type": "exact", "ignore_punctuation": True}, "Lon.don", False),
        ({"type": "exact", "reference": "{{item.level}}"}, "3", True),
        ({"type": "regex", "pattern": r"\bLon"}, "In London", True),
        ({"type": "regex", "pattern": r"^Lon"}, "In London", False),
        ({"type": "regex", "pattern": r"lon", "ignore_case": True}, "London", True),
        ({"type": "regex", "pattern": r"Lon", "whole": True}, "London", False),
        ({"type": "regex", "pattern": r"Lon.*", "whole": True}, "Lon\ndon", False),
        ({"type": "regex", "pattern": r"Lon.*", "whole": True, "dotall": True}, "Lon\ndon", True),
        ({"type": "regex", "pattern": r"^don", "multiline": True}, "Lon\ndon", True),
        ({"type": "regex", "pattern": "sorry", "negate": True}, "London", True),
        ({"type": "regex", "pattern": "sorry", "negate": True}, "sorry", False),
        ({"type": "json"}, '{"a": 1}', True),
        ({"type": "json"}, "5", True),
        ({"type": "json"}, CODE, False),
        ({"type": "json", "allow_fences": True}, CODE, True),
        ({"type": "json"}, "{'a': 1}", False),
        ({"type": "json"}, "", False),
        ({"type": "json"}, "[" * 100_000, False),
        ({"type": "json", "valid": False}, "no", True),
        ({"type": "json", "valid": False}, "{}", False),
        ({"type": "json", "schema": OBJECT}, '{"a": 1}', True),
        ({"type": "json", "schema": OBJECT}, '{"a": "1"}', False),
        ({"type": "json", "schema": OBJECT, "valid": False}, "{}", True),
        ({"type": "json", "schema": {"pattern": "^L"}}, '"London"', True),
        ({"type": "json", "schema": {"pattern": "^P"}}, '"London"', False),
        ({"type": "json", "schema": {"patternProperties": {"^n_": {"type": "number"}},
                                     "additionalProperties": False}}, '{"n_a": 1}', True),
        ({"type": "json", "schema": {"patternProperties": {"^n_": {"type": "number"}}}},
         '{"n_a": "x"}', False),
        ({"type": "json", "schema": {"additionalProperties": False}}, '{"b": 1}', False),
        ({"type": "json", "schema": {"additionalProperties": {"type": "null"}}}, '{"b": 1}', False),
        ({"type": "json", "schema": {"additionalProperties": False,
                                     "patternProperties": {"a": True}}}, "[]", True),
    ],
)  # fmt: skip
async def test_what_passes_and_what_fails(description: Json, output: str, passed: bool) -> None:
    found = await score(description, output)
    assert (found.error, found.passed, found.score) == (None, passed, float(passed))
    assert passed or found.reason


@pytest.mark.parametrize(
    ("description", "passed"),
    [
        ({"measure": "latency_ms", "op": "<=", "value": 250}, True),
        ({"measure": "latency_ms", "op": "<", "value": 250}, False),
        ({"measure": "prompt_tokens", "op": "==", "value": 10}, True),
        ({"measure": "completion_tokens", "op": "!=", "value": 5}, False),
        ({"measure": "total_tokens", "op": ">", "value": 14}, True),
        ({"measure": "total_tokens", "op": ">=", "value": 15.5}, False),
        ({"measure": "cost_usd", "op": "<=", "value": 0.0015}, True),
        ({"measure": "cost_usd", "op": "==", "value": 0.0014, "tolerance": 0.001}, True),
        ({"measure": "output_chars", "op": "==", "value": "{{item.level}}"}, False),
        ({"measure": "output_number", "op": "==", "value": "{{item.level}}"}, True),
        ({"measure": "output_number", "op": "==", "value": 3.2, "tolerance": 0.25}, True),
        ({"measure": "output_number", "op": "!=", "value": 3.2, "tolerance": 0.25}, False),
    ],
)
async def test_numbers(description: Json, passed: bool) -> None:
    item = answer(
        "There are 3.",
        latency_ms=250,
        prompt_tokens=10,
        completion_tokens=5,
        cost=1_500_000,
    )
    found = await score({"type": "numeric"} | description, item)
    assert (found.error, found.passed) == (None, passed)
    assert found.reason is not None
    assert description["measure"] in found.reason


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("42", 42.0),
        ("The answer is -1,234.50.", -1234.5),
        ("from 3-5", 5.0),
        ("−7 °C", -7.0),
        ("$1,200", 1200.0),
        ("20%", 20.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("of 10,20", 20.0),
        ("gpt-4o", None),
        ("v3.4.1", None),
        ("", None),
        (2.5, 2.5),
        (True, None),
        ([1], None),
    ],
)
def test_the_number_in_an_answer(value: Any, number: float | None) -> None:
    assert number_in(value) == number


@given(st.text("0123456789,.eE+- x", max_size=20))
def test_any_text_has_a_number_or_none(text: str) -> None:
    assert isinstance(number_in(text), float | None)


async def test_an_answer_without_a_number_fails() -> None:
    found = await score({"type": "numeric", "measure": "output_number", "op": "==", "value": 1})
    assert (found.passed, found.reason) == (False, "the answer has no number")


@pytest.mark.parametrize(
    ("output", "least", "most"),
    [
        ('{"city": "London", "n": [1, 2]}', 1.0, 1.0),
        ('```\n{"n": [1, 2], "city": "London"}\n```', 1.0, 1.0),
        ('{"city": "London", "n": [1]}', 0.7, 0.8),
        ("[]", 0.0, 0.3),
        ("London", 0.0, 0.0),
    ],
)
async def test_how_near_json_is(output: str, least: float, most: float) -> None:
    found = await score({"type": "json_diff"}, output, case=DOCUMENT)
    assert found.error is None
    assert found.score is not None
    assert least <= found.score <= most
    assert found.passed == (found.score == 1)


@pytest.mark.parametrize(
    ("output", "passed"),
    [
        ('{"n": [1, 2], "city": "London"}', True),
        ('{"city": "London"}', False),
        ("x", False),
        ("[" * 500 + "]" * 500, False),
    ],
)
async def test_exactly_some_json_whatever_its_order(output: str, passed: bool) -> None:
    found = await score({"type": "exact"}, output, case=DOCUMENT)
    assert (found.error, found.passed) == (None, passed)


@pytest.mark.parametrize(
    ("description", "item", "message"),
    [
        ({"type": "exact"}, answer(), "the case has no expected"),
        ({"type": "string_check", "operation": "eq", "reference": "{{item.x}}"}, answer(),
         "the case has no x"),
        ({"type": "text", "operation": "contains_any", "value": " , "}, answer(),
         "nothing to look"),
        ({"type": "regex", "pattern": "a"}, answer("a" * 1_000_001), "over 1000000 characters"),
        ({"type": "json", "schema": {"$ref": "#"}}, answer("1"), "refers to itself without end"),
        ({"type": "numeric", "measure": "latency_ms", "op": "<", "value": 1}, answer(),
         "not known how long"),
        ({"type": "numeric", "measure": "cost_usd", "op": "<", "value": 1}, answer(),
         "no known price"),
        ({"type": "numeric", "measure": "output_number", "op": "<", "value": "{{item.context}}"},
         answer("1"), "no number to compare"),
        ({"type": "json_diff", "reference": "x"}, answer(), "answer is not JSON"),
        ({"type": "json_diff", "reference": "{}"}, answer("x" * 50_001), "over 50000 characters"),
        ({"type": "text_similarity", "metric": "levenshtein", "reference": "x",
          "pass_threshold": 1}, answer("x" * 50_001), "over 50000 characters"),
        ({"type": "tool_use", "expected": "{{item.level}}"}, answer(), "names of tools"),
        ({"type": "tool_use", "expected": [{"a": 1}]}, answer(), "names of tools"),
        ({"type": "exact"}, answer(None, error="429"), "there is no answer"),
    ],
)  # fmt: skip
async def test_what_cannot_be_told_is_an_error_and_no_failure(
    description: Json, item: Item, message: str
) -> None:
    found = await score(description, item, case=UNEXPECTING)
    assert (found.score, found.passed, found.reason) == (None, None, None)
    assert found.error is not None
    assert message in found.error


@pytest.mark.parametrize(
    "description",
    [
        {"type": "regex", "pattern": "(a|aa)+$"},
        {"type": "json", "schema": {"pattern": "(a|aa)+$"}},
    ],
)
async def test_a_pattern_that_takes_for_ever_is_ended(
    description: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 0.05)
    found = await score(description, '"' + "a" * 60 + 'b"')
    assert found.passed is None
    assert found.error is not None
    assert "took longer than" in found.error


async def test_an_answer_that_lacks_what_is_compared_fails() -> None:
    description = {
        "type": "string_check",
        "operation": "eq",
        "input": "{{sample.output_json.city}}",
    }
    found = await score(description, "London")
    assert (found.score, found.passed, found.reason) == (0.0, False, "the answer is not JSON")


@pytest.mark.parametrize(
    ("metric", "output", "reference", "expected"),
    [
        # rapidfuzz's own documentation.
        ("fuzzy_match", "this is a test", "this is a test!", 0.9655),
        ("levenshtein", "kitten", "sitting", 1 - 3 / 7),
        # Winkler 1990: MARTHA and MARHTA.
        ("jaro_winkler", "MARTHA", "MARHTA", 0.9611),
        # Lin 2004, section 3.1: its second and third candidates.
        ("rouge_l", "police kill the gunman", "police killed the gunman", 0.75),
        ("rouge_l", "the gunman kill police", "police killed the gunman", 0.5),
        ("rouge_2", "the gunman kill police", "police killed the gunman", 1 / 3),
        ("rouge_2", "the gunman police killed", "police killed the gunman", 2 / 3),
        ("rouge_1", "Ünter der Linde", "der Linde", 0.8),
        ("rouge_5", "a b", "a b", 0.0),
        ("rouge_1", "", "", 0.0),
    ],
)
async def test_likeness(metric: str, output: str, reference: str, expected: float) -> None:
    description = {"type": "text_similarity", "metric": metric, "reference": reference}
    found = await score(description | {"pass_threshold": 0.75}, output)
    assert found.score == pytest.approx(expected, abs=1e-4)
    assert found.passed == (expected >= 0.75)


async def test_likeness_whatever_the_case() -> None:
    description = {"type": "text_similarity", "metric": "levenshtein", "pass_threshold": 1}
    assert (await score(description, "LONDON")).passed is False
    assert (await score(description | {"ignore_case": True}, "LONDON")).passed is True


def tools(*calls: tuple[str, str]) -> Item:
    return answer(
        None,
        tool_calls=tuple({"function": {"name": name, "arguments": text}} for name, text in calls),
    )


F_12 = ("f", '{"x": 1, "y": 2}')
F_1 = ("f", '{"x": 1}')
G = ("g", "")


@pytest.mark.parametrize(
    ("description", "item", "expected"),
    [
        ({"expected": ["f"]}, tools(F_1), 1),
        ({"expected": "f, g"}, tools(G, F_1), 1),
        ({"expected": "f, g", "ordered": True}, tools(G, F_1), 0.5),
        ({"expected": "f, g", "ordered": True}, tools(F_1, F_12, G), 0.8),
        ({"expected": ["f"]}, tools(F_1, G), 2 / 3),
        ({"expected": ["f"], "score": "recall"}, tools(F_1, G), 1),
        ({"expected": ["f", "g"], "score": "precision"}, tools(F_1), 1),
        ({"expected": ["f"], "score": "precision"}, tools(), 0),
        ({"expected": [{"name": "f", "arguments": {"x": 1}}]}, tools(F_12), 1),
        ({"expected": [{"name": "f", "arguments": {"x": 1}}], "match": "exact"}, tools(F_12), 0),
        ({"expected": [{"name": "f", "arguments": {"x": 2}}], "match": "name"}, tools(F_12), 1),
        ({"expected": [{"name": "f", "arguments": {"x": 2}}]}, tools(F_12), 0),
        # The first would take the only call the second can have.
        ({"expected": [{"name": "f", "arguments": {"x": 1}},
                       {"name": "f", "arguments": {"y": 2}}]}, tools(F_12, F_1), 1),
        ({"expected": [{"function": {"name": "f", "arguments": '{"x": 1}'}}]}, tools(F_12), 1),
        ({"expected": [{"name": "g", "arguments": {}}], "match": "exact"}, tools(G), 1),
        ({"expected": [{"name": "f", "arguments": {"x": 1}}]}, tools(("f", "{not json")), 0),
        ({"expected": []}, tools(), 1),
        ({"expected": []}, tools(G), 0),
        ({"expected": [], "score": "recall"}, tools(G), 1),
        ({"expected": "{{item.tools}}"}, tools(("search", "{}")), 1),
        ({"expected": '[{"name": "f"}]'}, tools(F_1), 1),
    ],
)  # fmt: skip
async def test_tools_that_should_have_been_called(
    description: Json, item: Item, expected: float
) -> None:
    found = await score({"type": "tool_use"} | description, item)
    assert found.error is None
    assert found.score == pytest.approx(expected)
    assert found.passed == (expected == 1)


_answers = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([10**400, -1, 0, 0.1, 1e308, "London", "-1e999", "a" * 40])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "city", "n"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(
        [
            {"type": "exact"},
            {"type": "exact", "ignore_punctuation": True, "ignore_whitespace": True},
            {"type": "regex", "pattern": "^(a+)+$"},
            {"type": "json", "schema": {"multipleOf": 0.1, "additionalProperties": OBJECT}},
            {"type": "json_diff"},
            {"type": "numeric", "measure": "output_number", "op": "<", "value": 5},
            {"type": "numeric", "measure": "output_number", "op": "==", "value": 1e308,
             "tolerance": 1e308, "input": "{{sample.output_json}}"},
            {"type": "text_similarity", "metric": "rouge_l", "pass_threshold": 0.5},
            {"type": "tool_use", "expected": "{{sample.output_json}}"},
            *({"type": "autoevals", "scorer": scorer}
              for scorer in ("ExactMatch", "JSONDiff", "Levenshtein", "NumericDiff", "ValidJSON")),
        ]
    ),
    _answers.map(json.dumps) | st.text(max_size=30),
    _answers,
)  # fmt: skip
async def test_any_answer_is_scored_or_cannot_be(
    description: Json, output: str, expected: Any
) -> None:
    found = await score(description, output, case=dataclasses.replace(CASE, expected=expected))
    if found.error is None:
        assert found.score is not None
        assert 0 <= found.score <= 1
        assert found.passed is None or isinstance(found.passed, bool)
    else:
        assert (found.score, found.passed) == (None, None)


async def test_reasons_are_bounded() -> None:
    schema = {"type": "json", "schema": {"type": "object"}}
    found = await score(schema, '"' + "x" * 100_000 + '"')
    assert found.reason is not None
    assert len(found.reason) < 2100
