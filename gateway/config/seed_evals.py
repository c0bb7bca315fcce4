"""Putting into the store what a file says of evaluations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from gateway.config.values import Change, ConfigRefused, EvalEntry, EvalsSection, Finding, Kind
from gateway.errors import NotFound
from gateway.evals.records import Dataset, Evaluator, Suite
from gateway.records import Actor
from gateway.store.evals import Evals

T = TypeVar("T", Dataset, Evaluator, Suite)


class _Things(Protocol[T]):
    """Where such things are stored."""

    async def add(self, thing: T, by: Actor, /) -> None: ...
    async def change(self, name: str, change: Callable[[T], T], by: Actor, /) -> T: ...


async def refuse_missing(evals: Evals, section: EvalsSection) -> None:
    """Raises ConfigRefused where a suite names what is neither in the file nor in the store."""
    datasets = {each.record.name for each in section.datasets}
    datasets |= {head.name for head in await evals.datasets.all()}
    evaluators = {each.record.name for each in section.evaluators}
    evaluators |= {each.name for each in await evals.evaluators.all()}
    missing = []
    for entry in section.suites:
        suite = entry.record
        names = [("dataset", suite.dataset)] if suite.dataset not in datasets else []
        names += [("evaluators", name) for name in suite.evaluators if name not in evaluators]
        for field, name in names:
            what = field.removesuffix("s")
            message = f"no {what} is called {name!r}; describe it under evals.{what}s too"
            missing.append(Finding(entry.line, f"{entry.path}.{field}", "error", message))
    if missing:
        raise ConfigRefused(missing)


async def put_evals(evals: Evals, section: EvalsSection, by: Actor) -> list[Change]:
    """Make the store say what the file says. What it does not name is left alone."""
    changes = [await _put(evals.datasets, "dataset", each, by) for each in section.datasets]
    changes += [await _put(evals.evaluators, "evaluator", each, by) for each in section.evaluators]
    return changes + [await _put(evals.suites, "suite", each, by) for each in section.suites]


async def _put(things: _Things[T], kind: Kind, entry: EvalEntry[T], by: Actor) -> Change:
    now = int(time.time())
    record = replace(entry.record, created_at=now, updated_at=now)
    before: list[T] = []

    def changed(old: T) -> T:
        before.append(old)
        return replace(record, **_kept(old, entry.given))

    try:
        after = await things.change(record.name, changed, by)
    except NotFound:
        await things.add(record, by)
        return Change(kind, record.name, "added")
    return Change(kind, record.name, "unchanged" if after == before[0] else "updated")


def _kept(old: Dataset | Evaluator | Suite, given: frozenset[str]) -> dict[str, Any]:
    """What the store's has that a file cannot change, or does not."""
    kept: dict[str, Any] = {"id": old.id, "created_at": old.created_at}
    if isinstance(old, Suite) and "baseline" not in given:
        # It is set by who has looked at a run.
        kept["baseline"] = old.baseline
    if isinstance(old, Dataset) and not given & {"rows", "file"}:
        kept |= {"cases": old.cases, "version": old.version}
    return kept
