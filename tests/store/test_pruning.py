"""Removing rows by hand: counting, noting, giving the space back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.periods import DAY
from gateway.retention import in_batches
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.pruning import Expired
from tests.servers import TESTER
from tests.test_retention import NOW, ids, row, write


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


async def test_what_is_older_is_counted(store: Store) -> None:
    await write(store, row("a", 3), row("b", 2))
    await store.ledger.write([row("c", 3)], [])
    assert await store.pruning.expired((NOW - 2 * DAY) * 1000) == Expired(2, 1)
    assert await store.pruning.expired((NOW + DAY) * 1000) == Expired(3, 2)


async def test_that_it_was_done_is_in_the_audit_log(store: Store) -> None:
    await store.pruning.note(Expired(7, 3), NOW, TESTER)
    [change], _ = await store.audit.page(1)
    assert (change.actor, change.action, change.target_id) == (TESTER, "ledger.prune", "ledger")
    gone = {"started_before": "2023-11-14T22:13:20Z", "rows": 7, "transcripts": 3}
    assert (change.before, change.after) == (gone, None)


async def test_transcripts_can_go_alone(store: Store) -> None:
    await write(store, *(row(f"{n}", 3) for n in range(5)), row("young", 1))
    before = (NOW - 2 * DAY) * 1000
    assert await store.transcripts.remove_before(before, 3) == 3
    assert await store.transcripts.remove_before(before, 3) == 2
    assert await store.pruning.expired((NOW + DAY) * 1000) == Expired(6, 1)


@pytest.mark.sqlite
async def test_vacuum_gives_back_what_is_free(store: Store) -> None:
    await write(store, *(row(f"old-{n}", 100) for n in range(3000)), row("young", 0))
    await store.database.vacuum()
    size = await store.database.size()
    await in_batches(store.ledger.remove_before, NOW - DAY)
    await store.database.vacuum()
    assert await store.database.size() < size / 2
    assert await ids(store) == ["young"]
    assert await store.database.check_integrity() == []
