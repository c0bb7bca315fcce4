"""Evaluators and suites as rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import Conflict, NotFound
from gateway.evals.records import Gate
from gateway.store import Store
from gateway.store.audit import AuditFilter
from tests.servers import TESTER
from tests.store.evals.records import evaluator, suite


async def test_they_come_back_as_they_were_stored(store: Store) -> None:
    made = evaluator(schema={"type": ["object", None]}, n=[1, 2.5, True])
    await store.evals.evaluators.add(made, TESTER)
    full = suite(
        models=("gpt", "*"),
        messages=({"role": "system", "content": "{{item.x}}"},),
        params={"temperature": 0.5},
        repeat=3,
        max_cost=2**40,
        gate=Gate(pass_rate=0.9),
        baseline="run_1",
    )
    await store.evals.suites.add(full, TESTER)
    await store.evals.suites.add(suite("bare"), TESTER)
    assert await store.evals.evaluators.get("answer") == made
    assert await store.evals.suites.get("su_ci") == full
    assert await store.evals.suites.all() == [suite("bare"), full]
    for kind in (store.evals.evaluators, store.evals.suites):
        with pytest.raises(NotFound, match="is called 'none'"):
            await kind.get("none")


async def test_an_evaluator_is_kept_while_a_suite_has_it(store: Store) -> None:
    await store.evals.evaluators.add(evaluator(), TESTER)
    await store.evals.suites.add(suite(), TESTER)
    with pytest.raises(Conflict, match="'answer' cannot be removed: the suite 'ci' has it"):
        await store.evals.evaluators.remove("answer", TESTER)
    with pytest.raises(Conflict, match="cannot be renamed"):
        await store.evals.evaluators.change("answer", lambda e: replace(e, name="b"), TESTER)
    await store.evals.suites.change("ci", lambda s: replace(s, evaluators=()), TESTER)
    renamed = await store.evals.evaluators.change("answer", lambda e: replace(e, name="b"), TESTER)
    assert await store.evals.evaluators.remove("b", TESTER) == renamed
    assert await store.evals.evaluators.all() == []


async def test_names_are_used_once(store: Store) -> None:
    await store.evals.suites.add(suite("a"), TESTER)
    await store.evals.suites.add(suite("b"), TESTER)
    with pytest.raises(Conflict, match="Another suite is called 'a'") as refused:
        await store.evals.suites.change("b", lambda b: replace(b, name="a"), TESTER)
    assert refused.value.param == "name"
    with pytest.raises(Conflict):
        await store.evals.suites.add(suite("a", id="other"), TESTER)


async def test_changes_are_in_the_audit_log(store: Store) -> None:
    await store.evals.evaluators.add(evaluator(), TESTER)
    await store.evals.evaluators.change("answer", lambda e: replace(e, updated_at=9), TESTER)
    await store.evals.evaluators.change(
        "answer", lambda e: replace(e, params={"operation": "ne"}), TESTER
    )
    await store.evals.evaluators.remove("answer", TESTER)
    changes, _ = await store.audit.page(9, wanted=AuditFilter(action="evaluator"))
    assert [change.action for change in reversed(changes)] == [
        "evaluator.add",
        "evaluator.update",
        "evaluator.remove",
    ]
    assert changes[1].after == {"params": {"operation": "ne"}}
