"""What a run came to: each target by each evaluator, and what each target took.

Repeats of a case are averaged first (`gateway.evals.statistics` says why). Where there is no
answer, or an evaluator failed to say anything of it, that is an error: it counts neither for nor
against the target, and is counted apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from gateway.evals.records import Item, Run, RunWithItems, Score
from gateway.evals.statistics import Estimate, mean_score, pass_rate, percentile

FEW_CASES = 30
"""Fewer than these tell little, whatever they say."""
MANY_ERRORS = 0.05
"""A share of errors that makes what is left doubtful: they need not strike at random."""


class Pair(NamedTuple):
    """What a result is of. Both by name."""

    target: str
    evaluator: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What an evaluator says of one case, over its repeats."""

    passes: float | None
    """The share of repeats that passed; None where it does not say pass or fail."""
    score: float | None
    """The mean over repeats; None where it gives no score."""

    @property
    def passed(self) -> bool | None:
        """Whether more than half of the repeats did: a case that is a toss-up has not passed."""
        return None if self.passes is None else self.passes > 0.5


@dataclass(frozen=True, slots=True)
class EvaluatorResult:
    """What one evaluator says of one target."""

    target: str
    evaluator: str
    pass_rate: Estimate | None
    """None where it never says pass or fail, or never says anything."""
    score: Estimate | None
    verdicts: int
    """Answers that it said something of."""
    failed: int
    """Of these, those that did not pass."""
    target_errors: int
    """Calls without an answer to evaluate."""
    evaluator_errors: int

    @property
    def error_rate(self) -> float:
        """The share of answers, asked for by now, that there is no verdict on for an error."""
        errors = self.target_errors + self.evaluator_errors
        return errors / (errors + self.verdicts) if errors else 0.0


@dataclass(frozen=True, slots=True)
class TargetResult:
    """What one target took. Costs are in nano-dollars."""

    target: str
    items: int
    errors: int
    """Calls that failed."""
    latency_p50_ms: int | None
    """Of the calls that did not fail, as is the other."""
    latency_p95_ms: int | None
    prompt_tokens: int
    completion_tokens: int
    judge_tokens: int
    cost: int
    """Of the calls to the target. Those without a known price add nothing."""
    judge_cost: int
    unpriced: int
    """Answers without a known price."""

    @property
    def error_rate(self) -> float:
        return self.errors / self.items if self.items else 0.0

    @property
    def cost_per_answer(self) -> float | None:
        """In nano-dollars, judges left out; None where any answer has no known price."""
        answers = self.items - self.errors
        return self.cost / answers if answers and not self.unpriced else None


@dataclass(frozen=True, slots=True)
class Notice:
    """Why a result is to be taken with care."""

    code: str
    """Stable, such as `few_cases`."""
    message: str


@dataclass(frozen=True, slots=True)
class Results:
    """All of a run. Targets and evaluators are in the order in which the run names them."""

    targets: tuple[TargetResult, ...]
    evaluators: tuple[EvaluatorResult, ...]
    """Of each target by each evaluator."""
    items: int
    planned: int
    """How many items there are once the run is complete."""
    notices: tuple[Notice, ...]

    @property
    def cost(self) -> int:
        """Of all calls with a known price, judges' included, in nano-dollars."""
        return sum(each.cost + each.judge_cost for each in self.targets)

    @property
    def unpriced(self) -> int:
        return sum(each.unpriced for each in self.targets)

    @property
    def errors(self) -> int:
        return sum(each.errors for each in self.targets)


def results_of(evaluation: RunWithItems) -> Results:
    """What the items of a run come to, complete or not."""
    run = evaluation.run
    by_case = case_results(evaluation)
    by_target: dict[str, list[Item]] = {target: [] for target in run.targets}
    for item in evaluation.items:
        by_target[item.target].append(item)
    targets = tuple(_target(name, items) for name, items in by_target.items())
    evaluators = tuple(
        _evaluator(Pair(name, evaluator.name), items, by_case.get(Pair(name, evaluator.name), {}))
        for name, items in by_target.items()
        for evaluator in run.evaluators
    )
    count = len(evaluation.items)
    notices = (
        *_run_notices(run, count, evaluators),
        *(notice for each in targets for notice in _target_notices(each)),
        *(notice for each in evaluators for notice in _evaluator_notices(each)),
        *_judge_notices(run, targets),
    )
    return Results(targets, evaluators, count, run.planned, notices)


