"""What runs that have ended came to, in short: for lists of many."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from gateway.evals.gates import BASELINE
from gateway.evals.outcomes import report_on
from gateway.evals.records import RunHead
from gateway.evals.statistics import Estimate
from gateway.store.evals import Evals

_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """The pass rate of one model by one evaluator, or the mean score where there is none."""

    model: str
    evaluator: str
    estimate: Estimate
    is_score: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    rates: tuple[Rate, ...]
    passed: bool | None
    """Whether it passed its gate; None without one."""
    failures: int
    """How many checks of the gate failed."""


_Key = tuple[str, str, int | None, int, str | None]
# An ended run changes only by being resumed. To work one out takes all of its items.
_kept: OrderedDict[_Key, Outcome] = OrderedDict()


async def outcome_of(evals: Evals, head: RunHead, baseline: str | None) -> Outcome | None:
    """What a run came to, None until it has ended; `baseline` is that of its suite.

    Raises NotFound where it was removed meanwhile.
    """
    run = head.run
    if not run.has_ended:
        return None
    wanted = run.gate.no_regression_vs if run.gate else None
    base = baseline if wanted == BASELINE else wanted
    key = (run.id, run.status, run.ended_at, head.progress.done, base)
    found = _kept.pop(key, None)
    if found is None:
        report = await report_on(evals, run.id)
        found = Outcome(
            tuple(
                Rate(each.target, each.evaluator, estimate, each.pass_rate is None)
                for each in report.results.evaluators
                if (estimate := each.pass_rate or each.score) is not None
            ),
            report.verdict.passed if report.verdict else None,
            len(report.verdict.failures) if report.verdict else 0,
        )
    _kept[key] = found
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)
    return found
