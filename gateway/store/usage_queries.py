"""The usage as queries: what its two sources have, what of them counts, and what it adds up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    String,
    Table,
    case,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    true,
)

from gateway.records import NO_ERRORS
from gateway.store.dialects import JsonLength, JsonTexts, UtcDay, UtcHour, total
from gateway.store.ledger import day_of
from gateway.store.tables import daily, ledger
from gateway.usage import Dimension, Sums, UsageFilter

_SUMS = [field.name for field in fields(Sums)]
_PERCENTS = (50, 95)
_NONE = literal_column("''", String)


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from: what can be grouped by, and what is added up."""

    table: Table
    dimensions: Mapping[Dimension, ColumnElement[Any]]
    sums: Mapping[str, ColumnElement[Any]]


DAILY = Source(
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
LEDGER = Source(
    ledger,
    {
        "day": UtcDay(ledger.c.started_ms),
        "hour": UtcHour(ledger.c.started_ms),
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
        "estimated": cast(ledger.c.estimated, Integer),
        "unpriced": cast(ledger.c.cost.is_(None), Integer),
        "cache_hits": cast(ledger.c.cache_hit, Integer),
    },
)


def conditions(source: Source, wanted: UsageFilter) -> list[ColumnElement[bool]]:
    """What a source\'s rows must be, to be wanted."""
    found = _by_day(wanted) if source is DAILY else _of_single(wanted)
    if wanted.key_ids is not None:
        found.append(source.table.c.key_id.in_(wanted.key_ids))
    dimensions: tuple[tuple[Dimension, str | None], ...] = (
        ("team", wanted.team_id),
        ("model", wanted.model),
        ("provider", wanted.provider),
    )
    found += [source.dimensions[name] == value for name, value in dimensions if value is not None]
    if wanted.tag == "":
        found.append(JsonLength(source.table.c.tags) == 0)
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
        found.append(LEDGER.dimensions["deployment"] == wanted.deployment)
    if wanted.outcome == "errors":
        found.append(ledger.c.outcome.not_in(NO_ERRORS))
    elif wanted.outcome is not None:
        found.append(ledger.c.outcome == wanted.outcome)
    if wanted.end_user is not None:
        found.append(LEDGER.dimensions["end_user"] == wanted.end_user)
    if (name := wanted.request_id) is not None:
        found.append(or_(ledger.c.request_id == name, ledger.c.id == name))
    return found


def _tags(source: Source) -> FromClause:
    """A row's tags, as a table beside it."""
    return JsonTexts(source.table.c.tags).table_valued(column("value", String), name="each")


def _grouped(
    source: Source, wanted: UsageFilter, group_by: Sequence[Dimension]
) -> tuple[list[ColumnElement[Any]], Select[Any]]:
    """The columns to group by, and a query of nothing yet that has them."""
    rows: FromClause = source.table
    dimensions = dict(source.dimensions)
    if "tag" in group_by:
        each = _tags(source).alias("tagged")
        rows = rows.outerjoin(each, true())
        dimensions["tag"] = func.coalesce(each.c.value, _NONE)
    columns: list[ColumnElement[Any]] = [dimensions[name].label(f"by_{name}") for name in group_by]
    return columns, select(*columns).select_from(rows).where(*conditions(source, wanted))


def sums(
    source: Source, wanted: UsageFilter, group_by: Sequence[Dimension], limit: int
) -> Select[Any]:
    """The columns that tell groups apart, then those of `Sums`; what costs most comes first."""
    columns, query = _grouped(source, wanted, group_by)
    found = {name: total(source.sums[name]).label(name) for name in _SUMS}
    query = query.add_columns(*found.values()).group_by(*columns).limit(limit)
    return query.order_by(found["cost"].desc(), found["requests"].desc(), *columns)


def ranks(
    wanted: UsageFilter, group_by: Sequence[Dimension], time_ms: ColumnElement[int]
) -> Select[Any]:
    """The nearest-rank percentiles: the least time that enough of the requests did not exceed.

    Requests of the same time are counted first: to rank every one of them takes three times as
    long.
    """
    columns, query = _grouped(LEDGER, wanted, group_by)
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
