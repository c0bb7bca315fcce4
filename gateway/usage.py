"""The usage: what can be asked of it, and how the answers look, over HTTP and in the CLI.

Over whole days in UTC it comes from the sums by day, which are kept for ever. Anything finer, and
what those do not tell (statuses, outcomes, deployments, end users, percentiles), comes from the
single requests, which are kept for a while.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, Literal, get_args

# pydantic, which describes them, needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway import periods
from gateway.display import timestamp
from gateway.errors import InvalidField
from gateway.moments import moment
from gateway.money import dollars
from gateway.periods import DAY
from gateway.records import LedgerRow, SomeOutcome

Dimension = Literal[
    "day", "hour", "key", "team", "model", "deployment", "provider", "tag", "end_user"
]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
OF_SINGLE: tuple[Dimension, ...] = ("hour", "deployment", "end_user")
"""Those that the sums by day do not have."""
DEFAULT_DAYS = 30

_WHOLE_DAYS = re.compile(r"\d+(d|w|mo)")
# The year 2200: from there on, times have no more use and soon no more representation.
_LAST = 7_258_118_400


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which requests count; what is None does not matter. Empty text stands for having none.

    Attributes:
        start: The first second.
        end: The first second that is out again.
        key_ids: Any of these keys.
        model: The name of the registered model that was meant.
        deployment: Its id. This and what follows is known of single requests alone.
        status: As the caller got it.
        request_id: The caller's id of a request, or the gateway's own.
    """

    start: int | None = None
    end: int | None = None
    key_ids: Sequence[str] | None = None
    team_id: str | None = None
    model: str | None = None
    provider: str | None = None
    tag: str | None = None
    deployment: str | None = None
    status: int | None = None
    outcome: SomeOutcome | None = None
    end_user: str | None = None
    request_id: str | None = None

    @property
    def of_days(self) -> bool:
        """Whether the sums by day can tell."""
        single = (self.deployment, self.status, self.outcome, self.end_user, self.request_id)
        whole = not any(edge % DAY for edge in (self.start, self.end) if edge is not None)
        return whole and not any(each is not None for each in single)


@dataclass(frozen=True, slots=True)
class Sums:
    """What requests add up to. Cost is in nano-dollars."""

    requests: int
    errors: int
    """Those that failed, were refused, cut off or interrupted; not those the caller left."""
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost: int
    latency_ms: int
    """Of all together."""
    estimated: int
    """Requests whose tokens the gateway counted, since the provider did not report them."""
    unpriced: int
    """Requests without a known price, which cost nothing here."""
    cache_hits: int
    """Requests answered from the gateway's cache, which have no tokens and cost nothing."""

    def view(self) -> dict[str, Any]:
        """As JSON. Money is in dollars; the average and the rate of no requests are null."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "error_rate": self.errors / self.requests if self.requests else None,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": dollars(self.cost),
            "latency_avg_ms": round(self.latency_ms / self.requests, 1) if self.requests else None,
            "estimated": self.estimated,
            "unpriced": self.unpriced,
            "cache_hits": self.cache_hits,
        }


def added(each: Iterable[Sums]) -> Sums:
    """What all of them come to together."""
    total = [0] * len(fields(Sums))
    for sums in each:
        total = [sum(pair) for pair in zip(total, astuple(sums), strict=True)]
    return Sums(*total)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Times that half of the requests, and 95 of a hundred, did not exceed; None where there are
    no such requests. First tokens are those of streams."""

    latency_p50_ms: int | None = None
    latency_p95_ms: int | None = None
    first_token_p50_ms: int | None = None
    first_token_p95_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that have the same `values` of what was grouped by, in that order."""

    values: tuple[str, ...]
    sums: Sums
    percentiles: Percentiles | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The usage, in groups.

    A request is in one group; only where tags are grouped by, it is in one for each of its tags
    (``""`` if it has none). `total` counts each request once all the same.
    """

    group_by: tuple[Dimension, ...]
    start: int
    end: int
    groups: Sequence[Group]
    """Those that cost most, by day if that is asked for, and by cost."""
    more: bool
    """Whether groups were left out that cost less."""
    total: Group


@dataclass(frozen=True, slots=True)
class Names:
    """What keys and teams are called, by their ids."""

    keys: Mapping[str, str | None] = field(default_factory=dict)
    teams: Mapping[str, str] = field(default_factory=dict)


