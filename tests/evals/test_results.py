"""What a run comes to: repeats are averaged by case, errors stay out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.evals.records import Gate, RunWithItems
from gateway.evals.results import (
    EvaluatorResult,
    Pair,
    Results,
    TargetResult,
    case_results,
    results_of,
)
from tests.evals.runs import Said, evaluation, evaluator


def only(results: Results) -> EvaluatorResult:
    [found] = results.evaluators
    return found


def codes(results: Results) -> list[str]:
    return [each.code for each in results.notices]


def test_repeats_are_averaged_before_cases_are() -> None:
    made = evaluation({"gpt": [[True, True, True], [False, True, False]]})
    cases = case_results(made)[Pair("gpt", "exact")]
    assert [each.passes for each in cases.values()] == pytest.approx([1, 1 / 3])
    assert [each.passed for each in cases.values()] == [True, False]
    found = only(results_of(made))
    assert found.pass_rate is not None
    assert found.pass_rate.value == pytest.approx(2 / 3)
    assert found.pass_rate.n == 2
    assert (found.verdicts, found.failed) == (6, 2)


def test_a_case_that_lost_repeats_to_errors_counts_as_much_as_others() -> None:
    found = only(results_of(evaluation({"gpt": [[True, True], [False, None]]})))
    assert found.pass_rate is not None
    assert found.pass_rate.value == 0.5


def test_a_toss_up_has_not_passed() -> None:
    cases = case_results(evaluation({"gpt": [[True, False]]}))[Pair("gpt", "exact")]
    assert cases["case-0"].passed is False


def test_errors_are_counted_apart_and_change_no_score() -> None:
    said: list[Said] = [True, False, None, "the judge said maybe", True]
    found = only(results_of(evaluation({"gpt": said})))
    assert found.pass_rate is not None
    assert found.pass_rate.value == pytest.approx(2 / 3)
    assert found.pass_rate.n == 3
    assert (found.verdicts, found.target_errors, found.evaluator_errors) == (3, 1, 1)
    assert found.error_rate == pytest.approx(0.4)


def test_scores_of_failed_calls_do_not_count() -> None:
    made = evaluation({"gpt": [True, False]})
    failed = replace(made.items[1], error="cut off", scores=made.items[1].scores)
    found = only(results_of(RunWithItems(made.run, [made.items[0], failed])))
    assert found.pass_rate is not None
    assert (found.pass_rate.value, found.verdicts, found.failed) == (1.0, 1, 0)


def test_scores_without_a_threshold_have_a_mean_and_no_pass_rate() -> None:
    found = only(results_of(evaluation({"gpt": [0.25, 0.75]})))
    assert found.pass_rate is None
    assert found.score is not None
    assert found.score.value == 0.5


def test_what_a_target_took() -> None:
    made = evaluation({"gpt": [True, False, None, True]})
    items = [
        replace(
            item,
            latency_ms=100 * (n + 1),
            prompt_tokens=10,
            completion_tokens=2,
            judge_tokens=5,
            judge_cost=500,
        )
        for n, item in enumerate(made.items)
    ]
    items[3] = replace(items[3], cost=None)
    results = results_of(RunWithItems(made.run, items))
    [found] = results.targets
    assert found == TargetResult(
        target="gpt",
        items=4,
        errors=1,
        # Of the failed call, 300 ms, nothing is known of how long an answer takes.
        latency_p50_ms=200,
        latency_p95_ms=400,
        prompt_tokens=40,
        completion_tokens=8,
        judge_tokens=20,
        cost=2_000_000,
        judge_cost=2_000,
        unpriced=1,
    )
    assert found.error_rate == 0.25
    assert found.cost_per_answer is None
    assert results.cost == 2_002_000
    assert (results.errors, results.unpriced, results.items, results.planned) == (1, 1, 4, 4)


def test_the_cost_of_an_answer_leaves_out_judges_and_failed_calls() -> None:
    made = evaluation({"gpt": [True, None, True]}, item={"judge_cost": 9})
    [found] = results_of(made).targets
    assert found.cost_per_answer == 1_000_000


def test_targets_and_evaluators_keep_the_runs_order() -> None:
    made = evaluation({"b": [True], "a": [True]}, evaluators=[evaluator("z"), evaluator("exact")])
    found = results_of(made)
    assert [each.target for each in found.targets] == ["b", "a"]
    pairs = [(each.target, each.evaluator) for each in found.evaluators]
    assert pairs == [("b", "z"), ("b", "exact"), ("a", "z"), ("a", "exact")]


def test_a_run_that_has_only_begun() -> None:
    made = evaluation({"gpt": [True] * 40, "llama": [True] * 40}, status="cancelled")
    found = results_of(RunWithItems(made.run, made.items[:40]))
    assert (found.items, found.planned) == (40, 80)
    assert [each.items for each in found.targets] == [40, 0]
    assert found.targets[1].latency_p50_ms is None
    assert found.targets[1].cost_per_answer is None
    assert found.evaluators[1].pass_rate is None
    assert found.evaluators[1].error_rate == 0
    assert codes(found) == ["incomplete", "no_verdicts"]
    assert found.notices[0].message == "The run is cancelled: 40 of 80 calls were made."


def test_nothing_is_remarked_of_a_sound_run() -> None:
    assert codes(results_of(evaluation({"gpt": [True] * 30}))) == []


@pytest.mark.parametrize(
    ("said", "item", "params", "code", "part"),
    [
        ([True] * 29, {}, {}, "few_cases", "29 cases"),
        ([True] * 30, {"cost": None}, {}, "unpriced", "30 answers of gpt"),
        ([True] * 30, {}, {"judge": "gpt"}, "judge_is_target", "exact has gpt judge"),
        ([True] * 37 + [None] * 2, {}, {}, "many_errors", "2 of 39 calls to gpt failed"),
        (
            [True] * 37 + ["no grade"] * 2,
            {},
            {},
            "many_errors",
            "exact could not evaluate 2 of 39 answers of gpt",
        ),
        (["no grade"] * 30, {}, {}, "no_verdicts", "no verdict by exact of gpt"),
    ],
)
def test_what_is_to_be_taken_with_care_is_said(
    said: list[Said], item: dict[str, object], params: dict[str, str], code: str, part: str
) -> None:
    made = evaluation({"gpt": said}, item=item, evaluators=[evaluator("exact", **params)])
    found = results_of(made).notices
    assert code in [each.code for each in found]
    assert part in next(each.message for each in found if each.code == code)


@pytest.mark.parametrize(
    ("judge", "capped", "remarked"),
    [
        ({"judge_tokens": 9}, {"max_cost": 10**9}, True),
        ({"judge_tokens": 9}, {"gate": Gate(max_cost=10**9)}, True),
        ({"judge_tokens": 9}, {"gate": Gate(pass_rate=0.5)}, False),
        ({"judge_tokens": 9, "judge_cost": 1}, {"max_cost": 10**9}, False),
        ({}, {"max_cost": 10**9}, False),
    ],
)
def test_judges_that_max_cost_may_not_hold_are_remarked_on(
    judge: dict[str, int], capped: dict[str, Any], remarked: bool
) -> None:
    made = evaluation({"gpt": [True] * 30}, item=judge, **capped)
    assert codes(results_of(made)) == ["judges_cost_nothing"] * remarked


def test_few_errors_are_not_remarked_on() -> None:
    said: list[Said] = [*[True] * 38, None, "no grade"]
    assert codes(results_of(evaluation({"gpt": said}))) == []
