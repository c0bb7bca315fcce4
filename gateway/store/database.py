"""The connection to the database file, its transactions and its schema's version."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import orjson
from sqlalchemy import URL, Connection, create_engine, event, select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from gateway.errors import GatewayError
from gateway.store.tables import identity, stamps

Topic = Literal["models", "keys", "teams", "settings"]

_WAL_ATTEMPTS = 100
_WAL_PAUSE_SECONDS = 0.05

MIGRATIONS = Path(__file__).parent / "migrations"

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class DatabaseUnusable(GatewayError):
    """The file cannot be opened, is no database, or belongs to a newer gateway."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write transaction on one topic."""

    connection: AsyncConnection
    stamp: int
    """The topic's new stamp, which becomes visible with the transaction."""


def uncancelled(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a method that writes come to its end where its caller is cancelled, who then learns it.

    SQLAlchemy throws the connection of a cancelled statement away, but SQLite keeps it, and with it
    the lock that no other writer gets past, until the statement's last reference is collected.
    """

    @functools.wraps(method)
    async def finished(*args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.ensure_future(method(*args, **kwargs))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.gather(task, return_exceptions=True)
            raise

    return finished


class Database:
    """One SQLite file in WAL mode: any number of readers, one writer at a time.

    The file is made (mode 0600) by `migrate`, which must have run once before anything else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Not written as text: a path may hold ?, # or %.
        self._engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(path)),
            json_deserializer=_read_json,
            # An error is logged, and what people and models said is none of the log's.
            hide_parameters=True,
        )
        self._writer = self._engine.execution_options(gateway_begin="BEGIN IMMEDIATE")
        # Writers of this process wait here in turn. In SQLite they would each hold a connection,
        # which readers need, and be let in by luck.
        self._writing = asyncio.Lock()
        self._subscribers: list[Callable[[], Awaitable[object]]] = []
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

    def subscribe(self, changed: Callable[[], Awaitable[object]]) -> None:
        """Await `changed()` after each write to a topic that this process commits."""
        self._subscribers.append(changed)

    async def migrate(self) -> None:
        """Bring the schema to this version; cheap where it is there already.

        Raises:
            DatabaseUnusable: The message says what is wrong with the file.
        """
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise DatabaseUnusable(
                f"Cannot open the database {self.path}: {error.strerror}"
            ) from error
        try:
            await self._use_wal()
            async with self.read() as connection:
                current = await connection.run_sync(_version)
            if current == head():
                return
            if current is not None and current not in _versions():
                raise DatabaseUnusable(
                    f"The database {self.path} was written by a newer gateway, or by another "
                    f"program (schema {current}, this one knows {head()}); upgrade the gateway"
                )
            async with self._writer.begin() as connection:
                await connection.run_sync(_upgrade)
        except DatabaseError as error:
            raise DatabaseUnusable(f"Cannot use the database {self.path}: {error.orig}") from error

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
        """A consistent view of the data."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def append(self) -> AsyncIterator[AsyncConnection]:
        """Change rows that belong to no topic: all of it or, after an exception, nothing.

        For methods marked `uncancelled`.
        """
        async with self._writing, self._writer.begin() as connection:
            yield connection

    async def append_in_thread(self, work: Callable[[Connection], T]) -> T:
        """Have `work` do what `append` is for, all of it in another thread.

        For methods marked `uncancelled`.
        """
        async with self._writing:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._append, work)

    def _append(self, work: Callable[[Connection], T]) -> T:
        with self._appender.begin() as connection:
            return work(connection)

    @asynccontextmanager
    async def write(self, topic: Topic) -> AsyncIterator[Write]:
        """Change a topic's rows, as `append` does, and have all processes know.

        What is committed is not undone by a subscriber that fails: that is logged.
        """
        async with self.append() as connection:
            raised = update(stamps).where(stamps.c.topic == topic)
            stamp = await connection.scalar(
                raised.values(value=stamps.c.value + 1).returning(stamps.c.value)
            )
            assert isinstance(stamp, int), f"no stamp for {topic}"  # noqa: S101
            yield Write(connection, stamp)
        for changed in self._subscribers:
            try:
                await changed()
            except Exception:
                log.exception("A change to %s is stored, but not yet in use here", topic)

    async def stamps(self) -> dict[str, int]:
        """The stamp of each topic."""
        async with self.read() as connection:
            rows = await connection.execute(select(stamps.c.topic, stamps.c.value))
            return {row.topic: row.value for row in rows}

    async def identity(self) -> str:
        """A name that was made with the database; a copy has the same."""
        async with self.read() as connection:
            name: str = (await connection.execute(select(identity.c.id))).scalar_one()
        return name

    async def check_integrity(self) -> list[str]:
        """What `PRAGMA integrity_check` finds; nothing for a sound file."""
        try:
            async with self.read() as connection:
                found = (await connection.execute(text("PRAGMA integrity_check"))).scalars().all()
        except DatabaseError as error:  # damage can also keep the check from its end
            return [str(error.orig)]
        return [] if found == ["ok"] else list(found)

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


def head() -> str:
    """The newest migration, told by its file's name."""
    return max(_versions())


def _versions() -> set[str]:
    return {path.stem.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py")}


def _read_json(text: object) -> Any:
    if not isinstance(text, str):
        # A number that stands alone, which SQLite keeps as one: SQLAlchemy goes by this error.
        raise TypeError("no text")
    return orjson.loads(text)


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


def _version(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(connection: Connection) -> None:
    # Alembic takes a third of a second to import, and is needed once per schema version.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
