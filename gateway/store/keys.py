"""Access keys, as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, NotFound
from gateway.records import Key
from gateway.store.database import Database, uncancelled
from gateway.store.tables import keys

_COLUMNS = [keys.c[field.name] for field in fields(Key)]


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Key]:
        """Every key, revoked ones too, oldest first."""
        return await self._select(select(*_COLUMNS).order_by(keys.c.created_at, keys.c.id))

    async def page(self, limit: int, after: str | None) -> tuple[list[Key], bool]:
        """Up to `limit` keys by id, those after the id `after`, and whether more follow."""
        query = select(*_COLUMNS).order_by(keys.c.id).limit(limit + 1)
        found = await self._select(query.where(keys.c.id > after) if after else query)
        return found[:limit], len(found) > limit

    async def get(self, key_id: str) -> Key:
        """Raises NotFound."""
        found = await self._select(select(*_COLUMNS).where(keys.c.id == key_id))
        if not found:
            raise _unknown(key_id)
        return found[0]

    async def changed_since(self, stamp: int) -> list[Key]:
        """The keys that were added or changed after the topic had this stamp."""
        return await self._select(select(*_COLUMNS).where(keys.c.stamp > stamp))

    @uncancelled
    async def add(self, key: Key) -> None:
        """Raises Conflict where the same secret is known already."""
        try:
            async with self._database.write("keys") as write:
                row = asdict(key) | {"stamp": write.stamp}
                await write.connection.execute(insert(keys).values(row))
        except IntegrityError:
            raise _known_already() from None

    @uncancelled
    async def replace(self, key: Key) -> None:
        """Store the key under its id. Raises NotFound; Conflict where another has its secret."""
        try:
            async with self._database.write("keys") as write:
                row = asdict(key) | {"stamp": write.stamp}
                changed = update(keys).where(keys.c.id == key.id).values(row)
                if not (await write.connection.execute(changed)).rowcount:
                    raise _unknown(key.id)
        except IntegrityError:
            raise _known_already() from None

    @uncancelled
    async def revoke(self, key_ids: Iterable[str], now: int) -> int:
        """Revoke those of the keys that are not yet; say how many that were."""
        async with self._database.write("keys") as write:
            live = keys.c.id.in_(list(key_ids)) & keys.c.revoked_at.is_(None)
            changed = update(keys).where(live).values(revoked_at=now, stamp=write.stamp)
            return (await write.connection.execute(changed)).rowcount

    async def _select(self, query: Select[Any]) -> list[Key]:
        async with self._database.read() as connection:
            return [_key(row) for row in await connection.execute(query)]


def _key(row: Row[Any]) -> Key:
    return Key(*row)


def _known_already() -> Conflict:
    return Conflict("This key exists already", param="key")


def _unknown(key_id: str) -> NotFound:
    return NotFound(f"No key has the id {key_id!r}", param="id")
