"""`gateway db`."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal import Journal
from gateway.left_behind import journal_path
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.database import head
from tests.commands.conftest import Run
from tests.conftest import SECRET_KEY, execute
from tests.ledgers import ledger_row
from tests.postgreses import PostgresServer
from tests.processes import COMMAND, environment

# Each test says itself which databases it is about.
pytestmark = pytest.mark.sqlite


def settings(directory: Path, name: str = "gateway.db") -> Settings:
    return Settings(f"sqlite:///{directory}/{name}")


def write(to: Settings, rows: int) -> None:
    async def work() -> None:
        async with Store.open(to) as store:
            for _ in range(0, rows, 500):
                await store.ledger.write([ledger_row() for _ in range(min(rows, 500))], [])

    asyncio.run(work())


def count(path: Path, table: str = "ledger") -> int:
    with closing(sqlite3.connect(path)) as opened:
        return int(opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


# --- migrate ---


def test_migrate_says_from_where_to_where(run: Run, tmp_path: Path) -> None:
    assert run("db", "migrate").err == f"The schema went from nothing to {head()}.\n"
    assert run("db", "migrate").err == f"The schema is {head()} already.\n"
    assert run("db", "migrate", "--json").json == {"from": head(), "to": head()}
    execute(settings(tmp_path), "UPDATE alembic_version SET version_num = '9999'")
    refused = run("db", "migrate")
    assert refused.code == 1
    assert "written by a newer gateway" in refused.err


# --- check ---


def test_check_tells_of_a_sound_database(run: Run, tmp_path: Path) -> None:
    run("models", "add", "m", "--provider", "openai", "--api-key-stdin", stdin="k-0123456789")
    write(settings(tmp_path), 3)
    checked = run("db", "check", "--json")
    found = {finding["check"]: finding["detail"] for finding in checked.json}
    assert checked.code == 0
    assert (found["schema"], found["database"]) == (head(), f"{tmp_path}/gateway.db")
    assert (found["rows of ledger"], found["rows of models"]) == ("3", "1")
    assert found["secret key"] == "opens all 1 models"
    assert found["ledger"] == "its rows and the daily sums agree"
    assert found["size"].endswith(" MB")


@pytest.mark.parametrize(
    ("statement", "check", "said"),
    [
        ("UPDATE daily SET requests = 0", "ledger", "its rows and the daily sums differ on"),
        (
            "UPDATE alembic_version SET version_num = '0005'",
            "database",
            "has schema 0005, and this version of the gateway needs",
        ),
        ("UPDATE identity SET id = 'copy of x'", "database", "a copy that is not finished"),
    ],
)
def test_check_tells_of_a_problem(
    run: Run, tmp_path: Path, statement: str, check: str, said: str
) -> None:
    write(settings(tmp_path), 3)
    execute(settings(tmp_path), statement)
    checked = run("db", "check", "--json")
    assert checked.code == 4
    [problem] = [each for each in checked.json if each["state"] == "problem"]
    assert problem["check"] == check
    assert said in problem["detail"]


def test_check_makes_no_database(run: Run, tmp_path: Path) -> None:
    checked = run("db", "check", "--json")
    assert checked.code == 4
    assert checked.json[0]["detail"].endswith("holds nothing of a gateway's")
    assert not list(tmp_path.iterdir())


# --- copy ---


def test_copy_there_and_back(
    run: Run, tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings(tmp_path), 10)
    with postgres_server.fresh() as url:
        copied = run("db", "copy", "--from", f"sqlite:///{tmp_path}/gateway.db", "--to", url)
        assert copied.code == 0
        assert "ledger: copied 10 of 10\n" in copied.err
        assert copied.err.endswith("17 rows are there and the same; 11 were copied just now.\n")
        # A password is not to be seen by who lists processes.
        monkeypatch.setenv("GATEWAY_COPY_FROM", url)
        monkeypatch.setenv("GATEWAY_COPY_TO", f"sqlite:///{tmp_path}/back.db")
        assert run("db", "copy", "--json").json["rows"]["ledger"] == 10
    assert count(tmp_path / "back.db") == 10


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
def test_copy_goes_on_after_a_kill(
    to: str, run: Run, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    write(settings(tmp_path), 20_000)

    def there() -> int:
        if to == "sqlite":
            return count(tmp_path / "copy.db")
        return int(postgres_server.execute("SELECT count(*) FROM ledger", name)[0][0])

    with postgres_server.fresh() as url:
        name = url.rpartition("/")[2]
        target = url if to == "postgresql" else f"sqlite:///{tmp_path}/copy.db"
        arguments = ["db", "copy", "--from", f"sqlite:///{tmp_path}/gateway.db", "--to", target]
        process = subprocess.Popen([*COMMAND, *arguments], env=environment(tmp_path))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if there():
                    break
            except Exception:
                time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        had = there()
        assert 0 < had < 20_000
        copied = run(*arguments, "--json").json
        assert copied["rows"]["ledger"] == 20_000
        # No page is done twice.
        assert copied["added"] < 20_000 + 10 - had + 10


def test_copy_refuses_what_a_gateway_has_not_stored(run: Run, tmp_path: Path) -> None:
    write(settings(tmp_path), 1)
    both = ("--from", f"sqlite:///{tmp_path}/gateway.db", "--to", f"sqlite:///{tmp_path}/copy.db")
    journal = Journal(journal_path(tmp_path / "gateway.db", "n"))
    refused = run("db", "copy", *both)
    assert refused.code == 1
    assert refused.err == f"Error: A gateway runs on {tmp_path}/gateway.db: stop it first\n"
    journal.close(keep=True)
    refused = run("db", "copy", *both)
    assert refused.code == 1
    assert (
        f"{tmp_path}/gateway.db.ledger-n.jsonl has requests that are not in {tmp_path}/"
        in refused.err
    )
    journal.path.unlink()
    assert run("db", "copy", *both).code == 0


@pytest.mark.parametrize(
    ("source", "target", "said", "code"),
    [
        ("mysql://u:password@h/db", "sqlite:///x.db", "Error: --from names no database", 2),
        ("sqlite:///none.db", "postgresql://u:password@h:x/d", "Error: --to cannot be read", 2),
        ("sqlite:///none.db", "sqlite:///x.db", "none.db holds nothing of a gateway's", 1),
    ],
)
def test_copy_refuses_other_urls(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    target: str,
    said: str,
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run("db", "copy", "--from", source, "--to", target)
    assert (refused.code, said in refused.err) == (code, True), refused.err
    assert "password@" not in refused.err
    assert not list(tmp_path.iterdir())


# --- backup ---


async def test_backup_is_whole_while_others_write(tmp_path: Path) -> None:
    target = tmp_path / "backups" / "copy.db"
    target.parent.mkdir()
    async with Store.open(settings(tmp_path)) as store:
        await store.ledger.write([ledger_row() for _ in range(500)], [])
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "db", "backup", str(target), env=environment(tmp_path)
        )
        written = 500
        while process.returncode is None:
            await store.ledger.write([ledger_row() for _ in range(10)], [])
            written += 10
            await asyncio.sleep(0)
    assert process.returncode == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(target.parent.iterdir()) == [target]
    copied = count(target)
    assert 500 < copied < written
    async with Store.open(settings(target.parent, "copy.db")) as copy:
        # All of one moment.
        assert await copy.ledger.unequal_days() == []
        assert await copy.ledger.last_position() == copied


def test_backup_replaces_nothing(run: Run, tmp_path: Path) -> None:
    run("db", "migrate")
    target = tmp_path / "copy.db"
    target.write_text("mine")
    refused = run("db", "backup", str(target))
    assert refused.code == 1
    assert refused.err == f"Error: {target} exists already; name another file\n"
    assert target.read_text() == "mine"


def test_backup_of_a_damaged_or_no_database(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    refused = run("db", "backup", str(target))
    assert (refused.code, refused.err) == (
        2,
        f"Error: There is no database {tmp_path}/gateway.db\n",
    )
    (tmp_path / "gateway.db").write_bytes(b"no database, and long enough to be looked at" * 99)
    refused = run("db", "backup", str(target))
    assert refused.code == 1
    assert "file is not a database" in refused.err
    refused = run("db", "backup", str(tmp_path / "none" / "copy.db"))
    assert "No such file or directory" in refused.err
    assert [each.name for each in tmp_path.iterdir()] == ["gateway.db"]


def test_backup_of_postgresql(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://h/db")
    refused = run("db", "backup", str(tmp_path / "copy.db"))
    assert refused.code == 2
    assert "pg_dump" in refused.err
