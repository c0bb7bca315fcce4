"""Access keys, as rows."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields, replace
from sys import intern
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.display import key_view, timestamp
from gateway.errors import Conflict, InvalidField, NotFound
from gateway.records import Actor, Key, KeyKind, KeyState
from gateway.store.audit import note
from gateway.store.database import Database, Write, uncancelled
from gateway.store.lists import among
from gateway.store.tables import keys, retired_secrets, teams

_NAMES = [field.name for field in fields(Key)]
_COLUMNS = [keys.c[name] for name in _NAMES]
_TUPLES = ("models", "tags")
_MAPPINGS = ("aliases", "model_rpm_limit", "model_tpm_limit", "metadata")
_ALIKE = ("kind", "team_id", "user_id", "budget_duration")
_NOTHING: Mapping[str, Any] = {}
# Later than any end that a key can have.
_NEVER = 2**62
_AT_ONCE = 500

Column = Literal["created_at", "updated_at", "label", "max_budget", "secret_hash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFilter:
    """Which keys to list; what is None does not matter.

    Attributes:
        search: The hash of the secret, or a part of the label.
        label_part: A part of the label, whatever its case; empty for any label at all.
        expired: Whether it ended before now; a revoked or blocked key may have ended too.
    """

    kind: KeyKind | None = None
    label: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    secret_hash: str | None = None
    search: str | None = None
    label_part: str | None = None
    user_part: str | None = None
    blocked: bool | None = None
    expired: bool | None = None
    revoked: bool | None = None

    @classmethod
    def in_state(cls, state: KeyState | None, **others: Any) -> KeyFilter:
        """The keys whose `state` is this one."""
        if state is None:
            return cls(**others)
        if state == "revoked":
            return cls(revoked=True, **others)
        if state == "expired":
            return cls(revoked=False, expired=True, **others)
        return cls(revoked=False, expired=False, blocked=state == "blocked", **others)

    def conditions(self, now: int) -> list[ColumnElement[bool]]:
        equal = ("kind", "label", "team_id", "user_id", "secret_hash", "blocked")
        found: list[ColumnElement[bool]] = [
            keys.c[name] == getattr(self, name) for name in equal if getattr(self, name) is not None
        ]
        if self.search is not None:
            found.append((keys.c.secret_hash == self.search) | _holds(keys.c.label, self.search))
        if self.label_part is not None:
            found.append(_holds(keys.c.label, self.label_part))
        if self.user_part is not None:
            found.append(_holds(keys.c.user_id, self.user_part))
        if self.revoked is not None:
            found.append(keys.c.revoked_at.is_not(None) == self.revoked)
        if self.expired is not None:
            ended = func.coalesce(keys.c.expires_at, _NEVER) <= now
            found.append(ended if self.expired else ~ended)
        return found


def _holds(column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    return column.icontains(part, autoescape=True)


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Key]:
        """Every key, revoked ones too, oldest first."""
        return await self._select(select(*_COLUMNS).order_by(keys.c.created_at, keys.c.id))

    async def page(
        self, limit: int, after: str | None, wanted: KeyFilter | None = None
    ) -> tuple[list[Key], bool]:
        """Up to `limit` keys by id, those after the id `after`, and whether more follow."""
        where = (wanted or KeyFilter()).conditions(int(time.time()))
        if after is not None:
            where.append(keys.c.id > after)
        query = select(*_COLUMNS).where(*where).order_by(keys.c.id).limit(limit + 1)
        found = await self._select(query)
        return found[:limit], len(found) > limit

    async def find(
        self,
        wanted: KeyFilter,
        limit: int | None = None,
        offset: int = 0,
        order_by: Column = "created_at",
        descending: bool = True,
    ) -> tuple[list[Key], int]:
        """Some of the keys that are wanted, and how many there are; those without a value sort as
        if it were the highest."""
        where = wanted.conditions(int(time.time()))
        first, then = keys.c[order_by], keys.c.id
        order = (
            (first.desc().nulls_first(), then.desc())
            if descending
            else (first.asc().nulls_last(), then.asc())
        )
        query = select(*_COLUMNS).where(*where).order_by(*order).limit(limit).offset(offset)
        async with self._database.read() as connection:
            total = await connection.scalar(select(func.count()).select_from(keys).where(*where))
            rows = (await connection.execute(query)).all()
        return [_key(row) for row in rows], total or 0

    async def count_by_team(self, team_ids: Iterable[str]) -> dict[str, int]:
        """How many keys that are not revoked each of the teams has, of those that have any."""
        live = among(keys.c.team_id, team_ids) & keys.c.revoked_at.is_(None)
        query = select(keys.c.team_id, func.count()).where(live).group_by(keys.c.team_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {row[0]: row[1] for row in rows}

    async def get(self, key_id: str) -> Key:
        """Raises NotFound."""
        found = await self._select(select(*_COLUMNS).where(keys.c.id == key_id))
        if not found:
            raise _unknown(key_id)
        return found[0]

    async def by_secret(self, secret_hash: str) -> Key | None:
        """The key with this hash, also that of a secret in its time of grace; live or not."""
        retiring = (keys.c.retiring_hash == secret_hash) & (
            keys.c.retiring_until > int(time.time())
        )
        query = select(*_COLUMNS).where((keys.c.secret_hash == secret_hash) | retiring)
        found = await self._select(query)
        return found[0] if found else None

    async def by_ids(self, key_ids: Iterable[str]) -> dict[str, Key]:
        """Those of the keys that there are, by their ids."""
        found = await self._select(select(*_COLUMNS).where(among(keys.c.id, key_ids)))
        return {key.id: key for key in found}

    async def rotated_out(self, secret_hash: str) -> Key | None:
        """The key that has a new secret in the place of this one, if any."""
        old = select(retired_secrets.c.key_id).where(retired_secrets.c.secret_hash == secret_hash)
        found = await self._select(select(*_COLUMNS).where(keys.c.id.in_(old)))
        return found[0] if found else None

    async def retired(self) -> dict[str, str]:
        """The ids of keys by the hashes of all secrets that rotations have replaced."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(retired_secrets))
            return {row.secret_hash: row.key_id for row in rows}

    async def changed_since(self, stamp: int) -> AsyncGenerator[list[Key]]:
        """The keys that were added or changed after the topic had this stamp, in that order, some
        at a time: of a hundred thousand, the rows alone would take as much memory as the keys."""
        query = select(*_COLUMNS).where(keys.c.stamp > stamp).order_by(keys.c.stamp)
        async with self._database.read() as connection:
            async for rows in (await connection.stream(query)).partitions(_AT_ONCE):
                yield [_key(row) for row in rows]

    @uncancelled
    async def add(self, key: Key, by: Actor) -> None:
        """Raises Conflict where the same secret is known already; InvalidField for its team."""
        try:
            async with self._database.write("keys") as write:
                await _check_team(write, key)
                await _check_secret(write, key)
                await write.connection.execute(insert(keys).values(_row(key, write)))
                await note(
                    write.connection, by, "key.add", (key.id, key.label), None, key_view(key)
                )
        except IntegrityError:
            raise _known_already() from None

    @uncancelled
    async def change(
        self, key_id: str, change: Callable[[Key], Key], by: Actor, *, keep_admin: bool = False
    ) -> Key:
        """Store what `change` makes of a key, with no other write in between; return it.

        Raises NotFound; Conflict where it is revoked, where another key has its secret, or where
        `keep_admin` and it is the last admin key; InvalidField for its team; what `change` raises.
        """
        try:
            async with self._database.write("keys") as write:
                query = select(*_COLUMNS).where(keys.c.id == key_id)
                row = (await write.connection.execute(query)).first()
                if row is None:
                    raise _unknown(key_id)
                old = _key(row)
                if old.revoked_at is not None:
                    raise Conflict(
                        f"The key {key_id!r} is revoked, for good; issue another", param="id"
                    )
                new = change(old)
                if _same(old, new):
                    return old
                await _check_team(write, new)
                if new.secret_hash != old.secret_hash:
                    await _check_secret(write, new)
                    retired = {"secret_hash": old.secret_hash, "key_id": old.id}
                    await write.connection.execute(insert(retired_secrets).values(retired))
                async with _admins(write, keep_admin and old.is_admin):
                    changed = update(keys).where(keys.c.id == key_id).values(_row(new, write))
                    await write.connection.execute(changed)
                await note(
                    write.connection,
                    by,
                    "key.update",
                    (new.id, new.label),
                    key_view(old),
                    key_view(new),
                )
        except IntegrityError:
            raise _known_already() from None
        return new

    @uncancelled
    async def revoke(
        self, key_ids: Iterable[str], now: int, by: Actor, *, keep_admin: bool = False
    ) -> int:
        """Revoke those of the keys that are not yet; say how many that were.

        Raises Conflict where `keep_admin` and the last admin key is among them; then none is.
        """
        async with self._database.write("keys") as write:
            live = among(keys.c.id, key_ids) & keys.c.revoked_at.is_(None)
            changed = (
                update(keys)
                .where(live)
                .values(revoked_at=now, updated_at=now, stamp=write.stamp)
                .returning(keys.c.id, keys.c.label)
            )
            admins = exists().where(live, keys.c.kind == "admin")
            touched = keep_admin and await write.connection.scalar(select(admins))
            async with _admins(write, bool(touched)):
                revoked = (await write.connection.execute(changed)).all()
            for key_id, label in revoked:
                then = {"revoked_at": timestamp(now)}
                await note(
                    write.connection, by, "key.revoke", (key_id, label), {"revoked_at": None}, then
                )
        return len(revoked)

    async def _select(self, query: Select[Any]) -> list[Key]:
        async with self._database.read() as connection:
            return [_key(row) for row in await connection.execute(query)]


