"""The first page of the Evaluations tab: each suite with its last run, and the newest runs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from gateway.evals.records import RunHead, Suite
from gateway.http.console.evals.outcomes import Outcome, outcome_of
from gateway.http.console.visits import Visit
from gateway.store.evals import Evals

_NEWEST = 10
_MOST_SUITES = 30


@dataclass(frozen=True, slots=True)
class Line:
    """A suite, and the last of its runs with what that came to."""

    suite: Suite
    last: RunHead | None
    outcome: Outcome | None


async def show(visit: Visit) -> Response:
    evals = visit.services.store.evals
    suites = await evals.suites.all()
    heads, more = await evals.runs.page(_NEWEST)
    return visit.render(
        "evals/overview.html",
        lines=await suite_lines(evals, suites[:_MOST_SUITES]),
        more_suites=len(suites) > _MOST_SUITES,
        heads=heads,
        more=more,
        datasets=len(await evals.datasets.all()),
        evaluators=len(await evals.evaluators.all()),
    )


async def suite_lines(evals: Evals, suites: list[Suite]) -> list[Line]:
    """Each of the suites with its last run."""
    lines = []
    for suite in suites:
        found, _ = await evals.runs.page(1, suite=suite.name)
        last = found[0] if found else None
        outcome = await outcome_of(evals, last, suite.baseline) if last else None
        lines.append(Line(suite, last, outcome))
    return lines
