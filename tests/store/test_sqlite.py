"""The database file: its making, and what can be wrong with it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, text

from gateway.records import Key, Model
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.database import MIGRATIONS, DatabaseUnusable
from gateway.store.sqlite import SQLite
from gateway.vault import Vault
from tests.servers import TESTER
from tests.store.records import changed_keys
from tests.store.test_database import UNTOUCHED, _names, _put


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SQLite]:
    made = SQLite(tmp_path / "gateway.db")
    await made.migrate()
    yield made
    await made.close()


async def _unusable(path: Path) -> str:
    database = SQLite(path)
    try:
        with pytest.raises(DatabaseUnusable) as refused:
            await database.migrate()
    finally:
        await database.close()
    assert str(path) in str(refused.value)
    return str(refused.value)


# --- making it ---


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
        "import asyncio, sys; from pathlib import Path; from gateway.store.sqlite import SQLite\n"
        "async def main():\n"
        "    database = SQLite(Path(sys.argv[1]))\n"
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
    both = [SQLite(tmp_path / f"gateway{attempt}.db") for _ in range(2)]
    await asyncio.gather(*(database.migrate() for database in both))
    await _put(both[0], "x")
    assert await _names(both[1]) == {"x"}
    for database in both:
        await database.close()


async def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        database = SQLite(tmp_path / "gateway.db")
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
    database = SQLite(tmp_path / name)
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


async def test_a_sound_database_passes_its_check(database: SQLite) -> None:
    await _put(database, "x")
    assert await database.check_integrity() == []


@pytest.mark.parametrize("damaged", [1, 3])
async def test_damage_is_found(damaged: int, database: SQLite) -> None:
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


async def test_connections_hold_little_of_the_file(database: SQLite) -> None:
    async with database.read() as one, database.read() as another:
        for connection in (one, another):
            assert await connection.scalar(text("PRAGMA cache_size")) == -512
