"""The ledger: rows of requests, and what they add up to by day."""

from __future__ import annotations

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Select, TextClause, delete, func, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert

from gateway.periods import DAY, period_start
from gateway.records import Key, LedgerRow, Team
from gateway.store.database import Database, uncancelled
from gateway.store.dialects import UtcDay, storable, total
from gateway.store.lists import among
from gateway.store.tables import daily, ledger, transcripts

_NAMES = [field.name for field in fields(LedgerRow)]
_COLUMNS = [ledger.c[name] for name in _NAMES]
_LAST = select(func.max(ledger.c.position))
_DIMENSIONS = ("key_id", "day", "team_id", "model", "provider", "tags")
_TOKENS = (
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_SUMS = (
    "requests",
    "errors",
    "estimated",
    "unpriced",
    "cache_hits",
    *_TOKENS,
    "cost",
    "latency_ms",
)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What one request asked and was answered, as JSON text, already redacted."""

    id: str
    """Of its ledger row."""
    started_ms: int
    request: str
    response: str | None


class Charge(NamedTuple):
    """What one row cost, and whom."""

    position: int
    key_id: str
    team_id: str | None
    started_ms: int
    cost: int


class LedgerStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    @uncancelled
    async def write(
        self, rows: Sequence[LedgerRow], transcripts_of: Sequence[Transcript], node: str = ""
    ) -> int | None:
        """Store rows with their sums, all or nothing. Rows that are there already are left out.

        `node` names the process that wrote them. Returns the last one's position; None where some
        were there already.
        """
        return await self._database.append_in_thread(
            lambda connection: _write(connection, rows, transcripts_of, node), "ledger"
        )

    async def last_position(self) -> int:
        """The position of the newest row."""
        async with self._database.read() as connection:
            return await connection.scalar(_LAST) or 0

    async def spent(self, owner: str, owner_id: str, since: int | None) -> tuple[int, int]:
        """What a `key` or `team` spent in requests since then, and the last position counted.

        `since` is in seconds; None means ever.
        """
        # One statement: the first call of each key waits for it.
        costs = _costs(owner, [owner_id], since).subquery()
        cost = select(costs.c.cost).scalar_subquery()
        async with self._database.read() as connection:
            row = (await connection.execute(select(cost, _LAST.scalar_subquery()))).one()
        return row[0] or 0, row[1] or 0

    async def spent_by(self, owner: Key | Team, now: int) -> int:
        """What a key or team spent in the budget period that `now` is in, in nano-dollars."""
        return (await self.spent_by_each([owner], now))[owner.id]

    async def spent_by_each(self, owners: Iterable[Key | Team], now: int) -> dict[str, int]:
        """What each spent in its own budget period, by their ids."""
        periods: dict[tuple[str, int | None], list[str]] = defaultdict(list)
        for owner in owners:
            kind = "key" if isinstance(owner, Key) else "team"
            periods[kind, current_period(owner, now)].append(owner.id)
        spent: dict[str, int] = {}
        async with self._database.read() as connection:
            for (kind, since), ids in periods.items():
                spent |= dict.fromkeys(ids, 0)
                rows = await connection.execute(_costs(kind, ids, since))
                spent |= {row.id: row.cost for row in rows if row.cost}
        return spent

    async def charges_after(self, position: int, limit: int, not_of: str) -> list[Charge]:
        """What rows after a position cost, in the order they arrived, but for those that a process
        wrote."""
        query = (
            select(*(ledger.c[name] for name in Charge._fields))
            .where(ledger.c.position > position, ledger.c.node != not_of, ledger.c.cost > 0)
            .order_by(ledger.c.position)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [Charge(*row) for row in await connection.execute(query)]

    async def after(self, position: int, limit: int) -> list[tuple[int, LedgerRow]]:
        """The rows after a position, with theirs, in the order they arrived."""
        query = (
            select(ledger.c.position, *_COLUMNS)
            .where(ledger.c.position > position)
            .order_by(ledger.c.position)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [(row.position, ledger_row(row)) for row in await connection.execute(query)]

    async def unequal_days(self) -> list[str]:
        """The days whose rows do not add up to their sums; none in a sound database.

        Rows are removed by age: days before the oldest row are left out, and its own may miss some.
        """
        day = UtcDay(ledger.c.started_ms)
        rows = select(day, func.count(), total(ledger.c.cost)).group_by(day)
        sums = select(daily.c.day, total(daily.c.requests), total(daily.c.cost))
        async with self._database.read() as connection:
            found = {name: rest for name, *rest in await connection.execute(rows)}
            added = await connection.execute(sums.group_by(daily.c.day))
            expected = {name: rest for name, *rest in added}
        if not found:
            return []
        oldest = min(found)
        unequal = [
            name
            for name in {**found, **expected}
            if name > oldest and found.get(name) != expected.get(name)
        ]
        if found[oldest][0] > expected.get(oldest, [0])[0]:
            unequal.append(oldest)
        return sorted(unequal)

    @uncancelled
    async def remove_before(self, started_ms: int, limit: int) -> int:
        """Delete up to `limit` of the rows that started before then; say how many. Sums stay."""
        async with self._database.append() as connection:
            old = (
                select(ledger.c.id)
                .where(ledger.c.started_ms < started_ms)
                .order_by(ledger.c.started_ms)
                .limit(limit)
            )
            gone = list(await connection.scalars(old))
            await connection.execute(delete(ledger).where(among(ledger.c.id, gone)))
            await connection.execute(delete(transcripts).where(among(transcripts.c.id, gone)))
        return len(gone)


def _write(
    connection: Connection,
    rows: Sequence[LedgerRow],
    transcripts_of: Sequence[Transcript],
    node: str,
) -> int | None:
    query = select(ledger.c.id).where(among(ledger.c.id, [row.id for row in rows]))
    known = set(connection.scalars(query))
    fresh = [row for row in rows if row.id not in known]
    if not fresh:
        return None
    _insert(connection, fresh, node)
    connection.execute(_adding(connection.dialect.name), _sums(fresh))
    added_ids = {row.id for row in fresh}
    kept = [asdict(each) for each in transcripts_of if each.id in added_ids]
    if kept:
        connection.execute(insert(transcripts), kept)
    position: int | None = connection.scalar(_LAST)
    return position if len(fresh) == len(rows) else None


def _insert(connection: Connection, rows: Iterable[LedgerRow], node: str) -> None:
    """Not by SQLAlchemy's own way, which takes four times as long for so many parameters."""
    statement, names = _insertion(connection.dialect)
    get, tags = attrgetter(*names), names.index("tags")
    parameters = [[*get(row), node] for row in rows]
    for each in parameters:
        each[tags] = json.dumps([*map(storable, each[tags])])
    connection.exec_driver_sql(statement, [tuple(each) for each in parameters])


@functools.cache
def _insertion(dialect: Dialect) -> tuple[str, list[str]]:
    """The statement that adds a row, and what its parameters are, in their order; the last, the
    node, is left out."""
    compiled = insert(ledger).inline().compile(dialect=dialect, column_keys=[*_NAMES, "node"])
    names = compiled.positiontup or []
    return str(compiled), names[:-1]


@functools.cache
def _adding(dialect: str) -> TextClause:
    """Adds sums to those of the day, in words that both know. SQLAlchemy would compile it anew for
    every few rows, which takes longer than to store them."""
    added = upsert(daily)
    # See the table's index.
    tags = text("md5(tags)") if dialect == "postgresql" else daily.c.tags
    statement = added.on_conflict_do_update(
        index_elements=[*_DIMENSIONS[:-1], tags],
        set_={name: daily.c[name] + added.excluded[name] for name in _SUMS},
    )
    return text(str(statement.compile(dialect=sqlite.dialect(paramstyle="named"))))


def current_period(owner: Key | Team, now: int) -> int | None:
    """When the owner's budget period began that `now` is in; None where it has no beginning."""
    duration = owner.budget_duration
    return period_start(duration, owner.created_at, now) if duration else None


def _costs(kind: str, ids: Sequence[str], since: int | None) -> Select[Any]:
    """The `cost` of requests since then by the `id` of a key or team, of those that have any."""
    # The sums by day are kept for ever, and there are fewer of them.
    by_day = since is None or since % DAY == 0
    table = daily if by_day else ledger
    owner = table.c[f"{kind}_id"]
    query = select(owner.label("id"), total(table.c.cost).label("cost")).where(among(owner, ids))
    if since is not None:
        query = query.where(
            daily.c.day >= day_of(since) if by_day else ledger.c.started_ms >= since * 1000
        )
    return query.group_by(owner)


def day_of(seconds: float) -> str:
    """The day in UTC, `2026-11-24`."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def ledger_row(row: Any) -> LedgerRow:
    """The record of a row that has all of the ledger's columns."""
    values = {name: getattr(row, name) for name in _NAMES}
    return LedgerRow(**values | {"tags": tuple(values["tags"])})


def _sums(rows: Iterable[LedgerRow]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[LedgerRow]] = defaultdict(list)
    for row in rows:
        day = row.started_ms // (DAY * 1000)
        # Not the name that was asked for where there is no such model: those have no end.
        of = row.key_id, day, row.team_id, row.served_model, row.provider, row.tags
        groups[of].append(row)
    added: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for (key_id, day, team_id, model, provider, tags), group in groups.items():
        sorted_tags = json.dumps(sorted(map(storable, tags)), ensure_ascii=False)
        names = key_id, day_of(day * DAY), team_id or "", model or "", provider or "", sorted_tags
        added[names].update(_added_up(group))
    return [dict(zip(_DIMENSIONS, names, strict=True)) | sums for names, sums in added.items()]


def _added_up(rows: Sequence[LedgerRow]) -> dict[str, int]:
    """The `_SUMS` of these."""
    return {
        "requests": len(rows),
        "errors": sum(row.outcome not in ("complete", "cancelled") for row in rows),
        "estimated": sum(row.estimated for row in rows),
        "unpriced": sum(row.cost is None for row in rows),
        "cache_hits": sum(row.cache_hit for row in rows),
        **{name: sum(map(attrgetter(name), rows)) for name in (*_TOKENS, "latency_ms")},
        "cost": sum(row.cost or 0 for row in rows),
    }
