"""How values look on pages: filters of the templates."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from markupsafe import Markup

from gateway.evals import figures
from gateway.evals.records import Case
from gateway.evals.reports.text import as_text, cut, input_text, printable
from gateway.money import money, nano_dollars

NOTHING = "–"
_MOST_TEXT = 4000


def count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def dollars(amount: float | None) -> str:
    """Of dollars, as the gateway's JSON has them."""
    return NOTHING if amount is None else money(nano_dollars(amount))


def percent(rate: float | None) -> str:
    """
    >>> percent(0.1234), percent(1.0), percent(0.00001)
    ('12.3%', '100%', '<0.1%')
    """
    if rate is None:
        return NOTHING
    if 0 < rate < 0.001:
        return "<0.1%"
    return f"{rate:.1%}".replace(".0%", "%")


def duration(ms: float | None) -> str:
    return NOTHING if ms is None else figures.duration(ms)


def moment(value: str | int | None) -> Markup | str:
    """A time, given in ISO 8601 or in seconds: to the minute, to the second as a hint.

    A script writes it in the reader's own zone, where there are scripts.
    """
    return _time(value, "%Y-%m-%d %H:%M", Markup())


def second(value: str | int | None) -> Markup | str:
    """Likewise, to the second."""
    return _time(value, "%Y-%m-%d %H:%M:%S", Markup(" data-seconds"))


def utc(value: int) -> str:
    """A time in seconds, where there may be text alone."""
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _time(value: str | int | None, pattern: str, more: Markup) -> Markup | str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, int):
        at = datetime.fromtimestamp(value, UTC)
    else:
        at = datetime.fromisoformat(value).astimezone(UTC)
    iso = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    time = Markup('<time datetime="{0}" title="{0}"{1}>{2} UTC</time>')
    return time.format(iso, more, at.strftime(pattern))


def day(text: str) -> str:
    """What a field for a day shows of a time: nothing, if it is no day.

    >>> day("2026-11-24"), day("24h")
    ('2026-11-24', '')
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def told(value: Any) -> str:
    """What a model or a dataset says: text, or other values as JSON; cut where it is long."""
    return printable(cut(as_text(value), _MOST_TEXT))


def question(case: Case) -> str:
    """A case's input, likewise."""
    return printable(cut(input_text(case), _MOST_TEXT))


FILTERS: Mapping[str, Callable[..., Any]] = {
    "chance": figures.chance,
    "count": count,
    "day": day,
    "dollars": dollars,
    "money": money,
    "percent": percent,
    "points": figures.points,
    "told": told,
    "utc": utc,
    "question": question,
    "duration": duration,
    "moment": moment,
    "second": second,
    "shell": shlex.quote,
}
