"""A run as one HTML page: no script, nothing fetched, and every text of a model's escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.display import optional_timestamp
from gateway.evals.comparison import Comparison
from gateway.evals.figures import chance, duration, percent, points
from gateway.evals.records import Case, Item, Score
from gateway.evals.reports import plots
from gateway.evals.reports.report import Report
from gateway.evals.reports.text import as_text, cut, input_text, printable
from gateway.evals.results import FEW_CASES
from gateway.evals.statistics import Estimate
from gateway.money import money

MOST_FAILURES = 500
MOST_TEXT = 2000
"""Characters of an input, an answer or an expected one."""
_MOST_SHORT = 500
_MOST_NAME = 120
_MOST_CASES = 50
# Beyond these, failures are folded away, so that what follows them is found.
_OPEN_FAILURES = 10

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that did not pass, or that there is none of, as the page tells it."""

    kind: str
    """`Failed`, or `Error` where nothing could be said of it."""
    regressed: bool
    """Whether its case passed in the base."""
    case: Case
    item: Item
    scores: tuple[Score, ...]
    """Those that tell why: failed ones and errors."""

    @property
    def by(self) -> str:
        return ", ".join(each.evaluator for each in self.scores)


def html_page(report: Report) -> str:
    """The page. Failures beyond `MOST_FAILURES` are counted, longer texts cut."""
    run = report.evaluation.run
    failures = _failures(report)
    shown = failures[:MOST_FAILURES]
    return (
        _environment()
        .get_template("report.html")
        .render(
            run=run,
            results=report.results,
            comparison=report.comparison,
            verdict=report.verdict,
            failures=shown[:_OPEN_FAILURES],
            folded=shown[_OPEN_FAILURES:],
            failed=sum(each.kind == "Failed" for each in failures),
            failures_left_out=len(failures) - len(shown),
            notices=(
                *report.results.notices,
                *(report.comparison.notices if report.comparison else ()),
            ),
            started=optional_timestamp(run.started_at),
            seconds=run.ended_at - run.started_at if run.started_at and run.ended_at else None,
            pass_rates=plots.pass_rates(report.results, run.gate.pass_rate if run.gate else None),
            differences=plots.differences(report.comparison.pairs) if report.comparison else None,
            latencies=plots.latencies(report.results),
            costs=plots.costs(report.results),
            scatter=plots.scatter(report.results),
            judge_cost=sum(each.judge_cost for each in report.results.targets),
            most_text=MOST_TEXT,
            most_cases=_MOST_CASES,
            few_cases=FEW_CASES,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": money,
        "chance": chance,
        "percent": percent,
        "points": points,
        "duration": duration,
        "interval": _interval,
        "name": lambda text: cut(text, _MOST_NAME),
        "short": lambda text: cut(as_text(text), _MOST_SHORT),
        "long": lambda text: cut(as_text(text), MOST_TEXT),
        "input": lambda case: cut(input_text(case), MOST_TEXT),
        "number": lambda number: f"{number:,}",
    }
    environment.globals["style"] = (_TEMPLATES / "report.css").read_text()
    return environment


def _finalized(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low * 100:.1f} to {estimate.high * 100:.1f} %"


def _failures(report: Report) -> list[Failure]:
    """Cases that regressed first, then other failures, then errors; each in the run's order."""
    regressed = _regressed(report.comparison)
    found = [each for case, item in report.answers() for each in _failure(case, item, regressed)]
    return sorted(found, key=lambda each: (each.kind != "Failed", not each.regressed))


def _regressed(comparison: Comparison | None) -> set[tuple[str, str, str]]:
    return {
        (pair.target, pair.evaluator, change.case_id)
        for pair in (comparison.pairs if comparison else ())
        for change in pair.regressed
    }


def _failure(case: Case, item: Item, regressed: set[tuple[str, str, str]]) -> Iterator[Failure]:
    if item.error is not None:
        yield Failure("Error", False, case, item, ())
        return
    failed = [each for each in item.scores if each.error is None and each.passed is False]
    errors = [each for each in item.scores if each.error is not None]
    if failed or errors:
        new = _any_of(failed, item, regressed)
        yield Failure("Failed" if failed else "Error", new, case, item, (*failed, *errors))


def _any_of(failed: Sequence[Score], item: Item, regressed: set[tuple[str, str, str]]) -> bool:
    return any((item.target, each.evaluator, item.case_id) in regressed for each in failed)
