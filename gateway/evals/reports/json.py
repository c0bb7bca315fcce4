"""A run as JSON: all of it, for programs."""

from __future__ import annotations

import json
from typing import Any

from gateway.evals.reports.report import Report
from gateway.evals.views import comparison_view, item_view, results_view, run_view, verdict_view


def json_view(report: Report) -> dict[str, Any]:
    return {
        "object": "evals.report",
        "run": run_view(report.evaluation.run),
        "results": results_view(report.results),
        "comparison": report.comparison and comparison_view(report.comparison),
        "gate": report.verdict and verdict_view(report.verdict),
        "items": [
            item_view(item)
            | {"input": case.input, "expected": case.expected, "tags": list(case.tags)}
            for case, item in report.answers()
        ],
    }


def json_text(report: Report) -> str:
    """The document. Halves of surrogate pairs, which UTF-8 has no place for, are escaped."""
    return json.dumps(json_view(report), indent=2, default=dict)
