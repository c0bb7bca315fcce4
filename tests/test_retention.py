"""Old rows of the ledger go, sums stay, and nobody waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.periods import DAY, check_period, period_start, seconds
from gateway.records import CallSettings, Key, LedgerRow
from gateway.registry import Registry
from gateway.retention import BATCH, Retention, in_batches, kept_since
from gateway.settings import Settings
from gateway.specs import key_record
from gateway.store import Store
from gateway.store.ledger import Transcript
from tests.ledgers import ledger_row
from tests.servers import TESTER

NOW = 1_700_000_000


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture
async def registry(store: Store) -> Registry:
    made = Registry(store)
    await made.refresh()
    return made


def row(name: str, days_ago: float) -> LedgerRow:
    return ledger_row(int((NOW - days_ago * DAY) * 1000), id=name, key_id="key_1", cost=5)


async def write(store: Store, *rows: LedgerRow) -> None:
    """Rows, each with a transcript."""
    await store.ledger.write(rows, [Transcript(r.id, r.started_ms, "{}", None) for r in rows])


async def ids(store: Store) -> list[str]:
    return [found.id for _, found in await store.ledger.after(0, 10_000)]


async def transcripts(store: Store) -> int:
    return (await store.pruning.expired((NOW + DAY) * 1000)).transcripts


async def test_rows_go_with_their_transcripts_when_they_are_too_old_and_sums_stay(
    store: Store, registry: Registry
) -> None:
    await write(store, row("old", 91), row("edge", 90), row("young", 89))
    assert await Retention(store, registry).once(NOW) == 1
    assert await ids(store) == ["edge", "young"]
    assert await transcripts(store) == 2
    assert (await store.ledger.spent("key", "key_1", None))[0] == 15


async def test_the_setting_says_how_long_and_a_change_counts_at_the_next_turn(
    store: Store, registry: Registry
) -> None:
    await write(store, row("a", 1000), row("b", 50), row("c", 3))
    retention = Retention(store, registry)
    for period, left in (("forever", "abc"), ("60d", "bc"), ("2d", "")):
        changed = CallSettings(maximum_spend_logs_retention_period=period)
        await store.settings.put(changed, TESTER)
        await retention.once(NOW)
        assert "".join(await ids(store)) == left


@pytest.mark.parametrize(
    "duration", ["1s", "90m", "5h", "7h", "24h", "48h", "1d", "3d", "1w", "1mo"]
)
@pytest.mark.parametrize("now", [NOW, NOW + 3 * 3600 + 17, 1_709_164_800, 1_709_164_799])
async def test_no_budget_period_that_runs_loses_a_row(
    store: Store, duration: str, now: int
) -> None:
    """Whatever the database says: a period is counted from the rows, or from the sums."""
    check_period(duration)
    key: Key = replace(
        key_record("0" * 64, "sk-…", NOW - 400 * DAY), budget_duration=duration, id="key_1"
    )
    start = period_start(duration, key.created_at, now)
    first = replace(row("first", 0), started_ms=start * 1000)
    await write(store, first, replace(first, id="before", started_ms=first.started_ms - 1))
    spent = await store.ledger.spent_by(key, now)
    shortest = replace(CallSettings(), maximum_spend_logs_retention_period="1s")
    before = kept_since(shortest, now)
    assert before is not None
    await in_batches(store.ledger.remove_before, before)
    assert await store.ledger.spent_by(key, now) == spent == 5
    assert seconds(duration) > 2 * DAY or "first" in await ids(store)


async def test_rows_go_in_batches_and_others_write_in_between(store: Store) -> None:
    rows = [row(f"old-{n}", 100) for n in range(2 * BATCH + 10)]
    await write(store, *rows)
    sizes = []

    async def remove(started_ms: int, limit: int) -> int:
        sizes.append(await store.ledger.remove_before(started_ms, limit))
        # Between two batches the database is free.
        async with asyncio.timeout(2):
            await write(store, row(f"new-{len(sizes)}", 0))
        return sizes[-1]

    assert await in_batches(remove, NOW - 90 * DAY) == len(rows)
    assert sizes == [BATCH, BATCH, 10]
    assert await ids(store) == ["new-1", "new-2", "new-3"]


async def test_two_processes_may_do_it_at_once(store: Store, settings: Settings) -> None:
    await write(store, *(row(f"old-{n}", 100) for n in range(2 * BATCH)), row("young", 1))
    async with Store.open(settings) as other:
        removed = await asyncio.gather(
            *(in_batches(each.ledger.remove_before, NOW - 90 * DAY) for each in (store, other))
        )
    assert sum(removed) == 2 * BATCH
    assert await ids(store) == ["young"]


async def test_it_runs_at_once_and_goes_on_after_an_error(
    store: Store,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gateway.retention.EVERY_SECONDS", 0.01)
    await write(store, row("old", 100), row("young", 0))
    registry.settings = CallSettings(maximum_spend_logs_retention_period="a while")
    running = asyncio.create_task(Retention(store, registry).run())
    try:
        async with asyncio.timeout(10):
            while "cannot be removed" not in caplog.text:
                await asyncio.sleep(0.01)
            assert len(await ids(store)) == 2
            days = int((time.time() - NOW) / DAY) + 10
            registry.settings = CallSettings(maximum_spend_logs_retention_period=f"{days}d")
            while await ids(store) != ["young"]:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_removing_is_no_change_of_anything_a_process_holds(
    store: Store, registry: Registry
) -> None:
    await write(store, row("old", 100))
    before = await store.database.stamps()
    await Retention(store, registry).once(NOW)
    assert await store.database.stamps() == before
