"""What reports are made of: answers in order, a comparison, a verdict."""

from __future__ import annotations

from dataclasses import replace

from gateway.evals.records import Gate, RunWithItems
from gateway.evals.reports.report import report_of
from tests.evals.runs import cases, dataset, evaluation


def test_answers_are_in_the_runs_order_however_they_came() -> None:
    made = evaluation({"b": [[True, True], [True, True]], "a": [[True, True], [True, True]]})
    report = report_of(RunWithItems(made.run, list(reversed(made.items))))
    assert [(item.target, case.id, item.repetition) for case, item in report.answers()] == [
        (target, case, repetition)
        for target in ("b", "a")
        for case in ("case-0", "case-1")
        for repetition in (0, 1)
    ]


def test_without_base_and_gate_there_is_neither_comparison_nor_verdict() -> None:
    report = report_of(evaluation({"gpt": [True]}))
    assert (report.comparison, report.verdict) == (None, None)


def test_the_gate_is_judged_by_the_comparison_with_the_base() -> None:
    base = evaluation({"gpt": [True] * 40}, id="run_base")
    made = evaluation({"gpt": [False] * 40}, gate=Gate(no_regression_vs="baseline"))
    report = report_of(made, base)
    assert report.comparison is not None
    assert report.comparison.base_id == "run_base"
    assert report.verdict is not None
    assert [each.name for each in report.verdict.failures] == ["no_regression_vs"]


def test_a_base_that_cannot_be_compared_with_fails_the_gate_and_says_why() -> None:
    made = evaluation({"gpt": [True]}, gate=Gate(no_regression_vs="baseline"))
    other = replace(made.run, id="run_base", dataset=dataset(cases(9)[7:]))
    report = report_of(made, RunWithItems(other, []))
    assert report.comparison is None
    assert report.verdict is not None
    [failure] = report.verdict.failures
    assert "no case in common with run run_base" in failure.reason


def test_a_base_that_is_gone_fails_the_gate() -> None:
    made = evaluation({"gpt": [True]}, gate=Gate(no_regression_vs="baseline"))
    verdict = report_of(made, None, "Run run_base was deleted.").verdict
    assert verdict is not None
    assert [each.reason for each in verdict.failures] == ["Run run_base was deleted."]
