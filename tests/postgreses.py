"""A PostgreSQL of the tests' own, which they may stop and start again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.processes import free_port

USER = "gateway"
# What makes it quick. A failure of the host would lose what was committed; one of the server's does
# not.
_OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=300")

_EMPTY = """
DO $$
DECLARE named text;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    -- Without it, the audit log could not be emptied.
    SET LOCAL session_replication_role = replica;
    FOR named IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('alembic_version', 'identity', 'stamps')
    LOOP
        EXECUTE format('DELETE FROM %I', named);
    END LOOP;
    UPDATE stamps SET value = 0;
    PERFORM setval(sequencename::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public';
END $$
"""


@dataclass
class PostgresServer:
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, with the data it had, and wait until it answers."""
        options = [part for option in _OPTIONS for part in ("-c", option)]
        command = [program("postgres"), "-D", "data", "-p", str(self.port), "-h", "127.0.0.1"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*as_nobody_else(), *command, "-k", "", *options],
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                self.execute("SELECT 1")
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {(self.directory / 'log').read_text()}")

    def stop(self) -> None:
        """Have it end at once, as a failure of its host would."""
        if self.process is not None:
            self._signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
            self.process = None

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it answer nothing meanwhile, with its connections open."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def execute(self, statement: str, database: str = "postgres", *arguments: Any) -> list[Any]:
        """Run one statement outside of a transaction."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.url(database), timeout=10)
            try:
                return list(await connection.fetch(statement, *arguments))
            finally:
                await connection.close()

        # In a thread, since the tests' loop runs already.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, run()).result()

    @contextlib.contextmanager
    def fresh(self, of: str = "template1") -> Iterator[str]:
        """The URL of a new database, as another is, which is empty without one."""
        name = f"fresh_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {of}")
        yield self.url(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def empty(self, database: str) -> None:
        """Have a gateway's database be as it was when it was made, with nobody connected. To make a
        new one takes ten times as long."""
        self.execute(_EMPTY, database)

    def _signal(self, number: int) -> None:
        """To the server and to what it started, which are no group."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for process in (self.process.pid, *map(int, children.read_text().split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def program(name: str) -> str:
    """Where a program of PostgreSQL's is; skips where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(debian[-1]) if debian else None)
    if found is None:
        message = "needs PostgreSQL (initdb and postgres)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def as_nobody_else() -> list[str]:
    """What a command begins with, as PostgreSQL does not let itself be run by root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] * (not os.getuid())


@contextlib.contextmanager
def running() -> Iterator[PostgresServer]:
    initdb = program("initdb")
    # Not below the tests' own folder, which none but their user may enter.
    with tempfile.TemporaryDirectory(prefix="gateway-postgresql-") as made:
        directory = Path(made)
        if not os.getuid():
            shutil.chown(directory, "postgres", "postgres")
        (directory / "log").touch()
        command = [*as_nobody_else(), initdb, "-D", "data", "-U", USER, "--auth=trust", "-N"]
        subprocess.run(
            [*command, "--encoding=UTF8", "--locale=C"],
            cwd=directory,
            check=True,
            capture_output=True,
        )
        server = PostgresServer(directory, free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()
