"""The database file: its making, its transactions, and what can be wrong with it."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from cryptography.fernet import Fernet
from sqlalchemy import Connection, create_engine, insert, select, text

from gateway.records import Key, Model
from gateway.settings import Settings
from gateway.store import Database, Store, tables
from gateway.store.database import MIGRATIONS, DatabaseUnusable, head
from gateway.vault import Vault
from tests.servers import TESTER
from tests.store.records import changed_keys

UNTOUCHED = dict.fromkeys(("models", "keys", "teams", "settings", "ledger"), 0)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "gateway.db")
    await made.migrate()
    yield made
    await made.close()


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


async def _unusable(path: Path) -> str:
    database = Database(path)
    try:
        with pytest.raises(DatabaseUnusable) as refused:
            await database.migrate()
    finally:
        await database.close()
    assert str(path) in str(refused.value)
    return str(refused.value)


# --- making it ---


async def test_migrating_makes_the_schema_of_the_tables_module(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)
        )

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
        version = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        checks = await connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'keys'"))
    assert version == head()
    assert "CHECK (kind IN ('gateway', 'admin'))" in checks
    assert await database.stamps() == UNTOUCHED


async def test_migrating_again_changes_nothing(database: Database) -> None:
    await _put(database, "kept")
    again = Database(database.path)
    await again.migrate()
    await again.migrate()
    assert await _names(again) == {"kept"}
    assert await again.stamps() == UNTOUCHED | {"settings": 1}
    await again.close()


async def test_a_database_of_the_first_schema_loses_nothing(tmp_path: Path) -> None:
    """As the version before governance left it."""
    path, secret_key = tmp_path / "gateway.db", Fernet.generate_key().decode()
    settings = Settings(database_url=f"sqlite:///{path}", secret_key=secret_key)
    vault = Vault([secret_key])
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    old = sqlite3.connect(path)
    sealed = vault.seal('{"api_key": "sk-up"}')
    old.execute(
        "INSERT INTO models VALUES ('model_1', 'gpt', 'openai', 'gpt-4o', 'http://h/v1', 'v1', "
        '\'{"timeout": 5}\', ?, \'{"mode": "chat"}\', 10, 20)',
        (sealed,),
    )
    old.executemany(
        "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            ("key_1", "gateway", "ci", "hash-1", "sk-…aaaa", 60, 1000, 30, None, 1),
            ("key_2", "gateway", None, "hash-2", "sk-…bbbb", None, None, 40, 50, 3),
            ("key_3", "admin", "first start", "hash-3", "sk-…cccc", None, None, 35, None, 2),
        ],
    )
    old.execute("INSERT INTO settings VALUES ('drop_params', 'true')")
    old.execute("UPDATE stamps SET value = 3 WHERE topic = 'keys'")
    old.commit()
    old.close()
    async with Store.open(settings) as store:
        assert await store.models.all() == [
            Model(
                id="model_1", name="gpt", provider="openai", upstream_model="gpt-4o",
                base_url="http://h/v1", api_version="v1", params={"timeout": 5},
                secrets={"api_key": "sk-up"}, info={"mode": "chat"}, created_at=10, updated_at=20,
            )
        ]  # fmt: skip
        ci = Key(
            id="key_1", kind="gateway", label="ci", secret_hash="hash-1", hint="sk-…aaaa",
            rpm_limit=60, tpm_limit=1000, created_at=30, updated_at=30,
        )  # fmt: skip
        admin = Key(
            id="key_3", kind="admin", label="first start", secret_hash="hash-3", hint="sk-…cccc",
            created_at=35, updated_at=35,
        )  # fmt: skip
        revoked = Key(
            id="key_2", kind="gateway", secret_hash="hash-2", hint="sk-…bbbb", created_at=40,
            updated_at=50, revoked_at=50,
        )  # fmt: skip
        assert await store.keys.all() == [ci, admin, revoked]
        assert await changed_keys(store, 2) == [revoked]
        assert (await store.settings.get()).drop_params
        assert await store.database.stamps() == UNTOUCHED | {"keys": 3}
        assert await store.teams.all() == []
        assert await store.database.check_integrity() == []
        # It can be written, too.
        changed = await store.keys.change("key_1", lambda k: replace(k, models=("gpt",)), TESTER)
        assert await store.keys.get("key_1") == changed


def test_processes_may_migrate_one_new_file_at_once(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from gateway.store import Database\n"
        "async def main():\n"
        "    database = Database(Path(sys.argv[1]))\n"
        "    print('ready', flush=True); sys.stdin.readline()\n"
        "    await database.migrate()\n"
        "    print(sorted((await database.stamps()).items()))\n"
        "    await database.close()\n"
        "asyncio.run(main())"
    )
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "gateway.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in starting:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in starting:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in starting:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert out == f"{sorted(UNTOUCHED.items())}\n"


@pytest.mark.parametrize("attempt", range(5))
async def test_two_connections_of_one_process_may_migrate_at_once(
    tmp_path: Path, attempt: int
) -> None:
    """Several times: which one turns WAL mode on is a matter of chance."""
    both = [Database(tmp_path / f"gateway{attempt}.db") for _ in range(2)]
    await asyncio.gather(*(database.migrate() for database in both))
    await _put(both[0], "x")
    assert await _names(both[1]) == {"x"}
    for database in both:
        await database.close()


async def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        database = Database(tmp_path / "gateway.db")
        await database.migrate()
        await _put(database, "x")
        modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in os.listdir(tmp_path)}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("gateway.db", "gateway.db-wal", "gateway.db-shm"), 0o600)
    await database.close()


@pytest.mark.parametrize(
    "name",
    ["a b.db", "what?mode=ro.db", "a#b.db", "100%25.db", "file:x", "é🦊.db", "a'b\".db", "db"],
)
async def test_any_file_name_will_do(name: str, tmp_path: Path) -> None:
    database = Database(tmp_path / name)
    await database.migrate()
    await _put(database, "x")
    await database.close()
    assert os.listdir(tmp_path) == [name]
    stored = sqlite3.connect(tmp_path / name)
    assert stored.execute("SELECT name FROM settings").fetchall() == [("x",)]
    stored.close()


# --- what can be wrong with it ---


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"These are my notes, and no database. " * 100)
    assert "file is not a database" in await _unusable(path)
    assert path.read_bytes().startswith(b"These are my notes")


async def test_a_path_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "No such file or directory" in await _unusable(tmp_path / "missing" / "gateway.db")
    assert "Is a directory" in await _unusable(tmp_path)
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in await _unusable(tmp_path / "file" / "gateway.db")


@pytest.mark.parametrize("version", ["9999", "1975ea83b712"])
async def test_a_newer_or_a_foreign_schema(version: str, database: Database) -> None:
    async with database.write("settings") as write:
        await write.connection.execute(
            text("UPDATE alembic_version SET version_num = :v"), {"v": version}
        )
    message = await _unusable(database.path)
    assert "newer gateway" in message
    assert version in message
    assert head() in message


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Another program's database that has a table of the same name."""
    path = tmp_path / "gateway.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE keys (mine)")
    other.commit()
    assert "table keys already exists" in await _unusable(path)
    tables = [row[0] for row in other.execute("SELECT name FROM sqlite_master")]
    other.close()
    assert tables == ["keys"]


