"""The usage, read from the ledger and its sums by day. What can be asked is in `gateway.usage`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Row,
    Select,
    String,
    Table,
    case,
    column,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.display import timestamp
from gateway.errors import InvalidField, NotFound
from gateway.periods import DAY
from gateway.records import NO_ERRORS, LedgerRow
from gateway.store.database import Database
from gateway.store.ledger import day_of, ledger_row
from gateway.store.lists import among, values_of
from gateway.store.tables import daily, keys, ledger, teams
from gateway.usage import (
    DEFAULT_DAYS,
    OF_SINGLE,
    Dimension,
    Group,
    Names,
    Percentiles,
    Report,
    Sums,
    UsageFilter,
    added,
    day_start,
)

_SUMS = [field.name for field in fields(Sums)]
_PERCENTS = (50, 95)
_NONE = literal_column("''", String)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where rows come from: what can be grouped by, and what is added up."""

    table: Table
    dimensions: Mapping[Dimension, ColumnElement[Any]]
    sums: Mapping[str, ColumnElement[Any]]


_DAILY = _Source(
    daily,
    {
        "day": daily.c.day,
        "key": daily.c.key_id,
        "team": daily.c.team_id,
        "model": daily.c.model,
        "provider": daily.c.provider,
    },
    {name: daily.c[name] for name in _SUMS},
)
# As the sums by day have it, see `gateway.store.ledger`.
_LEDGER = _Source(
    ledger,
    {
        "day": func.date(ledger.c.started_ms // 1000, "unixepoch"),
        "hour": func.strftime("%Y-%m-%dT%H:00:00Z", ledger.c.started_ms // 1000, "unixepoch"),
        "key": ledger.c.key_id,
        "team": func.coalesce(ledger.c.team_id, _NONE),
        "model": func.coalesce(ledger.c.served_model, _NONE),
        "deployment": func.coalesce(ledger.c.deployment_id, _NONE),
        "provider": func.coalesce(ledger.c.provider, _NONE),
        "end_user": func.coalesce(ledger.c.end_user, _NONE),
    },
    {
        **{name: ledger.c[name] for name in _SUMS if name in ledger.c},
        "requests": literal_column("1", Integer),
        "errors": case((ledger.c.outcome.in_(NO_ERRORS), 0), else_=1),
        "estimated": type_coerce(ledger.c.estimated, Integer),
        "unpriced": type_coerce(ledger.c.cost.is_(None), Integer),
        "cache_hits": type_coerce(ledger.c.cache_hit, Integer),
    },
)


class UsageStore:
    """Reads what requests added up to. Nothing here writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(
        self,
        wanted: UsageFilter,
        group_by: Sequence[Dimension] = (),
        limit: int = 1000,
        percentiles: bool = False,
    ) -> Report:
        """The usage in up to `limit` groups, those that cost most.

        Without a start it is that of 30 days, or of fewer if single requests are needed that are
        gone.

        Raises:
            InvalidField: The end comes first, or single requests are needed from before the time
                they are kept.
        """
        async with self._database.read() as connection:
            single = percentiles or any(name in OF_SINGLE for name in group_by)
            wanted, raw = await _bounded(connection, wanted, single)
            source = _LEDGER if raw else _DAILY
            found = await connection.execute(_sums(source, wanted, group_by, limit + 1))
            groups = [_group(row, len(group_by)) for row in found]
            more, groups = len(groups) > limit, groups[:limit]
            if more or "tag" in group_by:
                [whole] = await connection.execute(_sums(source, wanted, (), 1))
                total = _group(whole, 0)
            else:
                total = Group((), added(group.sums for group in groups))
            if percentiles:
                of_groups, of_all = await _all_percentiles(connection, wanted, group_by)
                groups = [replace(each, percentiles=of_groups[each.values]) for each in groups]
                total = replace(total, percentiles=of_all)
        for period in ("hour", "day"):
            if period in group_by:
                # What costs most stays first within one.
                position = group_by.index(period)
                groups.sort(key=lambda group: group.values[position])
        assert wanted.start is not None  # noqa: S101 - _bounded gave both
        assert wanted.end is not None  # noqa: S101
        return Report(tuple(group_by), wanted.start, wanted.end, groups, more, total)

    async def percentiles(
        self, wanted: UsageFilter, group_by: Sequence[Dimension]
    ) -> tuple[dict[tuple[str, ...], Percentiles], Percentiles]:
        """Those of each group, by its values, and those of all; raises as `report` does."""
        async with self._database.read() as connection:
            wanted, _ = await _bounded(connection, wanted, single=True)
            return await _all_percentiles(connection, wanted, group_by)

    async def requests(
        self, wanted: UsageFilter, limit: int, after: str | None = None
    ) -> tuple[list[LedgerRow], bool]:
        """Up to `limit` single requests, newest first, and whether there are older ones.

        `after` is the id of the last one of the page before.

        Raises:
            InvalidField: There is no such request, the end comes first, or the start is before the
                time that requests are kept.
        """
        if wanted.start is not None and wanted.end is not None:
            _check_order(wanted.start, wanted.end, "end")
        newest_first = (ledger.c.started_ms, ledger.c.position)
        query = (
            select(ledger)
            .where(*_conditions(_LEDGER, wanted))
            .order_by(*(each.desc() for each in newest_first))
            .limit(limit + 1)
        )
        async with self._database.read() as connection:
            if wanted.start is not None:
                await _check_kept(connection, wanted.start)
            if after is not None:
                last = (await connection.execute(_one(after, wanted.key_ids))).first()
                if last is None:
                    raise InvalidField(
                        f"after: there is no request {after!r}, or none any more", param="after"
                    )
                query = query.where(tuple_(*newest_first) < (last.started_ms, last.position))
            rows = [ledger_row(row) for row in await connection.execute(query)]
        return rows[:limit], len(rows) > limit

    async def request(self, request_id: str, key_ids: Sequence[str] | None = None) -> LedgerRow:
        """The request with this id, of one of the keys. Raises NotFound."""
        async with self._database.read() as connection:
            row = (await connection.execute(_one(request_id, key_ids))).first()
        if row is None:
            raise NotFound(
                f"No request has the id {request_id!r}; single requests are kept for a while only",
                param="id",
            )
        return ledger_row(row)

    async def last_used(self, key_ids: Iterable[str]) -> dict[str, int]:
        """When each of the keys made its last request, in seconds, of those that there are of."""
        # One look into the index for each, where a group of all would read all their requests.
        each = values_of(key_ids)
        last = select(func.max(ledger.c.started_ms)).where(ledger.c.key_id == each.c.value)
        query = select(each.c.value, last.scalar_subquery().label("last"))
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return {row.value: row.last // 1000 for row in rows if row.last is not None}

    async def kept_since(self, start: int) -> int:
        """The start, or a later second if single requests since then are gone."""
        async with self._database.read() as connection:
            return await _kept_since(connection, start)

    async def names(self, key_ids: Iterable[str], team_ids: Iterable[str | None]) -> Names:
        """What those of the keys and teams are called that there are."""
        async with self._database.read() as connection:
            labels = await _named(connection, keys.c.id, keys.c.label, set(key_ids))
            wanted = {team_id for team_id in team_ids if team_id}
            return Names(labels, await _named(connection, teams.c.id, teams.c.name, wanted))

    async def names_in(self, report: Report) -> Names:
        """What the keys and teams of a report are called."""
        return await self.names(_values(report, "key"), _values(report, "team"))


def _values(report: Report, dimension: Dimension) -> list[str]:
    if dimension not in report.group_by:
        return []
    position = report.group_by.index(dimension)
    return [group.values[position] for group in report.groups]


async def _named(
    connection: AsyncConnection, ids: ColumnElement[str], names: ColumnElement[Any], of: set[str]
) -> dict[str, Any]:
    rows = await connection.execute(select(ids, names).where(among(ids, of)))
    return {row[0]: row[1] for row in rows}


async def _bounded(
    connection: AsyncConnection, wanted: UsageFilter, single: bool
) -> tuple[UsageFilter, bool]:
    """The filter with both its ends, and whether it needs single requests, as `single` ones do.

    Raises InvalidField.
    """
    end = (int(time.time()) // DAY + 1) * DAY if wanted.end is None else wanted.end
    start = wanted.start
    if start is None:
        start = max(0, (end - 1) // DAY * DAY - (DEFAULT_DAYS - 1) * DAY)
    _check_order(start, end, "start" if wanted.end is None else "end")
    raw = single or not replace(wanted, start=start, end=end).of_days
    if raw and wanted.start is None:
        start = min(end, await _kept_since(connection, start))
    elif raw:
        await _check_kept(connection, start)
    return replace(wanted, start=start, end=end), raw


def _check_order(start: int, end: int, param: str) -> None:
    if end <= start:
        raise InvalidField("start is not before end", param=param)


async def _check_kept(connection: AsyncConnection, start: int) -> None:
    kept = await _kept_since(connection, start)
    if kept > start:
        raise InvalidField(
            f"start is before {timestamp(kept)}, and the single requests that the answer needs are "
            "kept from then on; ask for a later start. Whole days in UTC, without percentiles and "
            "without status, outcome and end user, reach back further",
            param="start",
        )


async def _kept_since(connection: AsyncConnection, start: int) -> int:
    """The start, or a later time if single requests since then are gone.

    Those go oldest first, and the sums by day stay, which tell how many there were.
    """
    oldest = await connection.scalar(select(func.min(ledger.c.started_ms)))
    if oldest is not None and start * 1000 >= oldest:
        return start
    summed = select(func.sum(daily.c.requests)).where(daily.c.day >= day_of(start))
    if oldest is None:
        gone = await connection.scalar(summed)
        return (int(time.time()) // DAY + 1) * DAY if gone else start
    day = day_of(oldest / 1000)
    were = await connection.scalar(summed.where(daily.c.day <= day))
    of_day = ledger.c.started_ms < (day_start(day) + DAY) * 1000
    are = await connection.scalar(select(func.count()).select_from(ledger).where(of_day))
    return start if were == are else -(-oldest // 1000)


def _one(request_id: str, key_ids: Sequence[str] | None) -> Select[Any]:
    query = select(ledger).where(ledger.c.id == request_id)
    return query if key_ids is None else query.where(ledger.c.key_id.in_(key_ids))


def _conditions(source: _Source, wanted: UsageFilter) -> list[ColumnElement[bool]]:
    found = _by_day(wanted) if source is _DAILY else _of_single(wanted)
    if wanted.key_ids is not None:
        found.append(source.table.c.key_id.in_(wanted.key_ids))
    dimensions: tuple[tuple[Dimension, str | None], ...] = (
        ("team", wanted.team_id),
        ("model", wanted.model),
        ("provider", wanted.provider),
    )
    found += [source.dimensions[name] == value for name, value in dimensions if value is not None]
    if wanted.tag == "":
        found.append(func.json_array_length(source.table.c.tags) == 0)
    elif wanted.tag is not None:
        each = _tags(source)
        found.append(select(each.c.value).where(each.c.value == wanted.tag).exists())
    return found


def _by_day(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.start is not None:
        found.append(daily.c.day >= day_of(wanted.start))
    if wanted.end is not None:
        found.append(daily.c.day < day_of(wanted.end))
    return found


def _of_single(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.start is not None:
        found.append(ledger.c.started_ms >= wanted.start * 1000)
    if wanted.end is not None:
        found.append(ledger.c.started_ms < wanted.end * 1000)
    if wanted.status is not None:
        found.append(ledger.c.status == wanted.status)
    if wanted.deployment is not None:
        found.append(_LEDGER.dimensions["deployment"] == wanted.deployment)
    if wanted.outcome == "errors":
        found.append(ledger.c.outcome.not_in(NO_ERRORS))
    elif wanted.outcome is not None:
        found.append(ledger.c.outcome == wanted.outcome)
    if wanted.end_user is not None:
        found.append(_LEDGER.dimensions["end_user"] == wanted.end_user)
    if (name := wanted.request_id) is not None:
        found.append(or_(ledger.c.request_id == name, ledger.c.id == name))
    return found


def _tags(source: _Source) -> FromClause:
    """A row's tags, as a table beside it."""
    return func.json_each(source.table.c.tags).table_valued(column("value", String), name="each")


def _grouped(
    source: _Source, wanted: UsageFilter, group_by: Sequence[Dimension]
) -> tuple[list[ColumnElement[Any]], Select[Any]]:
    """The columns to group by, and a query of nothing yet that has them."""
    rows: FromClause = source.table
    dimensions = dict(source.dimensions)
    if "tag" in group_by:
        each = _tags(source).alias("tagged")
        rows = rows.outerjoin(each, true())
        dimensions["tag"] = func.coalesce(each.c.value, _NONE)
    columns: list[ColumnElement[Any]] = [dimensions[name].label(f"by_{name}") for name in group_by]
    return columns, select(*columns).select_from(rows).where(*_conditions(source, wanted))


def _sums(
    source: _Source, wanted: UsageFilter, group_by: Sequence[Dimension], limit: int
) -> Select[Any]:
    columns, query = _grouped(source, wanted, group_by)
    sums = {name: func.coalesce(func.sum(source.sums[name]), 0).label(name) for name in _SUMS}
    query = query.add_columns(*sums.values()).group_by(*columns).limit(limit)
    return query.order_by(sums["cost"].desc(), sums["requests"].desc(), *columns)


def _group(row: Row[Any], dimensions: int) -> Group:
    return Group(tuple(row[:dimensions]), Sums(*row[dimensions:]))


async def _all_percentiles(
    connection: AsyncConnection, wanted: UsageFilter, group_by: Sequence[Dimension]
) -> tuple[dict[tuple[str, ...], Percentiles], Percentiles]:
    of_groups = await _percentiles(connection, wanted, group_by)
    of_all = await _percentiles(connection, wanted, ()) if group_by else of_groups
    return of_groups, of_all[()]


async def _percentiles(
    connection: AsyncConnection, wanted: UsageFilter, group_by: Sequence[Dimension]
) -> dict[tuple[str, ...], Percentiles]:
    """Of each group, by its values."""
    found: dict[tuple[str, ...], list[int | None]] = {}
    for position, name in enumerate(("latency_ms", "first_token_ms")):
        for row in await connection.execute(_ranks(wanted, group_by, ledger.c[name])):
            into = found.setdefault(tuple(row[: len(group_by)]), [None] * 4)
            into[2 * position : 2 * position + 2] = row[len(group_by) :]
    if not group_by:
        found.setdefault((), [None] * 4)
    return {values: Percentiles(*times) for values, times in found.items()}


def _ranks(
    wanted: UsageFilter, group_by: Sequence[Dimension], time_ms: ColumnElement[int]
) -> Select[Any]:
    """The nearest-rank percentiles: the least time that enough of the requests did not exceed.

    Requests of the same time are counted first: to rank every one of them takes three times as
    long.
    """
    columns, query = _grouped(_LEDGER, wanted, group_by)
    counted = (
        query.add_columns(time_ms.label("ms"), func.count().label("requests"))
        .where(time_ms.is_not(None))
        .group_by(*columns, time_ms)
        .subquery()
    )
    names = [f"by_{name}" for name in group_by]
    same = [counted.c[name] for name in names]
    ranked = select(
        *same,
        counted.c.ms,
        func.sum(counted.c.requests).over(partition_by=same, order_by=counted.c.ms).label("rank"),
        func.sum(counted.c.requests).over(partition_by=same).label("of"),
    ).subquery()
    into = [ranked.c[name] for name in names]
    reached = (
        func.min(case((ranked.c.rank * 100 >= ranked.c.of * percent, ranked.c.ms)))
        for percent in _PERCENTS
    )
    return select(*into, *reached).group_by(*into)
