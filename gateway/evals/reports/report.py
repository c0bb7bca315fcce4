"""All that a report tells of, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import Conflict
from gateway.evals.comparison import Comparison, compare
from gateway.evals.gates import Verdict, verdict_of
from gateway.evals.records import Case, Item, RunWithItems
from gateway.evals.results import Results, results_of


@dataclass(frozen=True, slots=True)
class Report:
    """A run, what it came to, and what was made of that."""

    evaluation: RunWithItems
    results: Results
    comparison: Comparison | None
    """With its base, if it has one."""
    verdict: Verdict | None
    """None without a gate."""

    def answers(self) -> list[tuple[Case, Item]]:
        """Each item with its case: by target, case and repeat, in the run's order."""
        run = self.evaluation.run
        targets = {name: place for place, name in enumerate(run.targets)}
        cases = {case.id: (place, case) for place, case in enumerate(run.dataset.cases)}
        items = sorted(
            self.evaluation.items,
            key=lambda item: (targets[item.target], cases[item.case_id][0], item.repetition),
        )
        return [(cases[item.case_id][1], item) for item in items]


def report_of(
    evaluation: RunWithItems, base: RunWithItems | None = None, not_compared: str | None = None
) -> Report:
    """The report on a run.

    Args:
        evaluation: The run, as far as it is.
        base: The run to compare it with: the one that its gate means, if it means one.
        not_compared: Why there is no base, in a sentence, though the gate means one that was set.
    """
    results = results_of(evaluation)
    comparison = None
    if base is not None:
        try:
            comparison = compare(evaluation, base)
        except Conflict as error:
            not_compared = error.message
    verdict = verdict_of(evaluation, results, comparison, not_compared)
    return Report(evaluation, results, comparison, verdict)
