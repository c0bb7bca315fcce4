"""Likeness of meaning, functions of one's own, and what all evaluators share."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import InvalidField
from gateway.evals.calls import CallFailed
from gateway.evals.evaluators import custom
from gateway.evals.records import Case, Item, Score
from tests.evals.callers import FakeCaller, Json, embedded, score

COSINE: Json = {
    "type": "text_similarity",
    "metric": "cosine",
    "embedding": "e",
    "pass_threshold": 0.5,
}
HERE = "tests.evals.evaluators.test_others"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (embedded([1, 2], [2, 4]), 1),
        (embedded([1, 0], [0, 1]), 0),
        (embedded([1, 0], [-1, 0]), 0),
        (embedded([3, 4], [4, 3]), 24 / 25),
        ({"data": list(reversed(embedded([3, 4], [4, 3])["data"]))}, 24 / 25),
    ],
)
async def test_the_angle_between_meanings(answer: Json, expected: float) -> None:
    caller = FakeCaller(answer)
    found = await score(COSINE, "City", caller=caller)
    assert found.score == pytest.approx(expected)
    assert found.passed == (expected >= 0.5)
    assert caller.calls == [("e", {"input": ["City", "London"]})]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (embedded([1, 2]), "two embeddings"),
        (embedded([1, 2], [1]), "cannot be compared"),
        (embedded([0, 0], [1, 0]), "cannot be compared"),
        ({"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "x"}]}, "two emb"),
        ({}, "two embeddings"),
        (CallFailed("503"), "503"),
    ],
)
async def test_embeddings_that_are_none(answer: Any, message: str) -> None:
    found = await score(COSINE, caller=FakeCaller(answer))
    assert found.passed is None
    assert found.error is not None
    assert message in found.error


def judge(case: Case, item: Item, result: Any = None) -> Any:
    """A function of one's own, as this module has it."""
    if result == "raise":
        raise ValueError("no")
    return item.output == case.expected if result is None else result


async def judge_later(_: Case, __: Item) -> Score:
    return Score("ignored", 0.4, reason="r")


def passes(*_: Any) -> Score:
    return Score("ignored", 0.4, passed=True)


def gives_up(*_: Any) -> Score:
    return Score("ignored", error="cannot say")


@pytest.mark.parametrize(
    ("description", "expected", "passed", "reason"),
    [
        ({"function": f"{HERE}:judge"}, 1.0, True, None),
        ({"function": f"{HERE}:judge", "arguments": {"result": False}}, 0.0, False, None),
        ({"function": f"{HERE}:judge", "arguments": {"result": 0.25}}, 0.25, None, None),
        ({"function": f"{HERE}:judge", "arguments": {"result": 1}, "pass_threshold": 0.5}, 1.0,
         True, None),
        ({"function": f"{HERE}:judge_later", "pass_threshold": 0.5}, 0.4, False, "r"),
        ({"function": f"{HERE}:passes", "pass_threshold": 0.5}, 0.4, True, None),
        ({"function": "mine"}, 1.0, True, None),
    ],
)  # fmt: skip
async def test_functions_of_ones_own(
    description: Json,
    expected: float,
    passed: bool | None,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = SimpleNamespace(load=lambda: judge)
    monkeypatch.setattr(custom, "entry_points", lambda group: {"mine": point} if group else {})
    found = await score({"type": "python"} | description, allow_python=True)
    assert found == Score("it", expected, passed, reason)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"function": f"{HERE}:judge", "arguments": {"result": "raise"}}, "judge: ValueError: no"),
        ({"function": f"{HERE}:judge", "arguments": {"other": 1}}, "judge: TypeError"),
        ({"function": f"{HERE}:judge", "arguments": {"result": 2}}, "gave 2, which is no score"),
        ({"function": f"{HERE}:judge", "arguments": {"result": "x"}}, "gave 'x', which is no"),
        ({"function": f"{HERE}:gives_up"}, "cannot say"),
    ],
)
async def test_what_a_function_gives_that_is_no_score(description: Json, message: str) -> None:
    found = await score({"type": "python"} | description, allow_python=True)
    assert found.passed is None
    assert found.error is not None
    assert message in found.error


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("no_such_module:f", "cannot be imported: ModuleNotFoundError"),
        (f"{HERE}:no_such_function", "cannot be imported: AttributeError"),
        (f"{HERE}:HERE", "is no function"),
        ("no_such_point", "is no entry point of gateway.evaluators; there are none"),
    ],
)
async def test_a_function_that_is_not_there(function: str, message: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await score({"type": "python", "function": function}, allow_python=True)
    assert message in refused.value.message
    assert refused.value.param == "function"


async def test_functions_are_run_for_nobody_who_sends_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.import_module", lambda _: pytest.fail("imported"))
    with pytest.raises(InvalidField, match="from the command line alone") as refused:
        await score({"type": "python", "function": f"{HERE}:judge"})
    assert refused.value.param == "evaluators"


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, gateway.evals.evaluators\n"
        "print({'autoevals', 'jsonschema', 'rapidfuzz', 'regex', 'openai', 'litellm'}"
        " & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
