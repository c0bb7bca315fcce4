"""SQLite: one file, in WAL mode."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from gateway.store.database import Database, DatabaseUnusable, Queue, read_json

_WAL_ATTEMPTS = 100
_WAL_PAUSE_SECONDS = 0.05

T = TypeVar("T")


class SQLite(Database):
    """A file, made (mode 0600) by `migrate`. All writers are one queue."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.shown = str(path)
        # Not written as text: a path may hold ?, # or %.
        self._engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(path)),
            json_deserializer=read_json,
            # An error is logged, and what people and models said is none of the log's.
            hide_parameters=True,
            # The connection used last is the next one used: what each keeps (its statements, its
            # pages, its thread's heap) is kept by those that are busy at once, not by all in turn.
            pool_use_lifo=True,
        )
        self._writer = self._engine.execution_options(gateway_begin="BEGIN IMMEDIATE")
        # Writers of this process wait here in turn. In SQLite they would each hold a connection,
        # which readers need, and be let in by luck.
        self._writing = asyncio.Lock()
        # For what is written many times a second: through the other, each statement goes to a
        # thread and back four times.
        self._appender = create_engine(
            URL.create("sqlite", database=str(path)),
            hide_parameters=True,
            execution_options={"gateway_begin": "BEGIN IMMEDIATE"},
        )
        # One thread: each that does such work keeps a heap of its own.
        self._thread = ThreadPoolExecutor(1, "append")
        for engine in (self._engine.sync_engine, self._appender):
            event.listen(engine, "connect", _on_connect)
            event.listen(engine, "begin", _on_begin)

    async def _prepare(self) -> None:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise DatabaseUnusable(
                f"Cannot open the database {self.path}: {error.strerror}"
            ) from error
        await self._use_wal()

    async def _use_wal(self) -> None:
        """Put the file into WAL mode, for good.

        Where two do so to a new file at once, SQLite refuses one of them without waiting.
        """
        async with self._engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None  # noqa: S101 - the connection is open
            for left in reversed(range(_WAL_ATTEMPTS)):
                try:
                    await driver.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if not left or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                        raise DatabaseUnusable(
                            f"Cannot use the database {self.path}: {error}"
                        ) from error
                    await asyncio.sleep(_WAL_PAUSE_SECONDS)
                else:
                    return

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def append(self, queue: Queue = "changes") -> AsyncIterator[AsyncConnection]:  # noqa: ARG002
        async with self._writing, self._writer.begin() as connection:
            yield connection

    async def append_in_thread(
        self,
        work: Callable[[Connection], T],
        queue: Queue = "changes",  # noqa: ARG002
    ) -> T:
        async with self._writing:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._append, work)

    def _append(self, work: Callable[[Connection], T]) -> T:
        with self._appender.begin() as connection:
            return work(connection)

    async def version(self) -> str | None:
        # To look is not to make the file.
        return await super().version() if self.path.exists() else None

    async def last_position(self, connection: AsyncConnection, table: str) -> int:
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return await connection.scalar(query, {"name": table}) or 0

    async def go_on_after(self, connection: AsyncConnection, table: str, position: int) -> None:
        gone = text("DELETE FROM sqlite_sequence WHERE name = :name")
        await connection.execute(gone, {"name": table})
        last = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)")
        await connection.execute(last, {"name": table, "seq": position})

    async def check_integrity(self) -> list[str]:
        try:
            async with self.read() as connection:
                found = (await connection.execute(text("PRAGMA integrity_check"))).scalars().all()
        except DatabaseError as error:  # damage can also keep the check from its end
            return [str(error.orig)]
        return [] if found == ["ok"] else list(found)

    async def size(self) -> int:
        return self.path.stat().st_size

    async def vacuum(self) -> None:
        """Write the file anew without the pages that removed rows left free.

        Every other writer waits meanwhile. Needs up to twice as much space again as the file.
        """
        async with self._engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None  # noqa: S101 - the connection is open
            await driver.execute("VACUUM")
            # It went through the log, which is as long as the file now.
            await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        self._thread.shutdown()
        self._appender.dispose()
        await self._engine.dispose()


def backup(database: Path, path: Path) -> None:
    """Write a database, as it is now, to a new file (mode 0600), while others read and write.

    The file has its name only once it is whole. What was removed from the tables is not in it.

    Raises:
        FileExistsError: There is such a file.
        DatabaseUnusable: It cannot be written; or the database, or what was written, is damaged.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as draft:
            try:
                with closing(sqlite3.connect(database)) as opened:
                    opened.execute("VACUUM INTO ?", (draft.name,))
                with closing(sqlite3.connect(draft.name)) as copy:
                    found = copy.execute("PRAGMA integrity_check").fetchone()[0]
                if found != "ok":
                    raise DatabaseUnusable(f"The copy of {database} is damaged: {found}")
                os.fsync(draft.fileno())
                os.rename(draft.name, path)
            except BaseException:
                os.unlink(draft.name)
                raise
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnusable(f"Cannot copy {database} to {path}: {error}") from error


def _on_connect(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: _on_begin does, of the right kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        # First: another process may be changing the journal's mode just now.
        "busy_timeout = 10000",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        # In KiB. What a connection holds it forgets whenever another one writes, so that more of it
        # helps a single transaction alone; and the pool's threads, which fill theirs in turn, would
        # have the process grow for as long as the file does, up to 2 MiB a connection and as much
        # again in holes.
        "cache_size = -512",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("gateway_begin", "BEGIN"))
