"""Runs and items as rows, and whose they are."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gateway.errors import Conflict, NotFound
from gateway.evals.records import Item, Progress, Score
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.evals.runs import DEAD_AFTER_SECONDS
from tests.conftest import execute
from tests.servers import TESTER
from tests.store.evals.records import item, run

FAILED = item("fr", scores=(Score("answer", 0.0, False), Score("tone", error="no judge")))
ERROR = item("🦊", output=None, error="502", latency_ms=None, cost=None, scores=(), tool_calls=())
UNGRADED = item("uk", "claude", scores=(Score("tone", error="no judge"),))
ITEMS = list(enumerate([item(), FAILED, ERROR, UNGRADED]))


async def begun(store: Store, run_id: str = "run_1", now: int = 1000) -> None:
    await store.evals.runs.add(run(run_id), "me", TESTER)
    assert await store.evals.runs.begin(run(run_id), "me", now, 5)


async def status(store: Store) -> str:
    return (await store.evals.runs.head("run_1")).run.status


async def test_a_run_and_its_items_come_back_as_they_were_stored(store: Store) -> None:
    runs = store.evals.runs
    await runs.add(run(), "me", TESTER)
    assert await runs.get("run_1") == run()
    assert await runs.begin(run(), "me", 1001, 10**18)
    assert await runs.store("run_1", "me", ITEMS, 99, 1100)
    assert await runs.all_items("run_1") == [each for _, each in ITEMS]
    assert await runs.done("run_1") == {0, 1, 2, 3}
    head = await runs.head("run_1")
    assert head.progress == Progress(
        planned=12, done=4, failed=1, errors=2, spent=99, expected_at=1100
    )
    assert head.run == replace(
        run(), status="running", started_at=1001, dataset=replace(run().dataset, cases=())
    )
    for wanted, expected in (("failed", [FAILED]), ("error", [ERROR, UNGRADED])):
        found, more = await runs.items("run_1", 9, status=wanted)  # type: ignore[arg-type]
        assert ([each for _, each in found], more) == (expected, False)
    page, more = await runs.items("run_1", 2, after=0)
    assert ([position for position, _ in page], more) == ([1, 2], True)
    assert await runs.end(run(), "me", "completed", 1003)
    ended = (await runs.head("run_1")).run
    assert (ended.status, ended.ended_at, ended.error) == ("completed", 1003, None)
    with pytest.raises(NotFound):
        await runs.get("none")


async def test_a_run_is_one_process_s_at_a_time(store: Store) -> None:
    runs = store.evals.runs
    await begun(store)
    assert not await runs.begin(run(), "other", 1000, None)
    assert not await runs.store("run_1", "other", ITEMS, 1, None)
    assert not await runs.end(run(), "other", "completed", 1000)
    assert await runs.done("run_1") == set()
    assert await runs.cancel("run_1", 1001, TESTER)
    assert not await runs.cancel("run_1", 1001, TESTER)
    assert not await runs.store("run_1", "me", ITEMS, 1, None)
    assert not await runs.end(run(), "me", "completed", 1001)
    assert await status(store) == "cancelled"
    assert await runs.begin(run(), "other", 1002, None)
    assert await runs.store("run_1", "other", ITEMS, 1, None)


def silent(settings: Settings, seconds: int) -> None:
    """As if a run's process had said for so much longer that it still runs it."""
    execute(settings, f"UPDATE eval_runs SET beat_at = beat_at - {seconds}")


@pytest.mark.parametrize("away", [-300, 0, 300])
async def test_who_is_silent_has_died(store: Store, settings: Settings, away: int) -> None:
    """Whatever its own clock says."""
    runs, started = store.evals.runs, int(time.time()) + away
    await begun(store, now=started)
    await runs.store("run_1", "me", ITEMS, 1, None)
    silent(settings, DEAD_AFTER_SECONDS - 5)
    assert await status(store) == "running"
    silent(settings, 10)
    page, _ = await runs.page(9)
    assert [head.run.status for head in page] == ["interrupted"]
    ended = page[0].run
    assert ended.error is not None
    last = pytest.approx(time.time() - DEAD_AFTER_SECONDS - 5, abs=9)
    assert ended.ended_at == (last if away < 0 else started), "not before it was started"
    # It was only slow, and learns that it is taken for dead.
    assert not await runs.store("run_1", "me", [], 1, None)
    assert await runs.begin(run(), "other", 1030, None)
    assert (await runs.head("run_1")).run.error is None


async def test_who_begins_cancels_and_takes_up_a_run_is_noted(store: Store) -> None:
    runs = store.evals.runs
    await begun(store)
    await runs.cancel("run_1", 1001, TESTER)
    stopped = (await runs.head("run_1")).run
    await runs.begin(stopped, "me", 1002, 7, TESTER)
    await runs.end(replace(stopped, status="running"), "me", "cancelled", 1003, None, TESTER)
    await runs.remove("run_1", TESTER)
    changes, _ = await store.audit.page(9)
    found = [(change.action, change.before, change.after) for change in reversed(changes)]
    assert [action for action, _, _ in found] == [
        "run.add",
        "run.cancel",
        "run.resume",
        "run.cancel",
        "run.remove",
    ]
    cancelled = {"status": "cancelled", "max_cost": 5}
    assert found[1][1:] == ({"status": "running"}, {"status": "cancelled"})
    assert found[2][1:] == (cancelled, {"status": "running", "max_cost": 7})
    assert found[0][2] == found[4][1] | {"max_cost": 10**18}  # type: ignore[operator]


async def test_runs_come_in_pages_newest_first(store: Store) -> None:
    runs = store.evals.runs
    for number, created in enumerate((3, 1, 2, 2)):
        made = run(f"run_{number}", created_at=created, suite="ci" if number else None)
        await runs.add(made, "me", TESTER)
    found, more = await runs.page(2)
    assert ([head.run.id for head in found], more) == (["run_0", "run_3"], True)
    found, more = await runs.page(2, after="run_3")
    assert ([head.run.id for head in found], more) == (["run_2", "run_1"], False)
    found, _ = await runs.page(9, suite="ci")
    assert [head.run.id for head in found] == ["run_3", "run_2", "run_1"]


async def test_a_running_run_is_not_removed(store: Store) -> None:
    runs = store.evals.runs
    await begun(store)
    await runs.store("run_1", "me", ITEMS, 1, None)
    with pytest.raises(Conflict, match="cancel it first"):
        await runs.remove("run_1", TESTER)
    await runs.end(run(), "me", "completed", 1001)
    await runs.remove("run_1", TESTER)
    assert await runs.done("run_1") == set()
    changes, _ = await store.audit.page(1)
    assert (changes[0].action, changes[0].target_id) == ("run.remove", "run_1")


def test_an_item_has_failed_where_an_evaluator_says_so() -> None:
    def of(**fields: object) -> str:
        return replace(item(), **fields).status  # type: ignore[arg-type]

    assert of() == of(scores=()) == of(scores=(Score("a", 0.5),)) == "passed"
    assert FAILED.status == "failed"
    assert ERROR.status == UNGRADED.status == "error"
    assert isinstance(ERROR, Item)