async def test_a_sound_database_passes_its_check(database: Database) -> None:
    await _put(database, "x")
    assert await database.check_integrity() == []


@pytest.mark.parametrize("damaged", [1, 3])
async def test_damage_is_found(damaged: int, database: Database) -> None:
    """Page 1 holds the schema: with it damaged the check cannot even run."""
    for number in range(200):
        await _put(database, f"{number} {'x' * 200}")
    await database.close()
    page = 4096
    with database.path.open("r+b") as file:
        for position in range(damaged, damaged + 12):
            file.seek(position * page + (100 if position == 0 else 0))
            file.write(b"\xde\xad\xbe\xef" * 500)
        if damaged == 1:
            file.seek(100)
            file.write(b"\xde\xad\xbe\xef" * 200)
    found = await database.check_integrity()
    assert found
    assert all(isinstance(line, str) and line for line in found)


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


async def test_subscribers_are_told_after_the_commit(database: Database) -> None:
    """Another connection sees what they are told of."""
    other = Database(database.path)
    seen: list[set[str]] = []

    async def changed() -> None:
        seen.append(await _names(other))

    database.subscribe(changed)
    await _put(database, "a")
    await _put(database, "b")
    assert seen == [{"a"}, {"a", "b"}]
    await other.close()


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


async def test_writers_on_one_file_lose_nothing(database: Database) -> None:
    """As two processes would: each has connections, and a queue, of its own."""
    other = Database(database.path)
    await asyncio.gather(
        *(_put(where, f"{i} {n}") for n in range(50) for i, where in enumerate((database, other)))
    )
    assert len(await _names(database)) == 100
    assert (await other.stamps())["settings"] == 100
    await other.close()


async def test_many_waiting_writers_leave_connections_to_readers(database: Database) -> None:
    async with database.write("settings"):
        waiting = [asyncio.create_task(_put(database, str(n))) for n in range(40)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            assert await _names(database) == set()
    await asyncio.gather(*waiting)
    assert len(await _names(database)) == 40


async def test_connections_hold_little_of_the_file(database: Database) -> None:
    async with database.read() as one, database.read() as another:
        for connection in (one, another):
            assert await connection.scalar(text("PRAGMA cache_size")) == -512
