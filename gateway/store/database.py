"""A database: its transactions, who is told of a change, and its schema's version.

What SQLite and PostgreSQL do each in a way of its own is in the modules of their names.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import orjson
from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import GatewayError
from gateway.store.tables import identity, metadata, stamps

Topic = Literal["models", "keys", "teams", "settings"]
Queue = Literal["changes", "ledger"]
"""Of the writers in one queue, each begins when the one before has committed."""

ANSWER_SECONDS = 5.0
"""A database that calls wait for and that has not answered by then is taken for one that fails."""

UNFINISHED = "copy of "
"""The name of a database begins with it, as long as that of another is being copied to it."""

MIGRATIONS = Path(__file__).parent / "migrations"

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class DatabaseUnusable(GatewayError):
    """It cannot be opened, is no database of a gateway's, or belongs to a newer one."""


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


class Database(ABC):
    """Any number of readers, and one writer of each queue at a time.

    `migrate` must have run once before anything else.

    Attributes:
        shown: What it is, for messages; without a password.
        holds_null: Whether a text in it may hold U+0000.
    """

    shown: str
    holds_null = True

    def __init__(self) -> None:
        self._subscribers: list[Callable[[], Awaitable[object]]] = []

    def subscribe(self, changed: Callable[[], Awaitable[object]]) -> None:
        """Await `changed()` after each write to a topic that this process commits."""
        self._subscribers.append(changed)

    async def migrate(self) -> None:
        """Bring the schema to this version; cheap where it is there already.

        Raises:
            DatabaseUnusable: The message says what is wrong with it.
        """
        with self._usable():
            await self._prepare()
            current = await self.version()
            if current == head():
                return
            self._refuse_unknown(current)
            async with self.append() as connection:
                await connection.run_sync(_upgrade)

    async def check_version(self) -> None:
        """See that the schema is of this version, and change nothing.

        Raises:
            DatabaseUnusable: It is not, or cannot be read.
        """
        current = await self.version()
        if current is None:
            raise DatabaseUnusable(f"The database {self.shown} holds nothing of a gateway's")
        self._refuse_unknown(current)
        if current != head():
            raise DatabaseUnusable(
                f"The database {self.shown} has schema {current}, and this version of the gateway "
                f"needs {head()}: `gateway db migrate` brings it there"
            )

    async def version(self) -> str | None:
        """The schema's version; None where it has none yet.

        Raises:
            DatabaseUnusable: It cannot be read.
        """
        with self._usable():
            async with self.read() as connection:
                return await connection.run_sync(_version)

    @abstractmethod
    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A consistent view of the data."""

    @abstractmethod
    def append(self, queue: Queue = "changes") -> AbstractAsyncContextManager[AsyncConnection]:
        """Change rows that belong to no topic: all of it or, after an exception, nothing.

        For methods marked `uncancelled`.
        """

    @abstractmethod
    async def append_in_thread(
        self, work: Callable[[Connection], T], queue: Queue = "changes"
    ) -> T:
        """Have `work` do what `append` is for, away from the event loop where that can be.

        For methods marked `uncancelled`.
        """

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
            await self._announce(connection)
        for changed in self._subscribers:
            try:
                await changed()
            except Exception:
                log.exception("A change to %s is stored, but not yet in use here", topic)

    async def changed(self, within: float) -> None:
        """Wait so many seconds, or until somebody is known to have changed a topic."""
        await asyncio.sleep(within)

    async def stamps(self) -> dict[str, int]:
        """The stamp of each topic."""
        async with self.read() as connection:
            rows = await connection.execute(select(stamps.c.topic, stamps.c.value))
            return {row.topic: row.value for row in rows}

    async def identity(self) -> str:
        """A name that was made with the database; a copy has the same.

        Raises:
            DatabaseUnusable: Another database is being copied to it.
        """
        async with self.read() as connection:
            name: str = (await connection.execute(select(identity.c.id))).scalar_one()
        if name.startswith(UNFINISHED):
            raise DatabaseUnusable(
                f"The database {self.shown} is a copy that is not finished: run `gateway db copy` "
                "again, which goes on where it was"
            )
        return name

    async def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        async with self.read() as connection:
            return {
                name: await connection.scalar(select(func.count()).select_from(table)) or 0
                for name, table in metadata.tables.items()
            }

    @abstractmethod
    async def last_position(self, connection: AsyncConnection, table: str) -> int:
        """The last position that a table gave, be it of a row that is gone; 0 for none."""

    @abstractmethod
    async def go_on_after(self, connection: AsyncConnection, table: str, position: int) -> None:
        """Have the next row of a table get the position after this one."""

    @abstractmethod
    async def check_integrity(self) -> list[str]:
        """What its own check finds; nothing for a sound database."""

    @abstractmethod
    async def size(self) -> int:
        """How many bytes of disk it takes."""

    @abstractmethod
    async def vacuum(self) -> None:
        """Make room of what removed rows left free."""

    @abstractmethod
    async def close(self) -> None: ...

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Raises DatabaseUnusable for what the database, or the way to it, has failed with."""
        try:
            yield
        except DBAPIError as error:
            raise DatabaseUnusable(f"Cannot use the database {self.shown}: {error.orig}") from error

    def _refuse_unknown(self, version: str | None) -> None:
        if version is not None and version not in versions():
            raise DatabaseUnusable(
                f"The database {self.shown} was written by a newer gateway, or by another "
                f"program (schema {version}, this one knows {head()}); upgrade the gateway"
            )

    async def _prepare(self) -> None:
        """What comes before the first look at it."""
        return

    async def _announce(self, connection: AsyncConnection) -> None:  # noqa: ARG002
        """Tell other processes of a change, once it is committed."""
        return


def head() -> str:
    """The newest migration, told by its file's name."""
    return max(versions())


def versions() -> set[str]:
    """All migrations that this gateway knows."""
    return {path.stem.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py")}


def read_json(text: object) -> Any:
    if not isinstance(text, str):
        # A number that stands alone, which SQLite keeps as one: SQLAlchemy goes by this error.
        raise TypeError("no text")
    return orjson.loads(text)


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