@asynccontextmanager
async def _admins(write: Write, keep: bool) -> AsyncIterator[None]:
    """Where `keep`, refuse a change after which the gateway can be managed for less long.

    Raises Conflict.
    """
    before = await _managed_until(write) if keep else 0
    yield
    if keep and await _managed_until(write) < before:
        raise Conflict(
            "Nobody could manage the gateway any more: no other admin key lasts as long as this "
            "one. Rotate it, or make another on the gateway's host first (gateway admin --help)",
            param="id",
        )


async def _managed_until(write: Write) -> int:
    """When the last admin key ends that works now."""
    works = (keys.c.kind == "admin") & keys.c.revoked_at.is_(None) & ~keys.c.blocked
    last = select(func.max(func.coalesce(keys.c.expires_at, _NEVER))).where(works)
    return max(await write.connection.scalar(last) or 0, int(time.time()))


async def _check_secret(write: Write, key: Key) -> None:
    # In its time of grace it would belong to two keys; after it, it was given up for a reason.
    query = select(retired_secrets.c.key_id).where(retired_secrets.c.secret_hash == key.secret_hash)
    owner = await write.connection.scalar(query)
    if owner is not None:
        raise Conflict(
            f"This secret was rotated out of the key {owner!r}; take a new one", param="key"
        )


async def _check_team(write: Write, key: Key) -> None:
    if key.team_id is not None:
        query = select(teams.c.id).where(teams.c.id == key.team_id)
        if await write.connection.scalar(query) is None:
            raise InvalidField(f"No team has the id {key.team_id!r}", param="team_id")


def _same(old: Key, new: Key) -> bool:
    # As JSON, in which 1 and true are not the same.
    before, after = (json.dumps(asdict(replace(key, updated_at=0))) for key in (old, new))
    return before == after


def _row(key: Key, write: Write) -> dict[str, Any]:
    return asdict(key) | {"stamp": write.stamp}


def _key(row: Row[Any]) -> Key:
    values = dict(zip(_NAMES, row, strict=True))
    for name in _TUPLES:
        values[name] = tuple(values[name])
    # Of a hundred thousand keys, most say the same in these, if anything.
    for name in _MAPPINGS:
        values[name] = values[name] or _NOTHING
    for name in _ALIKE:
        values[name] = values[name] and intern(values[name])
    return Key(**values)


def _known_already() -> Conflict:
    return Conflict("This key exists already", param="key")


def _unknown(key_id: str) -> NotFound:
    return NotFound(f"No key has the id {key_id!r}", param="id")
