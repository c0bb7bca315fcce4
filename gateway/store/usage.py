"""The usage, read from the ledger and its sums by day. What can be asked is in `gateway.usage`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    func,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.display import timestamp
from gateway.errors import InvalidField, NotFound
from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.store.database import Database
from gateway.store.dialects import total
from gateway.store.ledger import day_of, ledger_row
from gateway.store.lists import among, values_of
from gateway.store.tables import daily, keys, ledger, teams
from gateway.store.usage_queries import DAILY, LEDGER, conditions, ranks, sums
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
            source = LEDGER if raw else DAILY
            found = await connection.execute(sums(source, wanted, group_by, limit + 1))
            groups = [_group(row, len(group_by)) for row in found]
            more, groups = len(groups) > limit, groups[:limit]
            if more or "tag" in group_by:
                [whole] = await connection.execute(sums(source, wanted, (), 1))
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
            .where(*conditions(LEDGER, wanted))
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
    summed = select(total(daily.c.requests)).where(daily.c.day >= day_of(start))
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
        for row in await connection.execute(ranks(wanted, group_by, ledger.c[name])):
            into = found.setdefault(tuple(row[: len(group_by)]), [None] * 4)
            into[2 * position : 2 * position + 2] = row[len(group_by) :]
    if not group_by:
        found.setdefault((), [None] * 4)
    return {values: Percentiles(*times) for values, times in found.items()}
