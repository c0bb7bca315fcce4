"""The journal of a process that was killed, and what the next start makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import ledger as module
from gateway.journal import Journal
from gateway.ledger import Ledger
from gateway.left_behind import journal_path
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.ledger import Transcript
from tests.ledgers import ledger_row
from tests.open_ledgers import journals, killed, running, stored, sums


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


async def test_a_start_stores_what_a_killed_process_left(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Ledger(store.ledger, store.files, "lost")
    lost._journal = Journal(journal_path(store.files, "lost"))
    ended, begun, seen = ledger_row(), ledger_row(1_000), ledger_row(2_000)
    for row in (ended, begun, seen):
        lost.open(replace(row, outcome="interrupted", completion_tokens=999))
    lost.seen(replace(seen, outcome="interrupted", completion_tokens=7))
    lost.settle(ended, Transcript(ended.id, ended.started_ms, '{"a": 1}', None))
    killed(lost)
    [journal] = journals(store)
    ended_ms = journal.stat().st_mtime_ns // 1_000_000
    async with running(store, "b"):
        found = {row.id: row for row in await stored(store)}
        assert found[ended.id] == ended
        for row, tokens in ((begun, 999), (seen, 7)):
            assert found[row.id] == replace(
                row,
                outcome="interrupted",
                completion_tokens=tokens,
                latency_ms=ended_ms - row.started_ms,
            )
        assert len(found) == 3
    assert "3 row(s), 2 of a request that was running" in caplog.text
    assert journals(store) == []
    async with store.database.read() as connection:
        kept = await connection.exec_driver_sql("SELECT id, request FROM transcripts")
        assert list(map(tuple, kept)) == [(ended.id, '{"a": 1}')]


async def test_what_was_stored_before_the_kill_is_not_stored_again(store: Store) -> None:
    """The process died between the commit and the clearing of its journal."""
    rows = [ledger_row(outcome="interrupted" if n % 3 else "complete") for n in range(10)]
    for node in ("a", "b"):
        journal = Journal(journal_path(store.files, node))
        ledger = Ledger(store.ledger, store.files, node)
        ledger._journal = journal
        for row in rows:
            ledger.open(replace(row, outcome="interrupted"))
            ledger.settle(row)
        await store.ledger.write(rows, (), node)
        killed(ledger)
    for node in ("c", "d"):
        async with running(store, node):
            pass
    assert await stored(store) == rows
    assert await sums(store) == (10, 10_000)


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b'["open",{"id":"x"}]\n',
        b'["row"]\n',
        b'["row",[1],null]\n',
        b'["row",{"id":"x","tags":[],"from_the_future":1}]\n',
    ],
)
async def test_an_unreadable_journal_is_set_aside(
    store: Store, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = journal_path(store.files, "old")
    path.write_bytes(content)
    async with running(store) as ledger:
        ledger.settle(ledger_row())
        await ledger.flush()
        assert len(await stored(store)) == 1
    [kept] = journals(store)
    assert kept.name == f"{store.files.name}.ledger-old.unreadable"
    assert kept.read_bytes() == content
    assert str(kept) in caplog.text


async def test_two_that_start_at_once_store_a_journal_once(
    settings: Settings, store: Store
) -> None:
    rows = [ledger_row(outcome="interrupted", latency_ms=0) for _ in range(700)]
    lost = Ledger(store.ledger, store.files, "lost")
    lost._journal = Journal(journal_path(store.files, "lost"))
    for row in rows:
        lost.open(row)
    killed(lost)
    async with Store.open(settings) as other:
        ledgers = [
            Ledger(each.ledger, each.files, node) for each, node in ((store, "a"), (other, "b"))
        ]
        await asyncio.gather(*(ledger.start() for ledger in ledgers))
        await asyncio.gather(*(ledger.aclose() for ledger in ledgers))
    assert sorted(row.id for row in await stored(store)) == sorted(row.id for row in rows)
    assert await sums(store) == (700, 700_000)
    assert journals(store) == []


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.05, 0.1])
async def test_a_start_that_ends_early_is_made_up_for(store: Store, moment: float) -> None:
    rows = [ledger_row(outcome="interrupted", latency_ms=0) for _ in range(1200)]
    lost = Ledger(store.ledger, store.files, "lost")
    lost._journal = Journal(journal_path(store.files, "lost"))
    for row in rows:
        lost.open(row)
    killed(lost)
    first = Ledger(store.ledger, store.files, "first")
    starting = asyncio.create_task(first.start())
    await asyncio.sleep(moment)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await first.aclose()
    async with running(store, "second"):
        pass
    assert await sums(store) == (1200, 1_200_000)
    assert journals(store) == []


@pytest.mark.parametrize("name", ["a[b]*.db", "no-suffix", "two.dots.db"])
async def test_any_name_of_a_database_will_do(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    named = replace(settings, database_url=f"sqlite:///{tmp_path}/{name}")
    async with Store.open(named) as store:
        first = Ledger(store.ledger, store.files, "first")
        await first.start()
        first.open(ledger_row(outcome="interrupted"))
        assert first._flushing is not None
        first._flushing.cancel()
        killed(first)
        async with running(store, "second"):
            assert len(await stored(store)) == 1


async def test_a_long_journal_is_shortened_and_keeps_everything(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST_JOURNAL", 2000)
    async with running(store) as ledger:
        begun = [ledger_row(outcome="interrupted") for _ in range(3)]
        for row in begun:
            ledger.open(row)
        done = [ledger_row() for _ in range(50)]
        for row in done:
            ledger.open(replace(row, outcome="interrupted"))
            ledger.settle(row)
        [journal] = journals(store)
        long = journal.stat().st_size
        await ledger.flush()
        assert journal.stat().st_size < long / 10
        late = ledger_row()
        ledger.settle(late)
        lines = [json.loads(line) for line in journal.read_bytes().splitlines()]
        assert [(kind, row["id"]) for kind, row, *_ in lines] == [
            *(("open", row.id) for row in begun),
            ("row", late.id),
        ]
        for row in begun:
            ledger.settle(row)
    assert await sums(store) == (54, 54_000)
