"""Rows that wait on the disk: none is lost, none is stored twice, and budgets know of all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ledger as module
from gateway.errors import NotReady
from gateway.ledger import Ledger
from gateway.records import LedgerRow
from gateway.settings import Settings
from gateway.spool import Entry, Spool
from gateway.store import Store
from gateway.store.ledger import Transcript
from tests.disks import full_disk
from tests.ledgers import ledger_row
from tests.open_ledgers import journals, killed, running, stored, sums


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows are too many for memory, and nobody waits long."""
    monkeypatch.setattr(module, "SPOOL_ROWS", 10)
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(module, "_BREATH_SECONDS", 0.0)


@contextlib.contextmanager
def failing(store: Store) -> Iterator[None]:
    """Have the database take no rows."""

    async def fails(*_: Any) -> None:
        raise OSError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.ledger, "write", fails)
        yield


@contextlib.contextmanager
def hanging(store: Store) -> Iterator[asyncio.Event]:
    """Have the database store rows, and not say so until this is set."""
    answers, write = asyncio.Event(), store.ledger.write

    async def hangs(*arguments: Any) -> Any:
        position = await write(*arguments)
        await answers.wait()
        return position

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.ledger, "write", hangs)
        yield answers


def settled(ledger: Ledger, count: int, **fields: Any) -> list[LedgerRow]:
    """Rows of requests that were opened and ended, each with its transcript."""
    rows = [ledger_row(**fields) for _ in range(count)]
    for row in rows:
        ledger.open(replace(row, outcome="interrupted"))
        ledger.settle(row, Transcript(row.id, row.started_ms, "{}", '"é"'))
    return rows


async def until_stored(store: Store, rows: list[LedgerRow]) -> None:
    async with asyncio.timeout(20):
        while (await sums(store))[0] < len(rows):
            await asyncio.sleep(0.02)
    assert sorted(await stored(store), key=_id) == sorted(rows, key=_id)
    assert await sums(store) == (len(rows), sum(row.cost or 0 for row in rows))
    async with store.database.read() as connection:
        kept = await connection.exec_driver_sql("SELECT id FROM transcripts")
        assert {name for (name,) in kept} >= {row.id for row in rows if row.outcome == "complete"}


def _id(row: LedgerRow) -> str:
    return row.id


def spooled(store: Store) -> list[Path]:
    return [path for path in journals(store) if path.suffix == ".spool"]


async def test_calls_go_on_and_the_database_catches_up(store: Store) -> None:
    async with running(store) as ledger:
        with failing(store):
            rows = settled(ledger, 1234)
            assert len(ledger.waiting) == len(ledger._transcripts) < 10
            await ledger.room()
            assert ledger.spool.rows + len(ledger.waiting) == 1234
            files = spooled(store)
            assert len(files) > 100
            assert ledger.spool.size == sum(path.stat().st_size for path in files)
            assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
            await asyncio.sleep(0.3)
        await until_stored(store, rows)
        assert (ledger.spool.rows, ledger.spool.size, ledger.spool._owned) == (0, 0, {})
        assert spooled(store) == []
        [journal] = journals(store)
        assert journal.read_bytes() == b""
    assert journals(store) == []


async def test_spooled_rows_are_stored_in_their_order_and_new_ones_do_not_wait_for_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 20)
    async with running(store) as ledger:
        with failing(store):
            old = settled(ledger, 2000)
            await asyncio.sleep(0.3)
        [new] = settled(ledger, 1)
        async with asyncio.timeout(20):
            while new not in await stored(store):
                await asyncio.sleep(0)
        assert ledger.spool.rows
        await until_stored(store, [*old, new])
    ids = [row.id for row in await stored(store)]
    spooled_ids = [row.id for row in old[:1900]]
    assert [each for each in ids if each in set(spooled_ids)] == spooled_ids


