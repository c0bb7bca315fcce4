"""Rows on their way to the database: none is lost, none is stored twice."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import ledger as module
from gateway.errors import NotReady
from gateway.ledger import Ledger
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.ledger import Transcript
from tests.conftest import execute
from tests.disks import full_disk
from tests.ledgers import ledger_row
from tests.open_ledgers import journals, running, stored, sums
from tests.servers import Gateway


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture
async def ledger(store: Store) -> AsyncIterator[Ledger]:
    async with running(store) as made:
        yield made


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every writer from the database."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def broken(settings: Settings) -> Iterator[None]:
    """Have every write of rows fail at once."""
    execute(settings, "ALTER TABLE ledger RENAME TO lost")
    yield
    execute(settings, "ALTER TABLE lost RENAME TO ledger")


async def test_rows_are_stored_by_themselves(store: Store, ledger: Ledger) -> None:
    rows = [ledger_row() for _ in range(1200)]
    for row in rows:
        ledger.open(replace(row, outcome="interrupted"))
        ledger.settle(row, Transcript(row.id, row.started_ms, "{}", None))
    async with asyncio.timeout(10):
        while await sums(store) != (1200, 1200 * 1000):
            await asyncio.sleep(0.02)
    assert await stored(store) == rows
    assert not ledger.waiting
    assert not ledger._transcripts
    [journal] = journals(store)
    assert journal.stat().st_mode & 0o777 == 0o600
    assert journal.read_bytes() == b"", "what the database has is not kept twice"


async def test_what_comes_while_rows_are_stored_waits_for_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row or two at a time would each cost as much as hundreds."""
    monkeypatch.setattr(module, "FLUSH_SECONDS", 60)
    write = store.ledger.write

    async def write_while_more_come(*arguments: Any) -> None:
        await write(*arguments)
        ledger.settle(late)

    async with running(store) as ledger:
        early, late = [ledger_row() for _ in range(3)], ledger_row()
        for row in early:
            ledger.settle(row)
        monkeypatch.setattr(store.ledger, "write", write_while_more_come)
        await ledger.flush()
        assert await stored(store) == early
        assert list(ledger.waiting) == [late]
        monkeypatch.setattr(store.ledger, "write", write)
    assert await stored(store) == [*early, late]


async def test_an_end_stores_all_and_leaves_no_file_and_no_task(store: Store) -> None:
    before = asyncio.all_tasks()
    async with running(store) as ledger:
        rows = [ledger_row() for _ in range(30)]
        for row in rows:
            ledger.settle(row)
    assert await stored(store) == rows
    assert journals(store) == []
    assert asyncio.all_tasks() == before
    with pytest.raises(NotReady):
        ledger.open(ledger_row())


async def test_an_end_waits_for_what_is_about_to_be_settled(store: Store) -> None:
    row = ledger_row()
    async with running(store) as ledger:
        ledger.open(replace(row, outcome="interrupted"))
        asyncio.get_running_loop().call_later(0.1, ledger.settle, row)
    assert await stored(store) == [row]
    assert journals(store) == []


async def test_what_does_not_end_is_left_to_the_next_start(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)
    row = ledger_row(outcome="interrupted")
    async with running(store) as ledger:
        ledger.open(row)
    assert "1 row(s) of the ledger could not be stored" in caplog.text
    ledger.settle(replace(row, outcome="complete"))
    async with running(store, "b"):
        [found] = await stored(store)
    assert found.outcome == "interrupted"
    assert journals(store) == []


# --- a database that takes no rows ---


@pytest.mark.sqlite
async def test_requests_wait_for_a_locked_database_and_then_are_refused(
    store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.2)
    rows = [ledger_row() for _ in range(5)]
    with locked(store.files):
        for row in rows:
            await ledger.room()
            ledger.settle(row)
        with pytest.raises(NotReady, match="database takes no rows") as refused:
            await ledger.room()
        assert refused.value.status == 503
        # Who has been let in is settled all the same.
        rows.append(ledger_row())
        ledger.settle(rows[-1])
        monkeypatch.setattr(module, "_PATIENCE_SECONDS", 10)
        waiting = [asyncio.create_task(ledger.room()) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)
    await ledger.flush()
    assert await stored(store) == rows
    assert await sums(store) == (6, 6000)


@pytest.mark.sqlite
async def test_a_locked_database_is_a_503_and_loses_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.2)
    await gateway.add_model()
    key = await gateway.issue_key()
    assert (await gateway.chat(key["key"])).status_code == 200
    await gateway.flush()
    with locked(gateway.app.state.services.store.files):
        for _ in range(3):
            assert (await gateway.chat(key["key"])).status_code == 200
        refused = await gateway.chat(key["key"])
        unknown = await gateway.chat(key["key"], model="none such")
    assert refused.status_code == unknown.status_code == 503
    assert refused.json()["error"]["type"] == "service_unavailable_error"
    assert len(gateway.provider.received) == 4
    assert (await gateway.chat(key["key"])).status_code == 200
    rows = await gateway.rows(key["id"], 5)
    assert [row.outcome for row in rows] == ["complete"] * 5


