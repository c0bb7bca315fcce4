"""PostgreSQL: how a database is made, what can be wrong with it, and who hears of a change."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.registry import POLL_SECONDS, Registry
from gateway.settings import Settings, SettingsError
from gateway.store import Database, Store
from gateway.store.database import DatabaseUnusable
from gateway.store.postgresql import PostgreSQL
from tests.conftest import SECRET_KEY
from tests.postgreses import PostgresServer
from tests.servers import TESTER
from tests.store.records import key
from tests.store.test_database import UNTOUCHED, _names, _put


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    postgres_server.empty("migrated")
    return postgres_server.url("migrated")


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    async with Store.open(Settings(database_url=url, secret_key=SECRET_KEY)) as store:
        yield store.database


# --- making it ---


async def test_processes_may_migrate_a_new_one_at_once(postgres_server: PostgresServer) -> None:
    async def stamps(url: str) -> dict[str, int]:
        async with opened(url) as database:
            return await database.stamps()

    with postgres_server.fresh() as url:
        assert await asyncio.gather(*(stamps(url) for _ in range(4))) == [UNTOUCHED] * 4


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
async def test_any_usual_url_will_do(scheme: str, url: str) -> None:
    rest = url.partition("://")[2]
    async with opened(f"{scheme}://{rest}?sslmode=disable") as database:
        await _put(database, "x")
        assert database.shown == "migrated at 127.0.0.1"


# --- what can be wrong with it ---


async def unusable(url: str) -> str:
    with pytest.raises(DatabaseUnusable) as refused:
        async with opened(url):
            pass
    assert "password" not in str(refused.value)
    return str(refused.value)


async def test_nobody_is_there() -> None:
    said = await unusable("postgresql://u:password@127.0.0.1:1/db")
    assert said.startswith("Cannot use the database db at 127.0.0.1: ")
    assert "Connect call failed" in said


async def test_there_is_no_such_database_or_user(postgres_server: PostgresServer) -> None:
    assert 'database "none" does not exist' in await unusable(postgres_server.url("none"))
    other_user = postgres_server.url().replace("gateway@", "nobody:password@")
    assert 'role "nobody" does not exist' in await unusable(other_user)


async def test_another_programs_tables_are_left_alone(postgres_server: PostgresServer) -> None:
    with postgres_server.fresh() as url:
        name = url.rpartition("/")[2]
        postgres_server.execute("CREATE TABLE keys (mine int)", name)
        assert 'relation "keys" already exists' in await unusable(url)
        left = postgres_server.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name
        )
        assert [row["tablename"] for row in left] == ["keys"]


@pytest.mark.parametrize("url", ["postgresql://h:port/db", "postgresql://[::1/db"])
def test_a_url_that_cannot_be_read(url: str) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_DATABASE_URL cannot be read"):
        Store(Settings(database_url=url, secret_key=SECRET_KEY))


# --- who hears of what ---


async def test_a_change_is_heard_of_at_once_elsewhere(url: str) -> None:
    async with opened(url) as here, opened(url) as there:
        # It begins to listen.
        await there.changed(5)
        began = time.monotonic()
        waiting = asyncio.create_task(there.changed(30))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await _put(here, "x")
        await waiting
        assert time.monotonic() - began < 10


async def test_it_is_listened_again_once_the_server_is_back(
    postgres_server: PostgresServer, url: str
) -> None:
    async with opened(url) as here, opened(url) as there:
        await there.changed(5)
        postgres_server.stop()
        await there.changed(0.1)
        with pytest.raises(SQLAlchemyError):
            await there.stamps()
        postgres_server.start()
        # What was missed meanwhile is to be looked for, so that this ends by itself.
        async with asyncio.timeout(20):
            await there.changed(20)
        waiting = asyncio.create_task(there.changed(30))
        await asyncio.sleep(0.1)
        await _put(here, "x")
        async with asyncio.timeout(10):
            await waiting
        assert "x" in await _names(there)


async def test_what_listens_ends_with_the_database(url: str) -> None:
    before = asyncio.all_tasks()
    async with opened(url) as database:
        await database.changed(1)
    assert asyncio.all_tasks() == before


# --- how soon a change is everywhere ---


@contextlib.asynccontextmanager
async def node(url: str) -> AsyncIterator[tuple[Store, Registry]]:
    """A process on the database, as far as it follows changes."""
    async with Store.open(Settings(database_url=url, secret_key=SECRET_KEY)) as store:
        registry = Registry(store)
        await registry.refresh()
        watching = asyncio.create_task(registry.watch())
        try:
            yield store, registry
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def revoked_in(seconds: float, url: str) -> None:
    """Revoke a key at one node; another must refuse it in time."""
    issued = key("sk-a")
    async with node(url) as (here, _), node(url) as (_, there):
        async with asyncio.timeout(10):
            # Also until it listens.
            await asyncio.sleep(0.5)
            await here.keys.add(issued, TESTER)
            while there.key(issued.secret_hash) is None:
                await there.refresh()
        await here.keys.revoke([issued.id], 2000, TESTER)
        async with asyncio.timeout(seconds):
            while (known := there.key(issued.secret_hash)) is None or known.revoked_at is None:
                await asyncio.sleep(0.005)


async def test_a_revocation_is_heard_of_long_before_anybody_looks(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.registry.POLL_SECONDS", 120)
    await revoked_in(20, url)


async def test_a_revocation_that_nobody_was_told_of_is_known_within_a_second(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the connection that listens is dead, and nobody knows."""

    async def silent(self: PostgreSQL, connection: AsyncConnection) -> None: ...

    monkeypatch.setattr(PostgreSQL, "_announce", silent)
    # By the look that is taken twice a second; the rest is for a busy machine.
    assert POLL_SECONDS < 1
    await revoked_in(POLL_SECONDS + 5, url)
