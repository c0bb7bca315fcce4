"""Lengths of time as LiteLLM writes them (`30s`, `5m`, `12h`, `7d`, `1w`, `1mo`), and the budget
periods of such lengths.

A period is fixed in UTC and follows from its length alone, so that a gateway that was down for a
while knows at once in which one it is. The rules are LiteLLM's
(litellm_core_utils/duration_parser.py) where that has one:

- `1d` begins at midnight, `7d` and `1w` on Monday, `30d` and `1mo` on the first of the month.
- Several months or weeks are counted from 1970, any other number of days from the day on which
  the budget's owner was made.
- Hours, minutes and seconds are counted from midnight of 1970-01-01.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

DAY = 86400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "mo": 30 * DAY}
DURATION = re.compile(r"([1-9][0-9]{0,6})(s|mo|m|h|d|w)")
_LONGEST = 100 * 365 * DAY
# 1970-01-05, the first Monday.
_MONDAY = 4 * DAY


def seconds(duration: str) -> int:
    """How long that is; a month counts as 30 days.

    Raises:
        ValueError: It is no length of time, or one of more than a hundred years.

    >>> seconds("12h")
    43200
    """
    number, unit = _parse(duration)
    return number * _SECONDS[unit]


def check_period(duration: str) -> None:
    """Refuse a length that no budget period can have.

    Raises:
        ValueError: It is no length of time, or longer than a day and not in whole days.
    """
    _, unit = _parse(duration)
    if unit in "smh" and (length := seconds(duration)) > DAY and length % DAY:
        raise ValueError("takes whole days where it is longer than one, such as 2d")


def period_start(duration: str, made_at: int, now: int) -> int:
    """When the period began that `now` is in, for an owner made at `made_at`; all in seconds."""
    number, unit = _normal(duration)
    if unit == "mo":
        moment = datetime.fromtimestamp(now, UTC)
        return _first_of(_month(moment) // number * number)
    length = number * _SECONDS[unit]
    origin = 0
    if unit == "w":
        origin = _MONDAY
    elif unit == "d" and number > 1:
        origin = made_at // DAY * DAY
    return origin + (now - origin) // length * length


def period_end(duration: str, made_at: int, now: int) -> int:
    """When the next period begins."""
    number, unit = _normal(duration)
    start = period_start(duration, made_at, now)
    if unit != "mo":
        return start + number * _SECONDS[unit]
    return _first_of(_month(datetime.fromtimestamp(start, UTC)) + number)


def _month(moment: datetime) -> int:
    """Counted from January 1970."""
    return (moment.year - 1970) * 12 + moment.month - 1


def _first_of(month: int) -> int:
    return int(datetime(1970 + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp())


@lru_cache(1000)
def _normal(duration: str) -> tuple[int, str]:
    number, unit = _parse(duration)
    return {(30, "d"): (1, "mo"), (7, "d"): (1, "w")}.get((number, unit), (number, unit))


def _parse(duration: str) -> tuple[int, str]:
    found = DURATION.fullmatch(duration)
    if not found:
        raise ValueError("takes a length of time such as 30s, 5m, 12h, 7d, 1w or 1mo")
    number, unit = int(found[1]), found[2]
    if number * _SECONDS[unit] > _LONGEST:
        raise ValueError("is longer than a hundred years")
    return number, unit
