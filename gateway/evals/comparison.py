"""Two runs, or two targets of one run, case by case: what was fixed, and what has regressed.

Only cases that both have a verdict on are compared. Cases under one id whose input, expected answer
or fields are not the same are not the same case, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.errors import Conflict, InvalidField
from gateway.evals.records import Case, Evaluator, Run, RunWithItems
from gateway.evals.results import FEW_CASES, CaseResult, Notice, Pair, case_results
from gateway.evals.statistics import ROUNDING, Estimate, mcnemar, pass_difference, score_difference

Change = Literal["fixed", "regressed", "unchanged"]


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case by one evaluator, in the base and now."""

    case_id: str
    base: CaseResult
    now: CaseResult

    @property
    def change(self) -> Change:
        """By whether it passed; where the evaluator gives scores alone, by which is higher."""
        if self.base.passed is None or self.now.passed is None:
            rise = (self.now.score or 0.0) - (self.base.score or 0.0)
        else:
            rise = float(self.now.passed) - float(self.base.passed)
        if abs(rise) < ROUNDING:
            return "unchanged"
        return "fixed" if rise > 0 else "regressed"


@dataclass(frozen=True, slots=True)
class PairComparison:
    """One evaluator of one target, in the base and now. Differences are now less base."""

    target: str
    base_target: str
    evaluator: str
    changes: tuple[CaseChange, ...]
    """Of the cases that both have a verdict on, in the dataset's order."""
    missing: tuple[str, ...]
    """Cases that the base alone has a verdict on: they are no more, or met with an error."""
    added: tuple[str, ...]
    """Cases that the base has no verdict on."""
    pass_difference: Estimate | None
    """None where the evaluator does not say pass or fail, in either."""
    score_difference: Estimate | None

    @property
    def fixed(self) -> tuple[CaseChange, ...]:
        return tuple(each for each in self.changes if each.change == "fixed")

    @property
    def regressed(self) -> tuple[CaseChange, ...]:
        return tuple(each for each in self.changes if each.change == "regressed")

    @property
    def difference(self) -> Estimate | None:
        """What decides: of pass rates, or of scores where there are none. None of no cases."""
        return self.pass_difference or self.score_difference

    @property
    def p_value(self) -> float:
        """McNemar's, of fixed against regressed; of scores alone it is that of the sign test."""
        return mcnemar(len(self.fixed), len(self.regressed))

    @property
    def verdict(self) -> Literal["better", "worse", "no clear difference", "nothing to compare"]:
        """A difference is clear if its whole interval is on one side of 0."""
        if self.difference is None:
            return "nothing to compare"
        if self.difference.high < 0:
            return "worse"
        return "better" if self.difference.low > 0 else "no clear difference"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run, or a target of it, with what it is compared with."""

    run_id: str
    base_id: str
    pairs: tuple[PairComparison, ...]
    changed_cases: tuple[str, ...]
    """The ids of cases that are other than they were, and were not compared."""
    notices: tuple[Notice, ...]

    @property
    def regressions(self) -> tuple[PairComparison, ...]:
        return tuple(each for each in self.pairs if each.verdict == "worse")


def compare(now: RunWithItems, base: RunWithItems) -> Comparison:
    """A run with an earlier one: each target, and each evaluator, that both have by name.

    Raises:
        Conflict: They have no target, no evaluator or no case in common.
    """
    targets = [(name, name) for name in now.run.targets if name in base.run.targets]
    if not targets:
        raise Conflict(
            f"Run {now.run.id} has no model in common with run {base.run.id}, which is of "
            f"{', '.join(base.run.targets)}. Two models of one run can be compared with each other."
        )
    return _comparison(now, base, targets)


def compare_targets(evaluation: RunWithItems, target: str, base_target: str) -> Comparison:
    """One target of a run with another.

    Raises:
        InvalidField: The run has no such target.
    """
    for param, name in (("target", target), ("base", base_target)):
        if name not in evaluation.run.targets:
            raise InvalidField(
                f"{param} takes one of the run's models, which are "
                f"{', '.join(evaluation.run.targets)}",
                param=param,
            )
    return _comparison(evaluation, evaluation, [(target, base_target)])


def _comparison(
    now: RunWithItems, base: RunWithItems, targets: Sequence[tuple[str, str]]
) -> Comparison:
    base_cases = {case.id: case for case in base.run.dataset.cases}
    shared = [case for case in now.run.dataset.cases if case.id in base_cases]
    if not shared:
        raise Conflict(
            f"Run {now.run.id} has no case in common with run {base.run.id}: one is of dataset "
            f"{now.run.dataset.name}, the other of {base.run.dataset.name}. Cases are the same by "
            "their ids."
        )
    base_evaluators = {each.name for each in base.run.evaluators}
    evaluators = [each.name for each in now.run.evaluators if each.name in base_evaluators]
    if not evaluators:
        raise Conflict(f"Run {now.run.id} has no evaluator in common with run {base.run.id}.")
    changed = tuple(case.id for case in shared if not _same(case, base_cases[case.id]))
    now_results, base_results = case_results(now), case_results(base)
    pairs = tuple(
        _pair(
            Pair(target, evaluator),
            base_target,
            now_results.get(Pair(target, evaluator), {}),
            base_results.get(Pair(base_target, evaluator), {}),
            [case.id for case in now.run.dataset.cases],
            set(changed),
        )
        for target, base_target in targets
        for evaluator in evaluators
    )
    notices = tuple(_notices(now.run, base.run, pairs, changed))
    return Comparison(now.run.id, base.run.id, pairs, changed, notices)


def _same(case: Case, other: Case) -> bool:
    return (case.input, case.expected, case.fields) == (other.input, other.expected, other.fields)


def _pair(
    pair: Pair,
    base_target: str,
    now: Mapping[str, CaseResult],
    base: Mapping[str, CaseResult],
    order: Sequence[str],
    changed: set[str],
) -> PairComparison:
    changes = tuple(
        CaseChange(case_id, base[case_id], now[case_id])
        for case_id in order
        if case_id in now and case_id in base and case_id not in changed
    )
    return PairComparison(
        target=pair.target,
        base_target=base_target,
        evaluator=pair.evaluator,
        changes=changes,
        missing=tuple(case_id for case_id in base if case_id not in now),
        added=tuple(case_id for case_id in now if case_id not in base),
        pass_difference=pass_difference(
            _differences((each.base.passes, each.now.passes) for each in changes)
        ),
        score_difference=score_difference(
            _differences((each.base.score, each.now.score) for each in changes)
        ),
    )


def _differences(pairs: Iterable[tuple[float | None, float | None]]) -> list[float]:
    return [now - base for base, now in pairs if base is not None and now is not None]


def _notices(
    now: Run, base: Run, pairs: Sequence[PairComparison], changed: Sequence[str]
) -> Iterator[Notice]:
    if now.dataset.version != base.dataset.version:
        yield Notice(
            "dataset_differs",
            "The runs are of different cases, and those that both have are compared: of "
            f"{len(base.dataset.cases):,} in the base and {len(now.dataset.cases):,} now, less "
            f"{len(changed):,} that are not the same under the same id.",
        )
    if missing := max((len(each.missing) for each in pairs), default=0):
        yield Notice("missing_cases", f"Cases with a verdict in the base alone: {missing:,}.")
    fewest = min((each.difference.n if each.difference else 0 for each in pairs), default=0)
    if fewest < FEW_CASES:
        yield Notice("few_cases", f"Differences rest on as few as {fewest} cases.")
    before = {each.name: each for each in base.evaluators}
    for each in now.evaluators:
        if each.name in before:
            yield from _evaluator_notices(now, base, each, before[each.name])


def _evaluator_notices(
    now: Run, base: Run, evaluator: Evaluator, before: Evaluator
) -> Iterator[Notice]:
    judge = evaluator.params.get("judge")
    if before.version != evaluator.version:
        yield Notice(
            "evaluator_differs",
            f"{evaluator.name} is not what it was: a difference by it may be its own.",
        )
    elif judge and base.model_versions.get(judge) != now.model_versions.get(judge):
        yield Notice(
            "judge_differs",
            f"{judge}, by which {evaluator.name} judges, is not registered as it was: a difference "
            f"by {evaluator.name} may be the judge's.",
        )
