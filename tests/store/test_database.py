"""What every database does: its transactions, and who is told of a change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.settings import Settings
from gateway.store import Database, Store, tables
from gateway.store.database import DatabaseUnusable, head

UNTOUCHED = dict.fromkeys(("models", "keys", "teams", "settings", "ledger"), 0)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with Store.open(settings) as store:
        yield store.database


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Database]:
    """The same as another process has it."""
    async with Store.open(settings) as store:
        yield store.database


async def _put(database: Database, name: str) -> int:
    async with database.write("settings") as write:
        await write.connection.execute(insert(tables.settings).values(name=name, value=1))
        return write.stamp


async def _fail(database: Database) -> None:
    async with database.write("settings") as write:
        await write.connection.execute(insert(tables.settings).values(name="half", value=1))
        _ = 1 / 0


async def _names(database: Database) -> set[str]:
    async with database.read() as connection:
        return set((await connection.execute(select(tables.settings.c.name))).scalars())


# --- its schema ---


# PostgreSQL's, which it is compared with.
@pytest.mark.filterwarnings("ignore:autogenerate skipping .* index 'daily_key':UserWarning")
async def test_migrating_makes_the_schema_of_the_tables_module(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        # PostgreSQL is asked whether defaults are equal, which JSON has no operator for.
        defaults = connection.dialect.name == "sqlite"
        options = {"compare_type": True, "compare_server_default": defaults}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)
        )

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
    assert await database.version() == head()
    assert await database.stamps() == UNTOUCHED
    other_kind = insert(tables.keys).values(
        id="k", kind="guest", secret_hash="h", hint="", created_at=0, stamp=0
    )
    with pytest.raises(IntegrityError, match="keys_kind"):
        async with database.append() as connection:
            await connection.execute(other_kind)


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await _put(database, "kept")
    await database.migrate()
    await database.migrate()
    assert await _names(database) == {"kept"}
    assert await database.stamps() == UNTOUCHED | {"settings": 1}


@pytest.mark.parametrize("version", ["9999", "1975ea83b712"])
async def test_a_newer_or_a_foreign_schema(version: str, database: Database) -> None:
    set_to = text("UPDATE alembic_version SET version_num = :v")
    async with database.append() as connection:
        await connection.execute(set_to, {"v": version})
    try:
        with pytest.raises(DatabaseUnusable) as refused:
            await database.migrate()
    finally:
        async with database.append() as connection:
            await connection.execute(set_to, {"v": head()})
    assert database.shown in str(refused.value)
    assert f"newer gateway, or by another program (schema {version}" in str(refused.value)
    assert head() in str(refused.value)


@pytest.mark.parametrize("statement", ["UPDATE audit SET at = 1", "DELETE FROM audit"])
async def test_the_audit_log_cannot_be_changed(statement: str, database: Database) -> None:
    entry = {"at": 0, "actor_id": "a", "action": "key.add", "target_id": "k"}
    async with database.append() as connection:
        await connection.execute(insert(tables.audit).values(entry))
    with pytest.raises(DBAPIError, match="the audit log cannot be changed"):
        async with database.append() as connection:
            await connection.execute(text(statement))


async def test_it_has_a_size(database: Database) -> None:
    assert await database.size() > 50_000


# --- transactions ---


async def test_each_write_raises_the_stamp_of_its_topic_alone(database: Database) -> None:
    assert [await _put(database, name) for name in "abc"] == [1, 2, 3]
    assert await database.stamps() == UNTOUCHED | {"settings": 3}


async def test_a_write_that_fails_leaves_nothing_behind(database: Database) -> None:
    told = asyncio.Event()

    async def changed() -> None:
        told.set()

    database.subscribe(changed)
    with pytest.raises(ZeroDivisionError):
        await _fail(database)
    assert await _names(database) == set()
    assert (await database.stamps())["settings"] == 0
    assert not told.is_set()
    assert await _put(database, "whole") == 1
    assert told.is_set()


async def test_subscribers_are_told_after_the_commit(database: Database, other: Database) -> None:
    """Another connection sees what they are told of."""
    seen: list[set[str]] = []

    async def changed() -> None:
        seen.append(await _names(other))

    database.subscribe(changed)
    await _put(database, "a")
    await _put(database, "b")
    assert seen == [{"a"}, {"a", "b"}]


async def test_a_subscriber_that_fails_is_logged_and_undoes_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    async def fails() -> None:
        raise OSError("disk on fire")

    async def works() -> None:
        told.append("told")

    database.subscribe(fails)
    database.subscribe(works)
    with caplog.at_level(logging.ERROR, "gateway.store.database"):
        assert await _put(database, "x") == 1
    assert await _names(database) == {"x"}
    assert told == ["told"]
    assert "settings is stored, but not yet in use" in caplog.text
    assert "disk on fire" in caplog.text


async def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    await _put(database, "before")
    async with database.read() as connection:
        count = text("SELECT count(*) FROM settings")
        assert await connection.scalar(count) == 1
        await _put(database, "meanwhile")
        assert await connection.scalar(count) == 1
    assert await _names(database) == {"before", "meanwhile"}


async def test_writers_of_several_processes_lose_nothing(
    database: Database, other: Database
) -> None:
    await asyncio.gather(
        *(_put(where, f"{i} {n}") for n in range(50) for i, where in enumerate((database, other)))
    )
    assert len(await _names(database)) == 100
    assert (await other.stamps())["settings"] == 100


async def test_many_waiting_writers_leave_connections_to_readers(database: Database) -> None:
    async with database.write("settings"):
        waiting = [asyncio.create_task(_put(database, str(n))) for n in range(40)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            assert await _names(database) == set()
    await asyncio.gather(*waiting)
    assert len(await _names(database)) == 40


async def test_positions_become_visible_in_their_order(database: Database, other: Database) -> None:
    """Whoever has read up to a position has missed none before it."""
    done = False

    async def write(into: Database) -> None:
        row = {"at": 0, "actor_id": "a", "action": "key.add", "target_id": "k"}
        for _ in range(40):
            async with into.append() as connection:
                await connection.execute(insert(tables.audit).values(row))
                await asyncio.sleep(0)

    async def follow() -> int:
        seen = 0
        while True:
            last = done
            async with database.read() as connection:
                newest = await connection.scalar(select(func.max(tables.audit.c.position))) or 0
                count = await connection.scalar(select(func.count()).select_from(tables.audit))
            assert newest == count
            assert newest >= seen
            seen = newest
            if last:
                return seen

    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(into) for into in (database, other) for _ in range(2)))
    done = True
    assert await following == 160


async def test_who_waits_for_changes_waits_no_longer_than_it_wants(database: Database) -> None:
    async with asyncio.timeout(5):
        for _ in range(3):
            await database.changed(0.01)
