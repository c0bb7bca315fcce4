"""Gates: what passes, what fails and why, and that nothing passes by being absent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.evals.comparison import Comparison, compare
from gateway.evals.gates import Check, Verdict, verdict_of
from gateway.evals.records import Gate, RunWithItems
from gateway.evals.results import results_of
from tests.evals.runs import Said, evaluation


def verdict(
    made: RunWithItems, comparison: Comparison | None = None, not_compared: str | None = None
) -> Verdict:
    found = verdict_of(made, results_of(made), comparison, not_compared)
    assert found is not None
    return found


def check(found: Verdict, name: str) -> Check:
    [only] = [each for each in found.checks if each.name == name]
    return only


def test_without_a_gate_there_is_no_verdict() -> None:
    made = evaluation({"gpt": [False]})
    assert verdict_of(made, results_of(made)) is None


def test_all_that_is_asked_for_is_checked_and_told() -> None:
    gate = Gate(pass_rate=0.9, max_error_rate=0.05, max_cost=50_000_000)
    made = evaluation({"gpt": [True] * 38 + [False, None]}, gate=gate)
    found = verdict(made)
    assert found.passed
    assert [each.name for each in found.checks] == [
        "completed",
        "judged",
        "pass_rate",
        "max_error_rate",
        "max_cost",
    ]
    rate = check(found, "pass_rate")
    assert rate.wanted == 0.9
    assert rate.got == pytest.approx(38 / 39)
    assert (rate.target, rate.evaluator) == ("gpt", "exact")
    assert rate.reason == (
        "97.4 % of 39 cases passed, 90.0 % are wanted; the 95 % interval reaches down to 86.8 %; "
        "errors: 1 in calls to the model, 0 in evaluations."
    )
    cost = check(found, "max_cost")
    assert (cost.wanted, cost.got) == (0.05, 0.039)
    assert cost.reason == "The run cost $0.039, at most $0.05 is allowed."


@pytest.mark.parametrize(
    ("said", "gate", "failing"),
    [
        ([True] * 9 + [False], Gate(pass_rate=0.9), []),
        ([True] * 8 + [False] * 2, Gate(pass_rate=0.9), ["pass_rate"]),
        ([True] * 49 + [None], Gate(max_error_rate=0.02), []),
        ([True] * 48 + [None] * 2, Gate(max_error_rate=0.02), ["max_error_rate"]),
        ([True] * 48 + ["no grade"] * 2, Gate(max_error_rate=0.02), ["max_error_rate"]),
        ([True] * 10, Gate(max_cost=10_000_000), []),
        ([True] * 11, Gate(max_cost=10_000_000), ["max_cost"]),
        # Nothing is there to say that it did not pass.
        ([None] * 10, Gate(pass_rate=0.0), ["judged", "pass_rate"]),
        (["no grade"] * 10, Gate(pass_rate=0.0), ["judged", "pass_rate"]),
        ([0.9] * 10, Gate(pass_rate=0.5), ["pass_rate"]),
        ([None] * 10, Gate(), ["judged"]),
        ([], Gate(pass_rate=0.5, max_error_rate=1), ["judged", "pass_rate"]),
    ],
)
def test_what_fails(said: list[Said], gate: Gate, failing: list[str]) -> None:
    found = verdict(evaluation({"gpt": said}, gate=gate))
    names = [each.name for each in found.failures]
    assert [name for name in names if name != "max_error_rate" or said] == failing
    assert found.passed == (not failing)


def test_a_run_without_evaluators_passes_no_gate() -> None:
    made = evaluation({"gpt": [True] * 5}, gate=Gate(pass_rate=0.1, max_error_rate=0.1))
    made = RunWithItems(replace(made.run, evaluators=()), made.items)
    assert [each.name for each in verdict(made).failures] == ["judged", "pass_rate"]


def test_rounding_does_not_decide() -> None:
    # In floating point, the mean of 1, 1, 1, 0.2 and 0.2 is less than 0.68.
    once = [True, False, False, False, False]
    made = evaluation({"gpt": [[True] * 5, [True] * 5, [True] * 5, once, once]})
    made = RunWithItems(replace(made.run, gate=Gate(pass_rate=0.68)), made.items)
    assert verdict(made).passed


def test_each_target_must_pass() -> None:
    made = evaluation({"gpt": [True] * 10, "llama": [False] * 10}, gate=Gate(pass_rate=0.5))
    found = verdict(made)
    assert [(each.name, each.target) for each in found.failures] == [("pass_rate", "llama")]


@pytest.mark.parametrize("status", ["running", "failed", "cancelled", "interrupted"])
def test_a_run_that_did_not_complete_fails(status: str) -> None:
    made = evaluation(
        {"gpt": [True] * 5}, gate=Gate(pass_rate=0.5), status=status, error="its cap was reached"
    )
    [failure] = verdict(made).failures
    assert failure.name == "completed"
    assert failure.reason == f"The run is {status}: its cap was reached"


def test_a_run_that_lacks_answers_fails_whatever_its_status() -> None:
    made = evaluation({"gpt": [True] * 5}, gate=Gate(pass_rate=0.5))
    [failure] = verdict(RunWithItems(made.run, made.items[:4])).failures
    assert (failure.name, "4 of 5" in failure.reason) == ("completed", True)


def test_an_unknown_cost_is_not_a_low_one() -> None:
    made = evaluation({"gpt": [True]}, item={"cost": None}, gate=Gate(max_cost=10))
    [failure] = verdict(made).failures
    assert failure.name == "max_cost"
    assert "input_cost_per_token" in failure.reason


def test_judges_count_towards_the_cost() -> None:
    made = evaluation({"gpt": [True]}, item={"judge_cost": 5}, gate=Gate(max_cost=1_000_004))
    assert not verdict(made).passed


def test_a_clear_regression_fails() -> None:
    base = evaluation({"gpt": [True] * 40}, id="run_base")
    gate = Gate(no_regression_vs="baseline")
    worse = evaluation({"gpt": [False] * 12 + [True] * 28}, gate=gate)
    [failure] = verdict(worse, compare(worse, base)).failures
    assert failure.name == "no_regression_vs"
    assert failure.got == pytest.approx(-0.3)
    assert failure.reason == (
        "The pass rate changed by −30.0 points, 95 % interval −43.7 to −13.4: of 40 cases 0 fixed, "
        "12 regressed."
    )
    same = evaluation({"gpt": [False] * 2 + [True] * 38}, gate=gate)
    assert verdict(same, compare(same, base)).passed


def test_scores_alone_regress_too() -> None:
    base = evaluation({"gpt": [0.9, 0.8] * 20}, id="run_base")
    made = evaluation({"gpt": [0.6, 0.4] * 20}, gate=Gate(no_regression_vs="run_base"))
    [failure] = verdict(made, compare(made, base)).failures
    assert failure.reason.startswith("The score changed by −35.0 points")
    assert failure.reason.endswith("of 40 cases 0 higher, 40 lower.")


def test_a_comparison_of_nothing_fails() -> None:
    base = evaluation({"gpt": [True, None]}, id="run_base")
    made = evaluation({"gpt": [None, True]}, gate=Gate(no_regression_vs="run_base"))
    [failure] = verdict(made, compare(made, base)).failures
    assert failure.reason == "No case has a verdict both in the base and now."


@pytest.mark.parametrize(
    ("versus", "not_compared", "passed", "part"),
    [
        ("baseline", None, True, "no baseline yet"),
        ("baseline", "Run run_9 was deleted.", False, "Run run_9 was deleted."),
        ("run_9", None, False, "no run run_9"),
    ],
)
def test_without_a_comparison(
    versus: str, not_compared: str | None, passed: bool, part: str
) -> None:
    made = evaluation({"gpt": [True]}, gate=Gate(no_regression_vs=versus))
    found = verdict(made, None, not_compared)
    assert found.passed is passed
    assert part in check(found, "no_regression_vs").reason
