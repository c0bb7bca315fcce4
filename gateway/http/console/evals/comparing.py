"""A run beside an earlier one, or two of its models beside each other, case by case."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from gateway.errors import GatewayError, InvalidField
from gateway.evals.comparison import (
    CaseChange,
    Comparison,
    PairComparison,
    compare,
    compare_targets,
)
from gateway.evals.outcomes import loaded
from gateway.evals.records import Case, Item, RunHead, RunWithItems
from gateway.http.console.evals.runs import suite_of
from gateway.http.console.visits import Visit
from gateway.store.evals import Evals

_MOST_OFFERED = 50
_MOST_CASES = 20
"""Of one pair's fixed cases and of its regressed ones, that are shown with their answers."""

_Answers = Mapping[tuple[str, str], Item]


@dataclass(frozen=True, slots=True)
class Changed:
    """A case that was fixed or has regressed, with an answer of then and one of now."""

    case: Case
    change: CaseChange
    base: Item | None
    now: Item | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair, and those of its cases that changed, the regressed ones first."""

    pair: PairComparison
    changed: tuple[Changed, ...]
    left_out: int


async def show(visit: Visit) -> Response:
    """`?base=` is the other run; `?model=` and `?base_model=` are two models of this one."""
    evals = visit.services.store.evals
    given = visit.request.query_params
    head = await evals.runs.head(visit.request.path_params["id"])
    names = {name: given.get(name, "") for name in ("base", "model", "base_model")}
    others = await _others(evals, head)
    comparison: Comparison | None = None
    compared: list[Compared] = []
    error: GatewayError | None = None
    if any(names.values()):
        try:
            now, base = await _loaded(evals, head.run.id, names)
            comparison = await asyncio.to_thread(_comparison, now, base, names)
            compared = _with_answers(comparison, now, base)
        except GatewayError as raised:
            error = raised
    suite = await suite_of(evals, head.run)
    return visit.render(
        "evals/compare.html",
        status=error.status if error else 200,
        problem=error.message if error else None,
        head=head,
        others=others,
        baseline=suite.baseline if suite else None,
        names=names,
        comparison=comparison,
        compared=compared,
    )


async def _others(evals: Evals, head: RunHead) -> list[RunHead]:
    """The newest runs that it may be compared with: of its suite, or of its dataset."""
    found, _ = await evals.runs.page(_MOST_OFFERED, suite=head.run.suite)
    return [
        other
        for other in found
        if other.run.id != head.run.id
        and (head.run.suite is not None or other.run.dataset.id == head.run.dataset.id)
    ]


async def _loaded(
    evals: Evals, run_id: str, names: Mapping[str, str]
) -> tuple[RunWithItems, RunWithItems]:
    """Raises NotFound; InvalidField."""
    if names["base"] and (names["model"] or names["base_model"]):
        raise InvalidField("Compare either with another run, or two models of this one")
    now = await loaded(evals, run_id)
    return now, await loaded(evals, names["base"]) if names["base"] else now


def _comparison(now: RunWithItems, base: RunWithItems, names: Mapping[str, str]) -> Comparison:
    """Raises Conflict, InvalidField."""
    if names["base"]:
        return compare(now, base)
    return compare_targets(now, names["model"], names["base_model"])


def _with_answers(comparison: Comparison, now: RunWithItems, base: RunWithItems) -> list[Compared]:
    cases = {case.id: case for case in now.run.dataset.cases}
    answers, before = _answers(now), _answers(base)
    found = []
    for pair in comparison.pairs:
        changes: Sequence[CaseChange] = [
            *pair.regressed[:_MOST_CASES],
            *pair.fixed[:_MOST_CASES],
        ]
        changed = tuple(
            Changed(
                cases[each.case_id],
                each,
                before.get((pair.base_target, each.case_id)),
                answers.get((pair.target, each.case_id)),
            )
            for each in changes
        )
        left_out = len(pair.regressed) + len(pair.fixed) - len(changed)
        found.append(Compared(pair, changed, left_out))
    return found


def _answers(evaluation: RunWithItems) -> _Answers:
    """Of each target's repeats of a case, the first."""
    found: dict[tuple[str, str], Item] = {}
    for item in evaluation.items:
        found.setdefault((item.target, item.case_id), item)
    return found
