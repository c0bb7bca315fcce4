"""What SQLite and PostgreSQL spell differently, and what one of them cannot hold."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, ColumnElement, String, cast, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Spelled(FunctionElement[Any]):
    """A function, in the words of each; what it is given takes the place of `{}`."""

    sqlite: ClassVar[str]
    postgresql: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # SQLAlchemy asks each class for its own word that nothing of it is missing in cache keys.
        cls.inherit_cache = True


@compiles(_Spelled)
def _(element: _Spelled, compiler: SQLCompiler, **named: Any) -> str:
    spelling: str = getattr(element, compiler.dialect.name)
    return spelling.format(compiler.process(element.clauses, **named))


class JsonTexts(_Spelled):
    """The texts of a JSON array, each a row; to be given as JSON or as a text."""

    sqlite = "json_each({})"
    postgresql = "json_array_elements_text(CAST({} AS json))"


class JsonItems(_Spelled):
    """The items of a JSON array as JSON, each a row; to be given as a text."""

    sqlite = "json_each({})"
    postgresql = "json_array_elements(CAST({} AS json))"


class JsonText(_Spelled):
    """A column's JSON as it was written; with SQLite, a number that stands alone is one."""

    type = String()
    sqlite = "{}"
    postgresql = "CAST({} AS text)"


class JsonLength(_Spelled):
    """How many items a JSON array has; to be given as JSON or as a text."""

    type = BigInteger()
    sqlite = "json_array_length({})"
    postgresql = "json_array_length(CAST({} AS json))"


class UtcDay(_Spelled):
    """The day in UTC of a time in milliseconds: `2026-11-24`."""

    type = String()
    sqlite = "strftime('%Y-%m-%d', {} / 1000, 'unixepoch')"
    postgresql = "to_char(to_timestamp({} / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


class UtcHour(_Spelled):
    """The hour in UTC of a time in milliseconds: `2026-11-24T13:00:00Z`."""

    type = String()
    sqlite = "strftime('%Y-%m-%dT%H:00:00Z', {} / 1000, 'unixepoch')"
    postgresql = (
        """to_char(to_timestamp({} / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24":00:00Z"')"""
    )


def total(values: ColumnElement[Any]) -> ColumnElement[int]:
    """The sum of whole numbers, of none 0; PostgreSQL's own is of a type without bounds."""
    return cast(func.coalesce(func.sum(values), 0), BigInteger)


def storable(text: str) -> str:
    """The text without U+0000, which no text of PostgreSQL's holds, nor one that it reads out of
    JSON."""
    return text.replace("\0", "\ufffd")
