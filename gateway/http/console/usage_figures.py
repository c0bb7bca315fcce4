"""The usage as figures over time, and by what it is of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from gateway.display import timestamp
from gateway.periods import DAY
from gateway.store.usage import UsageStore
from gateway.usage import (
    DEFAULT_DAYS,
    OF_SINGLE,
    Dimension,
    Group,
    Percentiles,
    Report,
    UsageFilter,
    added,
    day_start,
    report_view,
)

Unit = Literal["hour", "day"]
Json = dict[str, Any]

BREAKDOWNS: tuple[Dimension, ...] = ("model", "key", "team", "tag", "provider", "deployment")
HOUR = 3600
_LONGEST_BY_HOUR = 3 * DAY
_ALL = 1_000_000
_MOST_POINTS = 1000
# To rank as many takes some two seconds.
_MOST_RANKED = 200_000
_MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """Attributes:
    unit: What a point stands for.
    points: Of each hour or day from the start to now, also of those without requests.
    total: Of all together.
    timed_since: From when on there are latencies, if that is later than the start; in ISO 8601.
    too_many: Whether that is since there are too many requests to rank, and not since they are
        gone.
    """

    unit: Unit
    points: list[Json]
    total: Json
    timed_since: str | None = None
    too_many: bool = False


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Attributes:
    groups: Those that cost most, as a report has them in JSON.
    more: Whether there are others.
    since: From when on it is known, if that is later than the start; in ISO 8601.
    """

    groups: list[Json]
    more: bool
    since: str | None


async def figures(usage: UsageStore, wanted: UsageFilter) -> Figures:
    """What is wanted, by the hour if that is not long, and by the day otherwise.

    Latencies are those of single requests, which are kept for a while only. By the day, those of
    the last days are ranked, as many as take a moment.

    Raises InvalidField as `UsageStore.report` does.
    """
    now = int(time.time())
    end = (now // DAY + 1) * DAY if wanted.end is None else wanted.end
    start = max(0, end - DEFAULT_DAYS * DAY) if wanted.start is None else wanted.start
    wanted = replace(wanted, start=start, end=end)
    unit: Unit = "hour" if min(end, now) - start <= _LONGEST_BY_HOUR else "day"
    if unit == "hour" or not wanted.of_days:
        found = await usage.report(wanted, (unit,), _ALL, percentiles=True)
        each = {group.values[0]: group.percentiles for group in found.groups}
        return Figures(unit, _points(found, each, now), _measures(found.total))
    found = await usage.report(wanted, ("day",), _ALL)
    kept, ranked = await _since(usage, start), _ranked_since(found)
    since = max(kept, ranked)
    total, times = _measures(found.total), {}
    if since < end:
        of_days, of_all = await usage.percentiles(replace(wanted, start=since), ("day",))
        times = {values[0]: percentiles for values, percentiles in of_days.items()}
        total |= _times(of_all)
    late = timestamp(since) if since > start else None
    return Figures(unit, _points(found, times, now), total, late, ranked > kept)


async def breakdown(usage: UsageStore, wanted: UsageFilter, by: Dimension) -> Breakdown:
    """What is wanted, by one of `BREAKDOWNS`. Raises InvalidField as `UsageStore.report` does."""
    late = None
    if by in OF_SINGLE and wanted.start is not None:
        since = await _since(usage, wanted.start)
        if since > wanted.start:
            late = timestamp(since)
            if wanted.end is not None and since >= wanted.end:
                return Breakdown([], False, late)
            wanted = replace(wanted, start=since)
    found = await usage.report(wanted, (by,), _MOST_LINES)
    view = report_view(found, await usage.names_in(found))
    return Breakdown(view["data"], found.more, late)


def _ranked_since(by_day: Report) -> int:
    """The first of the last days that are ranked: one at least."""
    requests = 0
    for group in reversed(by_day.groups):
        if requests and requests + group.sums.requests > _MOST_RANKED:
            return day_start(group.values[0]) + DAY
        requests += group.sums.requests
    return by_day.start


async def _since(usage: UsageStore, start: int) -> int:
    """The start, or the first midnight from when on all single requests are kept."""
    kept = await usage.kept_since(start)
    return start if kept <= start else -(-kept // DAY) * DAY


def _points(report: Report, times: Mapping[str, Percentiles | None], now: int) -> list[Json]:
    by_hour = report.group_by == ("hour",)
    seconds = HOUR if by_hour else DAY
    sums = {group.values[0]: group.sums for group in report.groups}
    first, last = report.start // seconds, min(report.end - 1, now) // seconds
    if last - first >= _MOST_POINTS and sums:
        # Long before the first request there is nothing to see.
        first = max(first, day_start(min(sums)) // seconds)
    points = []
    for at in range(first * seconds, (last + 1) * seconds, seconds):
        label = timestamp(at) if by_hour else timestamp(at)[:10]
        measures = sums.get(label, added(())).view() | _times(times.get(label))
        # As `start` and `end` of a query take it: a day is part of the time that it ends.
        span = {"start": label, "end": timestamp(at + HOUR) if by_hour else label}
        points.append({"at": at, "label": label} | span | measures)
    return points


def _measures(group: Group) -> Json:
    return group.sums.view() | _times(group.percentiles)


def _times(percentiles: Percentiles | None) -> Json:
    return asdict(percentiles or Percentiles())