class RequestView(TypedDict):
    """One request as JSON. The cost is in dollars, null without a known price."""

    id: str
    object: str
    request_id: str
    started_at: str
    key_id: str
    key_label: str | None
    team_id: str | None
    team_name: str | None
    operation: str
    model: str
    served_model: str | None
    deployment_id: str | None
    provider: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    total_tokens: int
    estimated: bool
    cost: float | None
    latency_ms: int
    first_token_ms: int | None
    status: int
    error: str | None
    outcome: str
    stream: bool
    cache_hit: bool
    end_user: str | None
    tags: list[str]


REQUEST_COLUMNS = tuple(RequestView.__annotations__)


def report_view(report: Report, names: Names) -> dict[str, Any]:
    """A report as JSON."""
    return {
        "object": "list",
        "group_by": list(report.group_by),
        "start": timestamp(report.start),
        "end": timestamp(report.end),
        "data": [
            _labels(report.group_by, group.values, names) | _measures(group)
            for group in report.groups
        ],
        "total": _measures(report.total),
        "has_more": report.more,
    }


def request_view(row: LedgerRow, names: Names) -> RequestView:
    seconds, ms = divmod(row.started_ms, 1000)
    return {
        "id": row.id,
        "object": "usage.request",
        "request_id": row.request_id,
        "started_at": timestamp(seconds).replace("Z", f".{ms:03d}Z"),
        "key_id": row.key_id,
        "key_label": names.keys.get(row.key_id),
        "team_id": row.team_id,
        "team_name": names.teams.get(row.team_id or ""),
        "operation": row.operation,
        "model": row.model,
        "served_model": row.served_model,
        "deployment_id": row.deployment_id,
        "provider": row.provider,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "cached_tokens": row.cached_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "total_tokens": row.prompt_tokens + row.completion_tokens,
        "estimated": row.estimated,
        "cost": None if row.cost is None else dollars(row.cost),
        "latency_ms": row.latency_ms,
        "first_token_ms": row.first_token_ms,
        "status": row.status,
        "error": row.error,
        "outcome": row.outcome,
        "stream": row.stream,
        "cache_hit": row.cache_hit,
        "end_user": row.end_user,
        "tags": list(row.tags),
    }


def group_columns(group_by: Sequence[Dimension]) -> list[str]:
    """What tells the groups of a report apart, by their names in JSON."""
    named = {"key": ["key_id", "key_label"], "team": ["team_id", "team_name"]}
    return [column for name in group_by for column in named.get(name, [name])]


def _labels(
    group_by: Sequence[Dimension], values: Sequence[str], names: Names
) -> dict[str, str | None]:
    labels: dict[str, str | None] = {}
    for dimension, value in zip(group_by, values, strict=True):
        match dimension:
            case "key":
                labels |= {"key_id": value, "key_label": names.keys.get(value)}
            case "team":
                labels |= {"team_id": value, "team_name": names.teams.get(value)}
            case _:
                labels[dimension] = value
    return labels


def _measures(group: Group) -> dict[str, Any]:
    view = group.sums.view()
    if group.percentiles is not None:
        view |= {each.name: getattr(group.percentiles, each.name) for each in fields(Percentiles)}
    return view


def start_time(name: str, text: str, now: int) -> int:
    """The first second that somebody means.

    `7d`, `2w` and `1mo` (30 days) are whole days in UTC, today included; `12h` is so long ago.

    Raises:
        InvalidField: It is no time; `name` is what its field or option is called.

    >>> start_time("start", "7d", 1_000_000) == (1_000_000 // DAY - 6) * DAY
    True
    """
    return _edge(name, text, now, day_is_over=False)


def end_time(name: str, text: str, now: int) -> int:
    """The first second after what somebody means: a day is part of it, to its end.

    `7d` leaves out today and the six days before. Raises InvalidField as `start_time` does.

    >>> end_time("end", "1970-01-01", 0) == DAY
    True
    """
    return _edge(name, text, now, day_is_over=True)


def _edge(name: str, text: str, now: int, day_is_over: bool) -> int:
    text = text.strip()
    try:
        if _WHOLE_DAYS.fullmatch(text):
            found = (now // DAY + 1) * DAY - periods.seconds(text)
        else:
            found = moment(text, now)
            if day_is_over and _is_day(text):
                found += DAY
    except ValueError as error:
        raise InvalidField(f"{name} {error}", param=name) from None
    if not 0 <= found <= _LAST:
        raise InvalidField(f"{name} takes a time from 1970 to 2200", param=name)
    return found


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def day_start(day: str) -> int:
    """Midnight in UTC of a day such as `2026-11-24`, in seconds."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
