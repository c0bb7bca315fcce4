"""Two runs case by case: what changed, how clearly, and what cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Conflict, InvalidField
from gateway.evals.comparison import Comparison, PairComparison, compare, compare_targets
from gateway.evals.records import RunWithItems
from tests.evals.runs import Said, cases, dataset, evaluation, evaluator


def base(said: list[Any], **run: Any) -> RunWithItems:
    return evaluation({"gpt": said}, id="run_base", **run)


def now(said: list[Any], **run: Any) -> RunWithItems:
    return evaluation({"gpt": said}, **run)


def only(comparison: Comparison) -> PairComparison:
    [pair] = comparison.pairs
    return pair


def ids(pair: PairComparison) -> tuple[list[str], list[str]]:
    return [each.case_id for each in pair.fixed], [each.case_id for each in pair.regressed]


def codes(comparison: Comparison) -> list[str]:
    return [each.code for each in comparison.notices]


def test_cases_are_fixed_regressed_or_unchanged() -> None:
    found = compare(now([True, True, False, False]), base([True, False, True, False]))
    pair = only(found)
    assert (found.run_id, found.base_id) == ("run_now", "run_base")
    assert ids(pair) == (["case-1"], ["case-2"])
    assert [each.change for each in pair.changes] == [
        "unchanged",
        "fixed",
        "regressed",
        "unchanged",
    ]
    assert pair.p_value == 1
    assert pair.difference == pair.pass_difference
    assert pair.difference is not None
    assert pair.difference.value == 0
    assert pair.verdict == "no clear difference"


def test_a_run_compared_with_itself_has_not_changed() -> None:
    made = now([True, False, 0.5, None] * 10)
    pair = only(compare(made, made))
    assert ids(pair) == ([], [])
    assert pair.verdict == "no clear difference"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([True] * 40, [False] * 12 + [True] * 28, "worse"),
        ([False] * 12 + [True] * 28, [True] * 40, "better"),
        ([True] * 40, [False] * 3 + [True] * 37, "no clear difference"),
        # Three cases tell nothing, even if all of them fail anew.
        ([True] * 3, [False] * 3, "no clear difference"),
        ([0.9] * 20, [0.6] * 20, "worse"),
        ([0.9] * 4, [0.6] * 4, "no clear difference"),
        ([0.9, 0.8] * 20, [0.6, 0.4] * 20, "worse"),
    ],
)
def test_a_difference_is_clear_if_its_interval_is_on_one_side_of_0(
    before: list[Said], after: list[Said], verdict: str
) -> None:
    found = compare(now(after), base(before))
    assert only(found).verdict == verdict
    assert bool(found.regressions) == (verdict == "worse")


def test_repeats_count_by_their_share_and_by_their_majority() -> None:
    pair = only(
        compare(
            now([[True, True, False], [False, False, True]]),
            base([[True, True, True], [True, True, False]]),
        )
    )
    assert ids(pair) == ([], ["case-1"])
    assert pair.pass_difference is not None
    assert pair.pass_difference.value == pytest.approx(-1 / 3)


def test_scores_alone_are_compared_by_their_height() -> None:
    pair = only(compare(now([0.5, 0.9, 0.2]), base([0.4, 0.9, 0.3])))
    assert ids(pair) == (["case-0"], ["case-2"])
    assert pair.pass_difference is None
    assert pair.difference == pair.score_difference


def test_missing_is_not_passing() -> None:
    found = compare(now([True, None, "no grade", True]), base([True, True, True, None]))
    pair = only(found)
    assert [each.case_id for each in pair.changes] == ["case-0"]
    assert pair.missing == ("case-1", "case-2")
    assert pair.added == ("case-3",)
    assert "missing_cases" in codes(found)


def test_without_a_common_verdict_there_is_nothing_to_compare() -> None:
    pair = only(compare(now([None, True]), base([True, None])))
    assert pair.difference is None
    assert pair.verdict == "nothing to compare"
    assert pair.p_value == 1


def test_of_different_datasets_the_cases_that_both_have_are_compared() -> None:
    before = base([True] * 3, of=cases(3))
    edited = (*cases(2), replace(cases(3)[2], expected="Something else"), replace(cases(4)[3]))
    made = now([False] * 4, of=edited, dataset=dataset(edited, "v2"))
    found = compare(made, before)
    assert [each.case_id for each in only(found).changes] == ["case-0", "case-1"]
    assert found.changed_cases == ("case-2",)
    assert only(found).added == ("case-3",)
    assert codes(found) == ["dataset_differs", "few_cases"]


def test_tags_make_no_other_case() -> None:
    found = compare(now([True], of=cases(1, tags=("geo",))), base([True]))
    assert found.changed_cases == ()


def test_models_and_evaluators_that_only_one_has_are_left_out() -> None:
    exact, tone = evaluator("exact"), evaluator("tone")
    made = evaluation({"gpt": [True], "new": [True]}, evaluators=[tone, exact])
    found = compare(made, evaluation({"old": [True], "gpt": [True]}, evaluators=[exact]))
    assert [(each.target, each.evaluator) for each in found.pairs] == [("gpt", "exact")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ("other",)}, "no model in common"),
        ({"evaluators": (evaluator("tone"),)}, "no evaluator in common"),
        ({"dataset": dataset(cases(9)[7:])}, "no case in common"),
    ],
)
def test_runs_that_have_nothing_in_common_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    made = now([True, True])
    other = RunWithItems(replace(made.run, id="run_base", **changes), [])
    with pytest.raises(Conflict, match=message):
        compare(made, other)


def test_what_judges_otherwise_is_said() -> None:
    judged = [evaluator("tone", judge="judge")]
    before = base([True] * 30, evaluators=judged, model_versions={"judge": "v0"})
    assert codes(compare(now([True] * 30, evaluators=judged), before)) == ["judge_differs"]
    edited = [evaluator("tone", "v2", judge="judge")]
    assert codes(compare(now([True] * 30, evaluators=edited), before)) == ["evaluator_differs"]
    assert codes(compare(before, before)) == []


def test_two_models_of_one_run() -> None:
    made = evaluation({"gpt": [True] * 40, "llama": [False] * 12 + [True] * 28})
    found = compare_targets(made, "llama", "gpt")
    pair = only(found)
    assert (pair.target, pair.base_target, pair.verdict) == ("llama", "gpt", "worse")
    assert len(pair.regressed) == 12
    assert found.run_id == found.base_id == "run_now"


def test_two_models_of_one_run_must_be_its_own() -> None:
    made = evaluation({"gpt": [True], "llama": [True]})
    with pytest.raises(InvalidField, match="base takes one of the run's models, which are gpt"):
        compare_targets(made, "gpt", "claude")
