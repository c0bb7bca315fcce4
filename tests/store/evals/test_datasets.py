"""Datasets as rows, and the versions of their cases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from gateway.errors import Conflict, NotFound
from gateway.evals.records import Case
from gateway.store import Store
from gateway.store.audit import AuditFilter
from gateway.store.tables import eval_cases
from tests.servers import TESTER
from tests.store.evals.records import CASES, dataset, run, suite
from tests.store.records import HOSTILE

OTHERS = (*CASES, Case("new", "?"))


async def versions(store: Store) -> set[str]:
    async with store.database.read() as connection:
        return set(await connection.scalars(select(eval_cases.c.version)))


async def test_a_dataset_comes_back_as_it_was_stored(store: Store) -> None:
    full, bare = dataset(description="Questions"), dataset("bare", ())
    await store.evals.datasets.add(full, TESTER)
    await store.evals.datasets.add(bare, TESTER)
    for named in (full.name, full.id):
        assert await store.evals.datasets.get(named) == full
    assert await store.evals.datasets.get("bare") == bare
    heads = await store.evals.datasets.all()
    assert [(head.name, head.size) for head in heads] == [("bare", 0), ("faq", 3)]


async def test_cases_come_in_pages(store: Store) -> None:
    await store.evals.datasets.add(dataset(), TESTER)
    _, first, more = await store.evals.datasets.page("faq", 2)
    assert ([case for _, case in first], more) == (list(CASES[:2]), True)
    head, rest, more = await store.evals.datasets.page("faq", 2, first[-1][0])
    assert ([case for _, case in rest], more, head.size) == ([CASES[2]], False, 3)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_is_never_read_as_sql(name: str, store: Store) -> None:
    await store.evals.datasets.add(dataset("other"), TESTER)
    await store.evals.datasets.add(dataset(name), TESTER)
    await store.evals.datasets.remove(name, TESTER)
    assert [head.name for head in await store.evals.datasets.all()] == ["other"]
    with pytest.raises(NotFound):
        await store.evals.datasets.get(name)


async def test_a_change_makes_a_new_version_and_the_old_one_goes(store: Store) -> None:
    old = dataset()
    await store.evals.datasets.add(old, TESTER)
    # Of two datasets with the same cases, one version is stored.
    await store.evals.datasets.add(dataset("twin"), TESTER)
    changed = dataset(cases=OTHERS, updated_at=2000)
    assert await store.evals.datasets.change("faq", lambda _: changed, TESTER) == changed
    assert await store.evals.datasets.get("faq") == changed
    assert await store.evals.datasets.get("twin") == dataset("twin")
    await store.evals.datasets.remove("twin", TESTER)
    assert await versions(store) == {changed.version}
    with pytest.raises(ZeroDivisionError):
        await store.evals.datasets.change("faq", lambda d: replace(d, name=str(1 // 0)), TESTER)
    assert await store.evals.datasets.get("faq") == changed


async def test_a_version_that_a_run_was_made_with_stays_as_long_as_the_run(store: Store) -> None:
    made = dataset()
    await store.evals.datasets.add(made, TESTER)
    await store.evals.runs.add(run(dataset=made), "node", TESTER)
    await store.evals.datasets.change("faq", lambda _: dataset(cases=OTHERS), TESTER)
    await store.evals.datasets.remove("faq", TESTER)
    assert await versions(store) == {made.version}
    assert (await store.evals.runs.get("run_1")).dataset == made
    await store.evals.runs.cancel("run_1", 1001, TESTER)
    await store.evals.runs.remove("run_1", TESTER)
    assert await versions(store) == set()


async def test_names_are_used_once_and_kept_while_a_suite_has_them(store: Store) -> None:
    await store.evals.datasets.add(dataset(), TESTER)
    await store.evals.datasets.add(dataset("b"), TESTER)
    with pytest.raises(Conflict, match="Another dataset is called 'faq'"):
        await store.evals.datasets.add(dataset("faq", id="other"), TESTER)
    with pytest.raises(Conflict, match="Another dataset is called 'faq'"):
        await store.evals.datasets.change("b", lambda b: replace(b, name="faq"), TESTER)
    await store.evals.suites.add(suite(dataset="faq"), TESTER)
    with pytest.raises(Conflict, match="cannot be removed: the suite 'ci' has it"):
        await store.evals.datasets.remove("faq", TESTER)
    with pytest.raises(Conflict, match="cannot be renamed: the suite 'ci' has it"):
        await store.evals.datasets.change("faq", lambda d: replace(d, name="c"), TESTER)
    assert [head.name for head in await store.evals.datasets.all()] == ["b", "faq"]


async def test_changes_are_in_the_audit_log_without_the_cases(store: Store) -> None:
    await store.evals.datasets.add(dataset(), TESTER)
    await store.evals.datasets.change("faq", lambda _: dataset(cases=OTHERS), TESTER)
    await store.evals.datasets.change("faq", lambda d: replace(d, updated_at=9), TESTER)
    await store.evals.datasets.remove("faq", TESTER)
    changes, _ = await store.audit.page(9, wanted=AuditFilter(action="dataset"))
    found = [(change.action, change.before, change.after) for change in reversed(changes)]
    old, new = dataset().version, dataset(cases=OTHERS).version
    whole = {"name": "faq", "description": None}
    assert found == [
        ("dataset.add", None, whole | {"version": old, "size": 3}),
        ("dataset.update", {"version": old, "size": 3}, {"version": new, "size": 4}),
        ("dataset.remove", whole | {"version": new, "size": 4}, None),
    ]
