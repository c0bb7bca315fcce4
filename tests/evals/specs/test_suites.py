"""What an operator may say of a suite and its gate."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given

from gateway.errors import InvalidField
from gateway.evals.records import Case, Dataset, Gate, Suite
from gateway.evals.specs import (
    check_columns_used,
    described_suite,
    evaluator_record,
    suite_description,
    suite_record,
)
from tests.specs.values import objects

Json = dict[str, Any]

NOW = 1_764_000_000
LEAST: Json = {"name": "ci", "dataset": "faq", "models": ["a"], "evaluators": ["x"]}
FULL: Json = LEAST | {
    "models": ["a", "b"],
    "messages": [{"role": "system", "content": "Be brief."},
                 {"role": "user", "content": "{{item.input}}"}],
    "params": {"temperature": 0},
    "repeat": 3,
    "concurrency": 8,
    "max_cost": 1.5,
    "gate": {"pass_rate": 0.9, "max_error_rate": 0.02, "max_cost": 1,
             "no_regression_vs": "baseline"},
    "baseline": "run_1",
}  # fmt: skip


def test_every_part_of_a_record() -> None:
    suite = suite_record(FULL, NOW)
    assert suite.id.startswith("suite_")
    assert suite == Suite(
        id=suite.id,
        name="ci",
        dataset="faq",
        models=("a", "b"),
        evaluators=("x",),
        messages=tuple(FULL["messages"]),
        params={"temperature": 0},
        repeat=3,
        concurrency=8,
        max_cost=1_500_000_000,
        gate=Gate(0.9, 0.02, 1_000_000_000, "baseline"),
        baseline="run_1",
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize("description", [LEAST, FULL])
def test_a_description_comes_back_from_its_record(description: Json) -> None:
    suite = suite_record(description, NOW)
    assert suite_description(suite) == description
    assert described_suite(suite, description, NOW) == suite


def test_another_description_takes_the_place_of_all_of_it() -> None:
    suite = suite_record(FULL, NOW)
    least = described_suite(suite, LEAST, NOW + 1)
    assert least == Suite(suite.id, "ci", "faq", ("a",), ("x",), created_at=NOW, updated_at=NOW + 1)


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"name": None}, "name", "valid string"),
        ({"dataset": ""}, "dataset", "at least 1"),
        ({"models": []}, "models", "at least 1"),
        ({"models": "a"}, "models", "tuple"),
        ({"models": ["a", "a"]}, "models", "each name once"),
        ({"evaluators": ["x", 5]}, "evaluators.1", "valid string"),
        ({"evaluators": ["x", "x"]}, "evaluators", "each name once"),
        ({"messages": [{"role": "user", "content": "{{sample.output_text}}"}]}, "messages.0",
         "there are {{item.…}}"),
        ({"params": {"stream": True}}, "params.stream", "by itself"),
        ({"repeat": 0}, "repeat", "greater than or equal to 1"),
        ({"repeat": 1000}, "repeat", "less than or equal to 100"),
        ({"concurrency": 65}, "concurrency", "less than or equal to 64"),
        ({"max_cost": -1}, "max_cost", "greater than or equal to 0"),
        ({"gate": {"pass_rate": 90}}, "gate.pass_rate", "less than or equal to 1"),
        ({"gate": {"pasrate": 0.9}}, "gate.pasrate", "did you mean pass_rate?"),
        ({"gate": []}, "gate", "GateSpec"),
        ({"evaluator": ["x"]}, "evaluator", "did you mean evaluators?"),
    ],
)  # fmt: skip
def test_a_bad_suite_is_refused_by_the_name_of_its_field(
    change: Json, param: str, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        suite_record(LEAST | change, NOW)
    assert refused.value.param == param
    assert message in refused.value.message


@pytest.mark.parametrize("description", [None, [], "x"])
def test_a_suite_is_an_object(description: Any) -> None:
    with pytest.raises(InvalidField, match="by a JSON object"):
        suite_record(description, NOW)


@given(objects(FULL))
def test_any_description_is_one_or_is_refused(description: Any) -> None:
    try:
        suite = suite_record(description, NOW)
    except InvalidField:
        return
    again = suite_record(suite_description(suite), NOW)
    assert dataclasses.replace(again, id=suite.id) == suite


def test_columns_that_no_case_has_are_refused() -> None:
    cases = (Case("1", "q", fields={"a": 1}), Case("2", "q"))
    dataset = Dataset("d", "faq", None, cases, "v", NOW, NOW)
    fits = evaluator_record(
        {"name": "fits", "type": "text", "operation": "contains_any",
         "value": ["{{item.a}}", "{{item.expected}}"]}, NOW)  # fmt: skip
    check_columns_used(dataset, [fits], [{"role": "user", "content": "{{item.a}}"}])
    prompt = [{"role": "user", "content": [{"text": "{{item.answer}}"}]}]
    lacks = evaluator_record(
        {"name": "lacks", "type": "score_model", "judge": "j", "prompt": prompt}, NOW
    )
    with pytest.raises(InvalidField) as refused:
        check_columns_used(dataset, [fits, lacks])
    assert (refused.value.param, refused.value.message) == (
        "evaluators",
        "evaluators: the evaluator lacks refers to {{item.answer}}; the dataset faq has a",
    )
    with pytest.raises(InvalidField, match="messages refers to") as refused:
        check_columns_used(dataset, [], prompt)
    assert refused.value.param == "messages"