@pytest.mark.parametrize("moment", ["spooled", "both", "half"])
async def test_a_kill_loses_nothing(
    store: Store, moment: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Ledger(store.ledger, store.files, "lost")
    await lost.start()
    assert lost._flushing is not None
    assert lost._journal is not None
    with failing(store):
        cut_off = ledger_row(outcome="interrupted", latency_ms=0)
        lost.open(cut_off)
        if moment == "both":
            # It dies after it has put rows on the disk and before it takes them out of the journal.
            monkeypatch.setattr(lost._journal, "replace", lambda _: None)
        rows = settled(lost, 105)
        lost._flushing.cancel()
        await asyncio.gather(lost._flushing, return_exceptions=True)
    if moment == "half":
        # Amid a file that goes into the database, and one that goes to the disk.
        await store.ledger.write(rows[:4], (), "lost")
        last = spooled(store)[-1]
        half = last.with_name(last.name.replace(".00000", ".00009"))
        half.write_bytes(last.read_bytes()[:-100])
    killed(lost)
    async with running(store, "next"):
        found = await stored(store)
        assert await sums(store) == (106, 106 * 1000)
        by_id = {row.id: row for row in found}
        assert [by_id[row.id] for row in rows] == rows
        assert by_id[cut_off.id].outcome == "interrupted"
        assert [path.suffix for path in journals(store)] == [".jsonl"], "its own"
    assert "a gateway put on the disk before it ended" in caplog.text
    assert journals(store) == []


async def test_what_is_on_the_disk_at_the_end_is_stored_by_the_next_start(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with failing(store):
        async with running(store) as ledger:
            rows = settled(ledger, 55)
    assert "55 row(s) of the ledger could not be stored" in caplog.text
    assert len(spooled(store)) == 5
    async with running(store, "b"):
        assert await stored(store) == rows
    assert journals(store) == []


async def test_a_full_spool_leaves_rows_in_memory_and_refuses(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 50)
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.2)
    async with running(store) as ledger:
        monkeypatch.setattr(ledger.spool, "_most_bytes", 30_000)
        with failing(store):
            rows: list[LedgerRow] = []

            async def fill() -> None:
                while True:
                    await ledger.room()
                    rows.extend(settled(ledger, 1))

            with pytest.raises(NotReady, match="database takes no rows"):
                await fill()
            assert ledger.spool.full
            assert ledger.spool.size < 40_000
            assert len(ledger.waiting) == 50
        await until_stored(store, rows)
        await ledger.room()


async def test_a_full_disk_leaves_rows_in_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(store) as ledger:
        with failing(store):
            before = settled(ledger, 9)
            small = store.files.with_name("small")
            small.write_bytes(b"x")
            with full_disk(small):
                late = ledger_row()
                ledger.settle(late, Transcript(late.id, late.started_ms, "{}", None))
                assert "cannot be put on the disk" in caplog.text
                assert (len(ledger.waiting), ledger.spool.rows, spooled(store)) == (10, 0, [])
            monkeypatch.setattr(module, "_RETRY_SECONDS", 60)
            after = settled(ledger, 1)
            assert (len(ledger.waiting), ledger.spool.rows) == (0, 11)
            after += settled(ledger, 30)
            assert (len(ledger.waiting), ledger.spool.rows) == (30, 11), "not again so soon"
        await until_stored(store, [*before, late, *after])


async def test_a_large_journal_is_made_shorter_where_few_rows_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long streams note how far they have come, and long texts wait in memory."""
    monkeypatch.setattr(module, "_SPOOL_JOURNAL", 20_000)
    async with running(store) as ledger:
        assert ledger._journal is not None
        stream = ledger_row(outcome="interrupted")
        with failing(store):
            ledger.open(stream)
            for n in range(100):
                ledger.seen(replace(stream, completion_tokens=n))
            rows = settled(ledger, 1)
            assert (ledger.spool.rows, list(ledger.waiting)) == (1, [])
            assert ledger._journal.size < 1000
        ledger.settle(replace(stream, outcome="complete"))
        ledger._transcripts[stream.id] = Transcript(stream.id, stream.started_ms, "{}", None)
        await until_stored(store, [*rows, replace(stream, outcome="complete")])


async def test_a_database_that_hangs_counts_as_one_that_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    async with running(store) as ledger:
        with hanging(store) as answers:
            first = settled(ledger, 5)
            async with asyncio.timeout(10):
                while "The ledger cannot be stored" not in caplog.text:
                    await asyncio.sleep(0.02)
            more = settled(ledger, 100)
            # What is being stored stays where it is.
            assert list(ledger.waiting)[:5] == first
            assert len(ledger.waiting) < 20
            assert ledger.spool.rows + len(ledger.waiting) == 105
            with pytest.raises(NotReady, match="does not say what it has stored"):
                async with ledger.still():
                    pass
            with pytest.raises(TimeoutError):
                await ledger.flush()
            assert await stored(store) == first
            answers.set()
            async with asyncio.timeout(10):
                while True:
                    with contextlib.suppress(NotReady):
                        async with ledger.still():
                            break
                    await asyncio.sleep(0.01)
            assert not set(map(_id, first)) & set(map(_id, ledger.waiting))
        await until_stored(store, [*first, *more])
    assert caplog.text.count("The ledger cannot be stored") == 1


async def test_a_file_that_cannot_be_read_is_set_aside(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(store) as ledger:
        with failing(store):
            rows = settled(ledger, 30)
            spooled(store)[1].write_bytes(b"hello\n")
        async with asyncio.timeout(10):
            while ledger.spool.rows:
                await asyncio.sleep(0.02)
        assert len(await stored(store)) == 20
        assert ledger.unstored("key_a", None) == 10 * 1000, "they were spent all the same"
        assert "Spooled rows cannot be read" in caplog.text
        [kept] = [path for path in journals(store) if path.suffix == ".unreadable"]
        assert kept.name == f"{store.files.name}.ledger-a.000001.unreadable"
        assert kept.read_bytes() == b"hello\n"
    with failing(store):
        async with running(store, "b") as ledger:
            rows += settled(ledger, 30)
            spooled(store)[0].write_bytes(b'["row",{"id":"x","tags":[],"from_the_future":1}]\n')
    async with running(store, "c"):
        assert len(await stored(store)) == 40
    assert [path.suffix for path in journals(store)] == [".unreadable"] * 2


# --- what it knows of owners ---

_rows = st.lists(
    st.tuples(
        st.sampled_from(["key_a", "key_b"]),
        st.sampled_from([None, "red"]),
        st.integers(0, 50),
        st.none() | st.integers(0, 9),
    ),
    min_size=1,
    max_size=30,
)


@given(
    files=st.lists(_rows, min_size=1, max_size=4),
    dropped=st.integers(0, 60),
    since=st.integers(0, 60),
)
def test_it_tells_what_owners_spent(
    tmp_path_factory: pytest.TempPathFactory, files: list[Any], dropped: int, since: int
) -> None:
    async def told() -> None:
        spool = Spool(tmp_path_factory.mktemp("spool") / "a.jsonl", 2**30)
        left: list[LedgerRow] = []
        for file in files:
            rows = [
                ledger_row(began, key_id=key, team_id=team, cost=cost)
                for key, team, began, cost in file
            ]
            left += rows
            spool.add([Entry(row, None, {"of": row.id}) for row in rows])
        for _ in range(dropped):
            batch = await spool.first(3)
            if not batch:
                break
            assert [entry.row for entry in batch] == left[: len(batch)]
            assert [entry.note for entry in batch] == [{"of": row.id} for row in left[: len(batch)]]
            spool.drop(len(batch))
            del left[: len(batch)]
        assert spool.rows == len(left)
        for owner in ("key_a", "key_b", "red"):
            own = [row for row in left if owner in (row.key_id, row.team_id)]
            assert spool.cost(owner, None) == sum(row.cost or 0 for row in own)
            inside = [row for row in own if row.started_ms >= since]
            try:
                cost = spool.cost(owner, since)
            except NotReady:
                assert own, "there is nothing to wait for"
            else:
                assert cost == sum(row.cost or 0 for row in inside)
        if not left:
            assert (spool.size, spool._owned) == (0, {})

    asyncio.run(told())
