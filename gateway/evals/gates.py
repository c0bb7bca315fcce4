"""Whether a run reached what its gate asks for.

What there is no measure of has not been reached: a gate never passes because nothing was there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.evals.comparison import Comparison, PairComparison
from gateway.evals.figures import percent, points
from gateway.evals.records import Gate, RunWithItems
from gateway.evals.results import EvaluatorResult, Results
from gateway.evals.statistics import ROUNDING
from gateway.money import dollars, in_digits

BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked for. Costs are in dollars."""

    name: str
    """`completed`, `judged`, or a field of the gate."""
    passed: bool
    reason: str
    wanted: float | str | None = None
    got: float | str | None = None
    target: str | None = None
    """None where it is of the whole run, as with the evaluator."""
    evaluator: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a gate."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(each.passed for each in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(each for each in self.checks if not each.passed)


def verdict_of(
    evaluation: RunWithItems,
    results: Results,
    comparison: Comparison | None = None,
    not_compared: str | None = None,
) -> Verdict | None:
    """Whether a run that has ended passes its gate; None without a gate.

    Args:
        evaluation: The run, with the status it ended with.
        results: Its own.
        comparison: With the run that `no_regression_vs` means.
        not_compared: Why there is no comparison, in a sentence, though there is a run to compare
            with. Without this and without a comparison, a `baseline` counts as not set yet: that
            passes, or else no suite could have a first run.
    """
    gate = evaluation.run.gate
    if gate is None:
        return None
    checks = [_completed(evaluation), _judged(results)]
    if gate.pass_rate is not None:
        checks += _pass_rates(gate.pass_rate, results)
    if gate.max_error_rate is not None:
        checks += _error_rates(gate.max_error_rate, results)
    if gate.max_cost is not None:
        checks.append(_cost(gate.max_cost, results))
    if gate.no_regression_vs is not None:
        checks += _regressions(gate, comparison, not_compared)
    return Verdict(tuple(checks))


def _completed(evaluation: RunWithItems) -> Check:
    run, made = evaluation.run, len(evaluation.items)
    passed = run.status == "completed" and made >= run.planned
    reason = f"{made:,} of {run.planned:,} calls were made."
    if not passed:
        reason = f"The run is {run.status}: {run.error or reason}"
    return Check("completed", passed, reason, "completed", run.status)


def _judged(results: Results) -> Check:
    verdicts = sum(each.verdicts for each in results.evaluators)
    if verdicts:
        return Check("judged", True, f"There are {verdicts:,} verdicts.", got=verdicts)
    reason = "No evaluator has said anything of any answer: there is nothing to judge by."
    return Check("judged", False, reason, got=0)


def _pass_rates(wanted: float, results: Results) -> Iterator[Check]:
    asked = [each for each in results.evaluators if each.pass_rate or not each.verdicts]
    if not asked:
        yield Check(
            "pass_rate",
            False,
            "No evaluator says pass or fail. Give one a pass_threshold.",
            wanted,
        )
    for each in asked:
        rate = each.pass_rate
        got, passed = (rate.value, rate.value >= wanted - ROUNDING) if rate else (None, False)
        reason = _pass_reason(each, wanted)
        yield Check("pass_rate", passed, reason, wanted, got, each.target, each.evaluator)


def _pass_reason(result: EvaluatorResult, wanted: float) -> str:
    rate = result.pass_rate
    if rate is None:
        return f"There is no verdict; {_errors(result)}."
    reason = f"{percent(rate.value)} of {rate.n:,} cases passed, {percent(wanted)} are wanted"
    if rate.low < wanted <= rate.value:
        reason += f"; the 95 % interval reaches down to {percent(rate.low)}"
    if result.error_rate:
        reason += f"; {_errors(result)}"
    return f"{reason}."


def _error_rates(wanted: float, results: Results) -> Iterator[Check]:
    if not results.items:
        yield Check("max_error_rate", False, "No call was made.", wanted)
    for each in results.evaluators:
        rate = each.error_rate
        reason = f"{percent(rate)} of answers, at most {percent(wanted)} may be; {_errors(each)}."
        yield Check(
            "max_error_rate", rate <= wanted, reason, wanted, rate, each.target, each.evaluator
        )


def _cost(wanted: int, results: Results) -> Check:
    reason = f"The run cost ${in_digits(results.cost)}, at most ${in_digits(wanted)} is allowed."
    if results.unpriced:
        reason = (
            f"{results.unpriced:,} answers have no known price, so that the cost is not known: it "
            f"is ${in_digits(results.cost)} without them. Give their model input_cost_per_token "
            "and output_cost_per_token; 0 is a price."
        )
    passed = results.cost <= wanted and not results.unpriced
    return Check("max_cost", passed, reason, dollars(wanted), dollars(results.cost))


def _regressions(
    gate: Gate, comparison: Comparison | None, not_compared: str | None
) -> Iterator[Check]:
    name, wanted = "no_regression_vs", gate.no_regression_vs
    if comparison is None:
        passed = wanted == BASELINE and not_compared is None
        reason = not_compared or (
            "There is no baseline yet to compare with. Make a run the suite's baseline."
            if passed
            else f"There is no run {wanted} to compare with."
        )
        yield Check(name, passed, reason, wanted)
        return
    for pair in comparison.pairs:
        passed = pair.verdict in ("better", "no clear difference")
        reason = _change_reason(pair)
        got = pair.difference.value if pair.difference else None
        yield Check(name, passed, reason, wanted, got, pair.target, pair.evaluator)


def _change_reason(pair: PairComparison) -> str:
    difference = pair.difference
    if difference is None:
        return "No case has a verdict both in the base and now."
    what, up, down = "pass rate", "fixed", "regressed"
    if pair.pass_difference is None:
        what, up, down = "score", "higher", "lower"
    reason = (
        f"The {what} changed by {points(difference.value)} points, 95 % interval "
        f"{points(difference.low)} to {points(difference.high)}: of {len(pair.changes):,} cases "
        f"{len(pair.fixed):,} {up}, {len(pair.regressed):,} {down}"
    )
    return f"{reason}, {len(pair.missing):,} missing." if pair.missing else f"{reason}."


def _errors(result: EvaluatorResult) -> str:
    return (
        f"errors: {result.target_errors:,} in calls to the model, {result.evaluator_errors:,} in "
        "evaluations"
    )
