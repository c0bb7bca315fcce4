"""What commands share: exit codes, tables, JSON, and the way to the store."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.records import Actor
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store import Store

FAILED = 1
INVALID = 2
MISSING = 3
PROBLEM = 4

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def with_store(context: typer.Context, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the database that the command is about."""
    from gateway.store import Store

    settings: Settings = context.obj

    async def run() -> T:
        async with Store.open(settings) as store:
            return await work(store)

    return asyncio.run(run())


def operator() -> Actor:
    """Whoever runs the command, for the audit log."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        account = None
    return Actor("cli", account)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table on stdout; where there is no row, `empty` says on stderr what to do about it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text: a name is not to be read as rich's markup.
        table.add_row(*(Text("-" if cell is None else visible(str(cell), "\n")) for cell in row))
    if table.row_count:
        # Piped output is not cut to the width of a terminal that is not there.
        Console(width=None if sys.stdout.isatty() else 200).print(table)
    else:
        note(empty)


def visible(text: str, allowed: str = "") -> str:
    """The text with an escape for what a terminal would act on: callers choose some of it."""
    return "".join(
        each if each.isprintable() or each in allowed else each.encode("unicode_escape").decode()
        for each in text
    )


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One thing, a field a line."""
    shown = [(name, value) for name, value in fields if value not in (None, {}, [], "")]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text = visible(text)
        print(f"{name:<{width}}  {text}")


def note(text: str) -> None:
    """Something for the person, not for a pipe."""
    print(text, file=sys.stderr)
