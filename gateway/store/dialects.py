"""What SQLite and PostgreSQL spell differently, and what one of them cannot hold."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class JsonTexts(FunctionElement[str]):
    """The texts of a JSON array, each a row; to be given as JSON or as a text."""

    inherit_cache = True


class JsonItems(FunctionElement[Any]):
    """The items of a JSON array as JSON, each a row; to be given as a text."""

    inherit_cache = True


class JsonText(FunctionElement[Any]):
    """A column's JSON as it was written; with SQLite, a number that stands alone is one."""

    type = String()
    inherit_cache = True


class JsonLength(FunctionElement[int]):
    """How many items a JSON array has; to be given as JSON or as a text."""

    type = BigInteger()
    inherit_cache = True


class UtcDay(FunctionElement[str]):
    """The day in UTC of a time in milliseconds: `2026-11-24`."""

    type = String()
    inherit_cache = True


class UtcHour(FunctionElement[str]):
    """The hour in UTC of a time in milliseconds: `2026-11-24T13:00:00Z`."""

    type = String()
    inherit_cache = True


_SPELLINGS: dict[type[FunctionElement[Any]], tuple[str, str]] = {
    JsonTexts: ("json_each({})", "json_array_elements_text(CAST({} AS json))"),
    JsonItems: ("json_each({})", "json_array_elements(CAST({} AS json))"),
    JsonText: ("{}", "CAST({} AS text)"),
    JsonLength: ("json_array_length({})", "json_array_length(CAST({} AS json))"),
    UtcDay: (
        "strftime('%Y-%m-%d', {} / 1000, 'unixepoch')",
        "to_char(to_timestamp({} / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    ),
    UtcHour: (
        "strftime('%Y-%m-%dT%H:00:00Z', {} / 1000, 'unixepoch')",
        """to_char(to_timestamp({} / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24":00:00Z"')""",
    ),
}


def _spelled(position: int) -> Any:
    def compiled(element: FunctionElement[Any], compiler: SQLCompiler, **named: Any) -> str:
        spelling = _SPELLINGS[type(element)][position]
        return spelling.format(compiler.process(element.clauses, **named))

    return compiled


for _kind in _SPELLINGS:
    compiles(_kind, "sqlite")(_spelled(0))
    compiles(_kind, "postgresql")(_spelled(1))


def total(values: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum of whole numbers, of none 0; PostgreSQL's own is of a type without bounds."""
    return cast(func.coalesce(func.sum(values), 0), BigInteger)


def storable(text: str) -> str:
    """The text without U+0000, which no text of PostgreSQL's holds, nor one that it reads out of
    JSON."""
    return text.replace("\0", "\ufffd")