def case_results(evaluation: RunWithItems) -> Mapping[Pair, Mapping[str, CaseResult]]:
    """What is said of each case, by its id. Cases that nothing is said of are left out."""
    scores: defaultdict[Pair, defaultdict[str, list[Score]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for item in evaluation.items:
        for score in item.scores:
            if item.error is None and _says_something(score):
                scores[Pair(item.target, score.evaluator)][item.case_id].append(score)
    return {
        pair: {case_id: _averaged(repeats) for case_id, repeats in cases.items()}
        for pair, cases in scores.items()
    }


def _says_something(score: Score) -> bool:
    return score.error is None and (score.passed is not None or score.score is not None)


def _averaged(repeats: Sequence[Score]) -> CaseResult:
    passes = [float(each.passed) for each in repeats if each.passed is not None]
    scores = [each.score for each in repeats if each.score is not None]
    return CaseResult(fmean(passes) if passes else None, fmean(scores) if scores else None)


def _evaluator(
    pair: Pair, items: Sequence[Item], cases: Mapping[str, CaseResult]
) -> EvaluatorResult:
    said = [
        score
        for item in items
        if item.error is None
        for score in item.scores
        if score.evaluator == pair.evaluator
    ]
    return EvaluatorResult(
        target=pair.target,
        evaluator=pair.evaluator,
        pass_rate=pass_rate([each.passes for each in cases.values() if each.passes is not None]),
        score=mean_score([each.score for each in cases.values() if each.score is not None]),
        verdicts=sum(_says_something(score) for score in said),
        failed=sum(score.error is None and score.passed is False for score in said),
        target_errors=sum(item.error is not None for item in items),
        evaluator_errors=sum(score.error is not None for score in said),
    )


def _target(name: str, items: Sequence[Item]) -> TargetResult:
    answered = [item for item in items if item.error is None]
    latencies = [item.latency_ms for item in answered if item.latency_ms is not None]
    return TargetResult(
        target=name,
        items=len(items),
        errors=len(items) - len(answered),
        latency_p50_ms=percentile(latencies, 50),
        latency_p95_ms=percentile(latencies, 95),
        prompt_tokens=sum(item.prompt_tokens for item in items),
        completion_tokens=sum(item.completion_tokens for item in items),
        judge_tokens=sum(item.judge_tokens for item in items),
        cost=sum(item.cost or 0 for item in items),
        judge_cost=sum(item.judge_cost for item in items),
        unpriced=sum(item.cost is None for item in answered),
    )


def _run_notices(run: Run, items: int, evaluators: Sequence[EvaluatorResult]) -> Iterator[Notice]:
    if items < run.planned:
        yield Notice(
            "incomplete", f"The run is {run.status}: {items:,} of {run.planned:,} calls were made."
        )
    if silent := [f"{each.evaluator} of {each.target}" for each in evaluators if not each.verdicts]:
        yield Notice("no_verdicts", f"There is no verdict by {_listed(silent)}.")
    estimates = [each.pass_rate or each.score for each in evaluators]
    fewest = min((each.n for each in estimates if each), default=FEW_CASES)
    if fewest < FEW_CASES:
        yield Notice(
            "few_cases",
            f"Results rest on as few as {fewest} cases. With fewer than {FEW_CASES}, intervals are "
            "wide and most differences are chance.",
        )
    for each in run.evaluators:
        if each.params.get("judge") in run.targets:
            yield Notice(
                "judge_is_target",
                f"{each.name} has {each.params['judge']} judge its own answers, which models tend "
                "to favour. Let another model judge.",
            )


def _target_notices(target: TargetResult) -> Iterator[Notice]:
    if target.error_rate > MANY_ERRORS:
        yield Notice(
            "many_errors",
            f"{target.errors:,} of {target.items:,} calls to {target.target} failed. Its results "
            "are those of the others alone.",
        )
    if target.unpriced:
        yield Notice(
            "unpriced",
            f"{target.unpriced:,} answers of {target.target} have no known price and are left out "
            "of the cost, and of max_cost. Give the model input_cost_per_token and "
            "output_cost_per_token.",
        )


def _evaluator_notices(result: EvaluatorResult) -> Iterator[Notice]:
    tried = result.verdicts + result.evaluator_errors
    if result.evaluator_errors > MANY_ERRORS * tried:
        yield Notice(
            "many_errors",
            f"{result.evaluator} could not evaluate {result.evaluator_errors:,} of {tried:,} "
            f"answers of {result.target}.",
        )


def _judge_notices(run: Run, targets: Sequence[TargetResult]) -> Iterator[Notice]:
    capped = run.max_cost is not None or (run.gate is not None and run.gate.max_cost is not None)
    # What judges cost is kept by answer, where 0 stands for no known price as well.
    free = any(each.judge_tokens for each in targets) and not any(
        each.judge_cost for each in targets
    )
    if capped and free:
        yield Notice(
            "judges_cost_nothing",
            "Judges' calls came to $0 by the prices that are known. Unless they are free, max_cost "
            "does not hold them: give their models input_cost_per_token and "
            "output_cost_per_token.",
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
