"""Evaluations as the API and the commands show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.display import optional_timestamp, timestamp
from gateway.evals.datasets import row_of
from gateway.evals.records import Case, DatasetHead, Evaluator, RunHead, Suite
from gateway.evals.reports.report import Report
from gateway.evals.specs import evaluator_description, gate_description
from gateway.evals.views import comparison_view, results_view, run_view, verdict_view
from gateway.money import dollars

Json = dict[str, Any]


def listed(views: Iterable[Json], more: bool = False) -> Json:
    return {"object": "list", "data": list(views), "has_more": more}


def dataset_view(head: DatasetHead) -> Json:
    """A dataset without its cases."""
    return {
        "id": head.id,
        "object": "evals.dataset",
        "name": head.name,
        "description": head.description,
        "version": head.version,
        "cases": head.size,
        "created_at": timestamp(head.created_at),
        "updated_at": timestamp(head.updated_at),
    }


def row_view(case: Case) -> Json:
    """A case as its row: what is no column of its own is not there."""
    return row_of(case)


def evaluator_view(evaluator: Evaluator) -> Json:
    """An evaluator: its own fields are those that it is made of."""
    return {
        "id": evaluator.id,
        "object": "evals.evaluator",
        **evaluator_description(evaluator),
        "version": evaluator.version,
        "created_at": timestamp(evaluator.created_at),
        "updated_at": timestamp(evaluator.updated_at),
    }


def suite_view(suite: Suite) -> Json:
    gate = {"pass_rate": None, "max_error_rate": None, "max_cost": None, "no_regression_vs": None}
    return {
        "id": suite.id,
        "object": "evals.suite",
        "name": suite.name,
        "dataset": suite.dataset,
        "models": list(suite.models),
        "evaluators": list(suite.evaluators),
        "messages": [dict(message) for message in suite.messages],
        "params": dict(suite.params),
        "repeat": suite.repeat,
        "concurrency": suite.concurrency,
        "max_cost": None if suite.max_cost is None else dollars(suite.max_cost),
        "gate": None if suite.gate is None else gate | gate_description(suite.gate),
        "baseline": suite.baseline,
        "created_at": timestamp(suite.created_at),
        "updated_at": timestamp(suite.updated_at),
    }


def head_view(head: RunHead) -> Json:
    """A run without its items and what they come to."""
    run, progress = head.run, head.progress
    cases = progress.planned // max(1, len(run.targets) * run.repeat)
    view = run_view(run)
    return {
        **view,
        "dataset": {**view["dataset"], "cases": cases},
        "progress": {
            "planned": progress.planned,
            "done": progress.done,
            "failed": progress.failed,
            "errors": progress.errors,
            "cost": dollars(progress.spent),
            "expected_at": optional_timestamp(progress.expected_at),
        },
    }


def report_view(head: RunHead, report: Report) -> Json:
    """A run and what it has come to. A gate says nothing until the run has ended."""
    verdict, comparison = report.verdict, report.comparison
    return {
        **head_view(head),
        "results": results_view(report.results),
        "comparison": None if comparison is None else comparison_view(comparison),
        "gate": verdict_view(verdict) if verdict and head.run.has_ended else None,
    }
