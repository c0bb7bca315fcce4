"""Access keys, as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.display import key_view
from gateway.errors import Conflict, InvalidField, NotFound
from gateway.records import Actor, Key
from gateway.store.audit import note
from gateway.store.database import Database, Write, uncancelled
from gateway.store.tables import keys, teams

_COLUMNS = [keys.c[field.name] for field in fields(Key)]
_TUPLES = ("models", "tags")


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys to list; what is None does not matter."""

    kind: str | None = None
    label: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    secret_hash: str | None = None
    revoked: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        equal = ("kind", "label", "team_id", "user_id", "secret_hash")
        found = [keys.c[name] == getattr(self, name) for name in equal if getattr(self, name)]
        if self.revoked is not None:
            found.append(keys.c.revoked_at.is_not(None) == self.revoked)
        return found


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

    async def find(
        self, wanted: KeyFilter, limit: int, offset: int, newest_first: bool = True
    ) -> tuple[list[Key], int]:
        """Some of the keys that are wanted, by the time they were made, and how many there are."""
        where = wanted.conditions()
        order = [keys.c.created_at, keys.c.id]
        if newest_first:
            order = [column.desc() for column in order]  # type: ignore[misc]
        query = select(*_COLUMNS).where(*where).order_by(*order).limit(limit).offset(offset)
        async with self._database.read() as connection:
            total = await connection.scalar(select(func.count()).select_from(keys).where(*where))
            rows = (await connection.execute(query)).all()
        return [_key(row) for row in rows], total or 0

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
    async def add(self, key: Key, by: Actor) -> None:
        """Raises Conflict where the same secret is known already; InvalidField for its team."""
        try:
            async with self._database.write("keys") as write:
                await _check_team(write, key)
                await write.connection.execute(insert(keys).values(_row(key, write)))
                await note(write, by, "key.add", (key.id, key.label), None, key_view(key))
        except IntegrityError:
            raise _known_already() from None

    @uncancelled
    async def change(self, key_id: str, change: Callable[[Key], Key], by: Actor) -> Key:
        """Store what `change` makes of a key, with no other write in between; return it.

        Raises NotFound; Conflict where another key has its secret; InvalidField for its team; what
        `change` raises.
        """
        try:
            async with self._database.write("keys") as write:
                query = select(*_COLUMNS).where(keys.c.id == key_id)
                row = (await write.connection.execute(query)).first()
                if row is None:
                    raise _unknown(key_id)
                old = _key(row)
                new = change(old)
                await _check_team(write, new)
                changed = update(keys).where(keys.c.id == key_id).values(_row(new, write))
                await write.connection.execute(changed)
                await note(
                    write, by, "key.update", (new.id, new.label), key_view(old), key_view(new)
                )
        except IntegrityError:
            raise _known_already() from None
        return new

    @uncancelled
    async def revoke(self, key_ids: Iterable[str], now: int, by: Actor) -> int:
        """Revoke those of the keys that are not yet; say how many that were."""
        async with self._database.write("keys") as write:
            live = keys.c.id.in_(list(key_ids)) & keys.c.revoked_at.is_(None)
            changed = (
                update(keys)
                .where(live)
                .values(revoked_at=now, updated_at=now, stamp=write.stamp)
                .returning(keys.c.id, keys.c.label)
            )
            revoked = (await write.connection.execute(changed)).all()
            for key_id, label in revoked:
                await note(write, by, "key.revoke", (key_id, label), None, None)
        return len(revoked)

    async def _select(self, query: Select[Any]) -> list[Key]:
        async with self._database.read() as connection:
            return [_key(row) for row in await connection.execute(query)]


async def _check_team(write: Write, key: Key) -> None:
    if key.team_id is not None:
        query = select(teams.c.id).where(teams.c.id == key.team_id)
        if await write.connection.scalar(query) is None:
            raise InvalidField(f"No team has the id {key.team_id!r}", param="team_id")


def _row(key: Key, write: Write) -> dict[str, Any]:
    return asdict(key) | {"stamp": write.stamp}


def _key(row: Row[Any]) -> Key:
    values = dict(row._mapping)
    return Key(**values | {name: tuple(values[name]) for name in _TUPLES})


def _known_already() -> Conflict:
    return Conflict("This key exists already", param="key")


def _unknown(key_id: str) -> NotFound:
    return NotFound(f"No key has the id {key_id!r}", param="id")
