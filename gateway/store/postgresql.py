"""PostgreSQL: a database on a server, which the processes of many hosts share."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    ExceptionContext,
    cast,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.store.database import Database, Queue, read_json
from gateway.store.dialects import storable

# Names what transactions of the gateway wait for, and are told of, among other programs'.
_LOCKS = 0x6C676174
_CHANNEL = "litellm_gateway"
_CONNECTIONS = 10
_CONNECT_SECONDS = 5.0
# What takes longer hangs: the slowest reports take a few seconds.
_COMMAND_SECONDS = 60.0
_LISTEN_AGAIN_SECONDS = 1.0

T = TypeVar("T")


class PostgreSQL(Database):
    """Readers see one state (REPEATABLE READ). Writers of a queue wait for an advisory lock, in all
    processes, so that stamps and positions become visible in their order."""

    holds_null = False

    def __init__(self, url: URL) -> None:
        super().__init__()
        self.shown = f"{url.database or url.username} at {url.host or 'localhost'}"
        self._engine = create_async_engine(
            _for_driver(url),
            json_deserializer=read_json,
            hide_parameters=True,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_CONNECT_SECONDS,
            # A server that was started again has closed them all.
            pool_pre_ping=True,
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _COMMAND_SECONDS,
                "server_settings": {"application_name": "litellm-gateway"},
            },
        )
        event.listen(self._engine.sync_engine, "handle_error", _on_error)
        event.listen(self._engine.sync_engine, "before_cursor_execute", _on_execute, retval=True)
        self._reader = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        # Those of this process wait here, and not with a connection each, which readers need.
        self._writing: dict[Queue, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._heard = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with _begun(self._reader) as connection:
            yield connection

    @asynccontextmanager
    async def append(self, queue: Queue = "changes") -> AsyncIterator[AsyncConnection]:
        async with self._writing[queue], _begun(self._engine) as connection:
            lock = func.pg_advisory_xact_lock(_LOCKS, 1 if queue == "changes" else 2)
            await connection.execute(select(lock))
            yield connection

    async def append_in_thread(
        self, work: Callable[[Connection], T], queue: Queue = "changes"
    ) -> T:
        # The driver has one thread, the loop's.
        async with self.append(queue) as connection:
            return await connection.run_sync(work)

    async def changed(self, within: float) -> None:
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._heard.wait()
        self._heard.clear()

    async def _listen(self) -> None:
        """Hear of other processes' changes until cancelled. Whoever waits looks for itself now and
        then, so that a connection that fails, or hears nothing any more, loses no change."""
        while True:
            # The server is gone, which those who need it say.
            with contextlib.suppress(Exception):
                async with self._engine.connect() as connection:
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    ended = asyncio.Event()
                    driver.add_termination_listener(lambda *_, ended=ended: ended.set())
                    await driver.add_listener(_CHANNEL, lambda *_: self._heard.set())
                    # Of what came before it heard, it was not told.
                    self._heard.set()
                    await ended.wait()
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    async def _announce(self, connection: AsyncConnection) -> None:
        await connection.execute(select(func.pg_notify(_CHANNEL, "")))

    async def last_position(self, connection: AsyncConnection, table: str) -> int:
        last = func.pg_sequence_last_value(_sequence(table))
        return await connection.scalar(select(last)) or 0

    async def go_on_after(self, connection: AsyncConnection, table: str, position: int) -> None:
        # A sequence begins at 1, which is given or still to be.
        moved = func.setval(_sequence(table), max(position, 1), position > 0)
        await connection.execute(select(moved))

    async def check_integrity(self) -> list[str]:
        # The server's own affair: it checks what it reads.
        return []

    async def size(self) -> int:
        async with self.read() as connection:
            query = select(func.pg_database_size(func.current_database()))
            found: int = (await connection.execute(query)).scalar_one()
        return found

    async def vacuum(self) -> None:
        """Let new rows take the place of removed ones, as autovacuum does by itself."""
        alone = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as connection:
            await connection.execute(text("VACUUM"))

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        # It tells the server, whose answer to that may not come.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._engine.dispose()


def _sequence(table: str) -> ColumnElement[str]:
    """What gives the positions of a table."""
    return cast(func.pg_get_serial_sequence(table, "position"), REGCLASS)


def _for_driver(url: URL) -> URL:
    """The URL in the driver's words, of which one is not libpq's."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)


@asynccontextmanager
async def _begun(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.begin())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # SQLAlchemy leaves what goes wrong before there is a connection in others' words.
            raise OperationalError("", None, error) from error
        yield connection


def _on_execute(
    _connection: Connection,
    _cursor: object,
    statement: str,
    given: Any,
    _context: object,
    many: bool,
) -> tuple[str, Any]:
    """Have U+0000 replaced: callers and models say it where they like, and what is stored with it
    must not fail for that."""
    return statement, [_all_storable(each) for each in given] if many else _all_storable(given)


def _all_storable(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(storable(each) if isinstance(each, str) else each for each in values)


def _on_error(context: ExceptionContext) -> None:
    if isinstance(context.original_exception, TimeoutError):
        # The driver's word for a server that says nothing.
        context.is_disconnect = True
        raise OperationalError("", None, context.original_exception)
