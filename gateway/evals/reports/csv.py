"""A run as CSV: a row for each answer by each evaluator.

What is of the answer itself (cost, tokens, latency) stands in each of its rows: adding up takes the
rows of one evaluator.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gateway.evals.records import Case, Item, Score
from gateway.evals.reports.report import Report
from gateway.evals.reports.text import printable
from gateway.evals.views import item_view
from gateway.spreadsheets import csv_text

COLUMNS = (
    "run_id",
    "model",
    "case_id",
    "repetition",
    "tags",
    "evaluator",
    "passed",
    "score",
    "reason",
    "evaluator_error",
    "error",
    "input",
    "expected",
    "output",
    "tool_calls",
    "latency_ms",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "judge_tokens",
    "judge_cost",
)


def csv_report(report: Report) -> str:
    """The table. Text that a spreadsheet would run as a formula is defused. Costs in dollars."""
    rows = (row for case, item in report.answers() for row in _rows(case, item))
    return csv_text(COLUMNS, rows)


def _rows(case: Case, item: Item) -> Iterator[dict[str, Any]]:
    common = item_view(item) | {
        "tags": list(case.tags),
        "input": case.input if isinstance(case.input, str) else list(case.input),
        "expected": case.expected,
    }
    # A call that failed has no scores, and a row all the same.
    for score in item.scores or (Score(""),):
        row = common | {
            "evaluator": score.evaluator,
            "passed": score.passed,
            "score": score.score,
            "reason": score.reason,
            "evaluator_error": score.error,
        }
        yield {name: _printable(value) for name, value in row.items()}


def _printable(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False, default=dict)
    return printable(value) if isinstance(value, str) else value
