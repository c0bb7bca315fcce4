"""How usage looks on a terminal: money, tables, bars."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from gateway.display import timestamp
from gateway.money import money
from gateway.records import LedgerRow
from gateway.usage import Dimension, Group, Names, Report

# Piped output is not cut to the width of a terminal that is not there.
_PIPED_WIDTH = 200
_EIGHTHS = "▏▎▍▌▋▊▉"
_MOST_BARS = 31
_SHORTEST_BAR = 10


def printable(text: str) -> str:
    """The text with control characters, and others that are invisible, as escapes.

    >>> printable("a\\x1b[31m")
    'a\\\\x1b[31m'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def print_report(report: Report, names: Names) -> None:
    """A table with a row for each group, and one of the totals."""
    titles = [name.upper().replace("_", " ") for name in report.group_by]
    rows = [
        [
            *(_label(*each, names) for each in zip(report.group_by, group.values, strict=True)),
            *_measures(group).values(),
        ]
        for group in report.groups
    ]
    measures = _measures(report.total)
    total = ["TOTAL", *[""] * len(titles)][: len(titles)] + list(measures.values())
    _print_grid([*titles, *measures], rows if titles else [], total, len(titles))


def _label(dimension: Dimension, value: str, names: Names) -> str:
    match dimension:
        case "key":
            value = names.keys.get(value) or value
        case "team":
            value = names.teams.get(value) or value
    return printable(value) if value else "(none)"


def _measures(group: Group) -> dict[str, str]:
    """What a group adds up to, by the columns' titles."""
    sums = group.sums
    shown = {
        "REQUESTS": f"{sums.requests:,}",
        "ERRORS": f"{sums.errors:,}",
        "HITS": f"{sums.cache_hits:,}",
        "PROMPT": f"{sums.prompt_tokens:,}",
        "CACHED": f"{sums.cached_tokens:,}",
        "COMPLETION": f"{sums.completion_tokens:,}",
        "COST": money(sums.cost),
        "AVG MS": f"{sums.latency_ms / sums.requests:,.0f}" if sums.requests else "-",
    }
    if group.percentiles is not None:
        of = group.percentiles
        shown |= {
            "P50 MS": _number(of.latency_p50_ms),
            "P95 MS": _number(of.latency_p95_ms),
            "FIRST P50": _number(of.first_token_p50_ms),
            "FIRST P95": _number(of.first_token_p95_ms),
        }
    return shown


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def print_requests(rows: Sequence[LedgerRow], names: Names) -> None:
    """A table with a row for each request."""
    titles = ["WHEN", "KEY", "MODEL", "OUTCOME", "ID",
              "STATUS", "PROMPT", "COMPLETION", "COST", "MS", "FIRST MS"]  # fmt: skip
    _print_grid(titles, [_cells(row, names) for row in rows], None, 5)


def _cells(row: LedgerRow, names: Names) -> list[str]:
    return [
        timestamp(row.started_ms // 1000),
        printable(names.keys.get(row.key_id) or row.key_id),
        printable(row.model),
        _outcome(row),
        printable(row.id),
        str(row.status),
        f"{row.prompt_tokens:,}",
        f"{row.completion_tokens:,}",
        "-" if row.cost is None else money(row.cost),
        f"{row.latency_ms:,}",
        _number(row.first_token_ms),
    ]


def _outcome(row: LedgerRow) -> str:
    outcome = f"{row.outcome}, from the cache" if row.cache_hit else row.outcome
    return outcome if row.error is None else f"{outcome}: {printable(row.error)}"


def request_line(row: LedgerRow, names: Names) -> str:
    """One request on one line."""
    when, key, model, outcome, request_id, status, prompt, completion, cost, ms, _ = _cells(
        row, names
    )
    return (
        f"{when}  {status}  {key:<16}  {model:<24}  {prompt:>8} + {completion:<7} {cost:>10}  "
        f"{ms:>7} ms  {outcome}  {request_id}"
    )


def _print_grid(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    total: Sequence[str] | None,
    text_columns: int,
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False, show_footer=total is not None)
    for position, title in enumerate(titles):
        table.add_column(
            title,
            # Text: a name is not to be read as rich's markup.
            footer=Text(total[position] if total else ""),
            justify="left" if position < text_columns else "right",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)


def chart(by_day: Report, now: int) -> list[str]:
    """A bar for each day, week or month, whichever gives no more than a month's days.

    The bars are of cost, or of requests where nothing has a price.
    """
    of_cost = by_day.total.sums.cost > 0
    amounts = {
        date.fromisoformat(group.values[0]): group.sums.cost if of_cost else group.sums.requests
        for group in by_day.groups
    }
    if not amounts:
        return []
    first = date.fromisoformat(timestamp(by_day.start)[:10])
    last = date.fromisoformat(timestamp(min(by_day.end - 1, now))[:10])
    # Time without any usage before the first of it tells nothing.
    unit, bars = _bars(amounts, max(first, min(amounts)), max(last, max(amounts)))
    shown: Callable[[int], str] = money if of_cost else "{:,}".format
    lines = [f"{'Cost' if of_cost else 'Requests'} by {unit}"]
    return lines + list(_drawn(bars, shown))


def _bars(amounts: Mapping[date, int], first: date, last: date) -> tuple[str, dict[str, int]]:
    """The amounts by the name of a bar, with all that lie between, and what a bar stands for."""
    units: dict[str, Callable[[date], str]] = {
        "day": date.isoformat,
        "week": lambda day: (day - timedelta(days=day.weekday())).isoformat(),
        "month": lambda day: f"{day:%Y-%m}",
    }
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    fitting = (unit for unit, bar in units.items() if len(set(map(bar, days))) <= _MOST_BARS)
    unit = next(fitting, "month")
    bars = dict.fromkeys(map(units[unit], days), 0)
    for day, amount in amounts.items():
        bars[units[unit](day)] += amount
    return unit, bars


def _drawn(bars: Mapping[str, int], shown: Callable[[int], str]) -> Iterator[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPED_WIDTH // 2
    texts = {name: shown(amount) for name, amount in bars.items()}
    beside = max(map(len, bars)) + max(map(len, texts.values())) + 2
    longest = max(_SHORTEST_BAR, width - beside)
    most = max(bars.values()) or 1
    for name, amount in bars.items():
        # What is not nothing shows.
        eighths = max(1, amount * longest * 8 // most) if amount else 0
        yield " ".join(part for part in (name, _bar(eighths), texts[name]) if part)


def _bar(eighths: int) -> str:
    whole, rest = divmod(eighths, 8)
    bar = "█" * whole + (_EIGHTHS[rest - 1] if rest else "")
    try:
        bar.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * -(-eighths // 8)
    return bar