async def test_rows_wait_while_the_database_fails(
    settings: Settings,
    store: Store,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.05)
    row = ledger_row()
    with broken(settings):
        ledger.settle(row)
        async with asyncio.timeout(10):
            while "The ledger cannot be stored" not in caplog.text:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        assert list(ledger.waiting) == [row]
        assert caplog.text.count("The ledger cannot be stored") == 1
    async with asyncio.timeout(5):
        while not await stored(store):
            await asyncio.sleep(0.02)
    assert "can be stored again" in caplog.text


async def test_what_cannot_be_stored_at_the_end_is_stored_at_the_next_start(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [ledger_row() for _ in range(3)]
    with broken(settings):
        async with running(store) as ledger:
            for row in rows:
                ledger.open(replace(row, outcome="interrupted"))
                ledger.settle(row)
        assert "3 row(s) of the ledger could not be stored" in caplog.text
        assert len(journals(store)) == 1
    async with running(store, "b"):
        assert await stored(store) == rows
    assert journals(store) == []


@pytest.mark.sqlite
async def test_who_is_cancelled_while_it_stores_has_stored_once(
    store: Store, ledger: Ledger
) -> None:
    row = ledger_row()
    with locked(store.files):
        ledger.settle(row)
        flushing = asyncio.create_task(ledger.flush())
        await asyncio.sleep(0.1)
        flushing.cancel()
        await asyncio.sleep(0.05)
        assert not flushing.done(), "it must come to its end"
    with pytest.raises(asyncio.CancelledError):
        await flushing
    assert not ledger.waiting, "it would count twice: here and in the database"
    assert await stored(store) == [row]


# --- a disk that takes no lines ---


async def test_a_full_disk_refuses_new_requests_and_loses_no_row(
    store: Store, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    assert ledger._journal is not None
    begun, row = ledger_row(), ledger_row()
    ledger.open(replace(begun, outcome="interrupted"))
    with full_disk(ledger._journal.path):
        with pytest.raises(NotReady, match="cannot note the request"):
            ledger.open(ledger_row())
        ledger.seen(begun)
        ledger.settle(begun)
        assert "journal cannot be written" in caplog.text
    ledger.settle(row)
    await ledger.flush()
    assert await stored(store) == [begun, row]


async def test_a_full_disk_is_a_503(gateway: Gateway) -> None:
    await gateway.add_model()
    key = await gateway.issue_key(max_budget=1)
    assert (await gateway.chat(key["key"])).status_code == 200
    await gateway.flush()
    [journal] = gateway.app.state.services.store.files.parent.glob("*.jsonl")
    with full_disk(journal):
        for stream in (False, True):
            refused = await gateway.chat(key["key"], stream=stream)
            assert refused.status_code == 503
            assert refused.json()["error"]["type"] == "service_unavailable_error"
    assert len(gateway.provider.received) == 1
    assert (await gateway.chat(key["key"])).status_code == 200
    rows = await gateway.rows(key["id"], 4)
    assert [row.outcome for row in rows] == ["complete", "refused", "refused", "complete"]


async def test_a_journal_that_cannot_be_shortened_goes_on(
    store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_LARGEST_JOURNAL", 0)
    assert ledger._journal is not None
    running_row = ledger_row(outcome="interrupted")
    ledger.open(running_row)
    ledger.settle(ledger_row())
    monkeypatch.setattr(ledger._journal, "path", Path("/no/such/directory/at.all"))
    await ledger.flush()
    assert "cannot be shortened" in caplog.text
    monkeypatch.undo()
    ledger.settle(replace(running_row, outcome="complete"))
    await ledger.flush()
    assert [row.outcome for row in await stored(store)] == ["complete", "complete"]


# --- its file ---


async def test_no_secret_and_no_text_is_in_the_journal(gateway: Gateway) -> None:
    await gateway.add_model(api_key="sk-upstream-secret-0123456789")
    key = await gateway.issue_key(label="named")
    gateway.provider.hangs()
    calling = asyncio.create_task(gateway.chat(key["key"], user="someone"))
    while not gateway.provider.received:
        await asyncio.sleep(0.01)
    [journal] = gateway.app.state.services.store.files.parent.glob("*.jsonl")
    content = journal.read_text()
    assert "someone" in content
    for secret in (key["key"], "sk-upstream-secret-0123456789", "hello", gateway.admin_key):
        assert secret not in content
    assert journal.stat().st_mode & 0o777 == 0o600
    calling.cancel()
    await gateway.rows(key["id"])
    assert journal.read_bytes() == b""
