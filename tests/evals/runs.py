"""Runs of evaluations, made up: by what was said of each answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.evals.records import Case, Dataset, Evaluator, Gate, Item, Run, RunWithItems, Score

Said = bool | float | str | None
"""Of one answer: pass or fail; a score alone; why it could not be evaluated; or None where the
model gave no answer."""
NOW = 1_790_000_000


def cases(count: int, **fields: Any) -> tuple[Case, ...]:
    return tuple(Case(f"case-{n}", f"Question {n}?", f"Answer {n}", **fields) for n in range(count))


def dataset(of: Sequence[Case], version: str = "v1") -> Dataset:
    return Dataset("ds_1", "faq", None, tuple(of), version, NOW, NOW)


def evaluator(name: str, version: str = "v1", **params: Any) -> Evaluator:
    return Evaluator(f"ev_{name}", name, "string_check", params, version, NOW, NOW)


def score(name: str, said: Said) -> Score:
    match said:
        case bool():
            return Score(name, score=float(said), passed=said, reason="as expected" * said or "no")
        case float():
            return Score(name, score=said)
        case str():
            return Score(name, error=said)
    return Score(name)


def evaluation(
    said: Mapping[str, Sequence[Said | Sequence[Said]]],
    *,
    of: Sequence[Case] | None = None,
    evaluators: Sequence[Evaluator] = (),
    gate: Gate | None = None,
    item: Mapping[str, Any] | None = None,
    **run: Any,
) -> RunWithItems:
    """A complete run.

    Args:
        said: Of each target, what each evaluator alike says of each case; where that is a sequence,
            of each repeat.
        of: The cases; else as many as the first target has.
        evaluators: Else one, `exact`.
        item: What all items have besides.
        run: What the run has besides.
    """
    of = cases(len(next(iter(said.values())))) if of is None else of
    evaluators = evaluators or [evaluator("exact")]
    names = [each.name for each in evaluators]
    items = list(_items(said, of, names, {"latency_ms": 100, "cost": 1_000_000, **(item or {})}))
    made = Run(
        id="run_now",
        name="faq-ci",
        suite="faq-ci",
        status="completed",
        dataset=dataset(of),
        targets=tuple(said),
        evaluators=tuple(evaluators),
        messages=(),
        params={},
        repeat=max((each.repetition for each in items), default=0) + 1,
        concurrency=4,
        max_cost=None,
        gate=gate,
        model_versions=dict.fromkeys([*said, "judge"], "v1"),
        key_id="key_1",
        created_at=NOW,
        started_at=NOW,
        ended_at=NOW + 60,
    )
    return RunWithItems(replace(made, **run), items)


def _items(
    said: Mapping[str, Sequence[Said | Sequence[Said]]],
    of: Sequence[Case],
    evaluators: Sequence[str],
    common: Mapping[str, Any],
) -> Iterator[Item]:
    for target, answers in said.items():
        for case, repeats in zip(of, answers, strict=True):
            each_repeat = [repeats] if isinstance(repeats, Said) else repeats
            for repetition, answer in enumerate(each_repeat):
                made = Item("run_now", target, case.id, repetition, "An answer.", **common)
                if answer is None:
                    yield replace(made, output=None, error="upstream said 500", cost=None)
                else:
                    scores = tuple(score(name, answer) for name in evaluators)
                    yield replace(made, scores=scores)
