"""Copying all of one database into another, of whichever kind the two are.

Rows go by their primary keys, and no order of one database's is asked of the other: PostgreSQL
sorts texts as its locale has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import GatewayError
from gateway.store.database import UNFINISHED, Database, read_json, uncancelled
from gateway.store.dialects import JsonItems, JsonText, storable
from gateway.store.tables import audit, daily, identity, ledger, metadata, stamps

TABLES = tuple(table for table in metadata.tables.values() if table is not identity)
_PAGE = 1000
# Of rows that may hold 500 kB each.
_LARGE_PAGE = 100
# U+0000 in JSON, where the backslash is not itself escaped.
_NULL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

Told = Callable[[str, str, int, int], object]
"""Is told of a table what is done to it, with how many of its rows, and of how many."""
Row = tuple[Any, ...]


class CopyRefused(GatewayError):
    """The two databases are none that can be made equal; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What is in the target now.

    Attributes:
        rows: By table.
        added: How many of them this copying added.
        replaced: How many texts of the source hold U+0000, for which the target, where it is
            PostgreSQL and can hold none, has U+FFFD.
    """

    rows: dict[str, int]
    added: int
    replaced: int


async def copy(source: Database, target: Database, told: Told) -> Copied:
    """Make the target equal to the source, and compare all rows of both.

    Begun again after whatever ended it, it goes on where it was. Until it is done, no gateway
    starts on the target. A target that is such a copy already is only compared.

    Raises:
        CopyRefused: The target holds anything else; or the source changed meanwhile; or the two
            differ in the end.
        DatabaseUnusable: One of them is of another version, or failed.
    """
    name = await source.identity()
    await target.migrate()
    try:
        # All of it is of one moment, whatever becomes of the source.
        async with source.read() as reading:
            copying = _Copying(source, target, reading, told)
            if not await _is_finished(target, name):
                before = await _state(source, reading)
                await copying.run()
                await copying.compare()
                await _check_unchanged(source, before)
                await _name(target, name)
            else:
                await copying.compare()
    except DBAPIError as error:
        raise CopyRefused(f"The copying failed, and can be run again: {error.orig}") from error
    return Copied(await target.rows(), copying.added, copying.replaced)


class _Copying:
    def __init__(
        self, source: Database, target: Database, reading: AsyncConnection, told: Told
    ) -> None:
        self._source, self._target, self._reading, self._told = source, target, reading, told
        self.added = 0
        self.replaced = 0

    async def run(self) -> None:
        for table in TABLES:
            await self._remove_others(_Rows(table))
        for table in TABLES:
            await self._add(_Rows(table))
        async with self._target.append() as writing:
            for table in (ledger, audit):
                last = await self._source.last_position(self._reading, table.name)
                await self._target.go_on_after(writing, table.name, last)

    async def compare(self) -> None:
        """Raises CopyRefused."""
        self.replaced = 0
        for table in TABLES:
            rows = _Rows(table)
            total = await _count(self._reading, table)
            done = 0
            async for page in rows.pages(self._reading):
                wanted = self._storable(rows, page)
                async with self._target.read() as reading:
                    there = await rows.of(reading, wanted)
                if others := [
                    key for key, row in wanted.items() if not rows.same(row, there.get(key))
                ]:
                    raise self._differ(table, f"{len(others)} row(s), the first {others[0]}")
                done += len(page)
                self._told(table.name, "compared", done, total)
            async with self._target.read() as reading:
                count = await _count(reading, table)
            if count != total:
                raise self._differ(table, f"there are {total} rows, and {count} in the copy")

    async def _remove_others(self, rows: _Rows) -> None:
        """What is there of a copying before, and has changed in the source since, or is gone."""
        async with self._target.read() as reading:
            total = await _count(reading, rows.table)
            if not total:
                return
            done = 0
            async for page in rows.pages(reading):
                found = {rows.key(row): row for row in page}
                wanted = self._storable(rows, (await rows.of(self._reading, found)).values())
                gone = [key for key, row in found.items() if not rows.same(row, wanted.get(key))]
                if gone:
                    await self._remove(rows, gone)
                done += len(page)
                self._told(rows.table.name, "looked over", done, total)

    @uncancelled
    async def _remove(self, rows: _Rows, keys: Sequence[Row]) -> None:
        async with self._target.append() as writing:
            await rows.delete(writing, keys)

    async def _add(self, rows: _Rows) -> None:
        total = await _count(self._reading, rows.table)
        done = 0
        async for page in rows.pages(self._reading):
            await self._add_page(rows, self._storable(rows, page))
            done += len(page)
            self._told(rows.table.name, "copied", done, total)

    @uncancelled
    async def _add_page(self, rows: _Rows, wanted: dict[Row, Row]) -> None:
        async with self._target.append() as writing:
            there = await rows.of(writing, wanted)
            if missing := [row for key, row in wanted.items() if key not in there]:
                await rows.insert(writing, missing)
        self.added += len(missing)

    def _storable(self, rows: _Rows, page: Iterable[Row]) -> dict[Row, Row]:
        """Rows of the source as the target can hold them, by their keys."""
        if self._target.holds_null:
            return {rows.key(row): row for row in page}
        found = {}
        for row in page:
            kept, replaced = rows.without_null(row)
            self.replaced += replaced
            found[rows.key(kept)] = kept
        return found

    def _differ(self, table: Table, what: str) -> CopyRefused:
        return CopyRefused(
            f"{self._target.shown} is no copy of {self._source.shown}: in the table {table.name}, "
            f"{what}. Either has changed since; to copy again, name an empty database"
        )


class _Rows:
    """How a table's rows are read, written and compared: as tuples of all columns."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._key = tuple(table.primary_key.columns)
        self._places = [list(table.c).index(each) for each in self._key]
        self._json = [place for place, each in enumerate(table.c) if isinstance(each.type, JSON)]
        # Tags are a part of this one's key, so that they are a text.
        self._texts = [
            (place, place in self._json or each is daily.c.tags)
            for place, each in enumerate(table.c)
            if isinstance(each.type, String | JSON)
        ]
        # To the letter.
        self._columns: list[ColumnElement[Any]] = [
            JsonText(each).label(each.name) if isinstance(each.type, JSON) else each
            for each in table.c
        ]
        large = any(isinstance(each.type, Text) for each in table.c)
        self._page = _LARGE_PAGE if large else _PAGE

    def key(self, row: Row) -> Row:
        return tuple(row[place] for place in self._places)

    async def pages(self, connection: AsyncConnection) -> AsyncIterator[list[Row]]:
        """All rows, in the order that the database has for their keys."""
        query = select(*self._columns).order_by(*self._key).limit(self._page)
        page = await self._read(connection, query)
        while page:
            yield page
            later = tuple_(*self._key) > self.key(page[-1])
            page = await self._read(connection, query.where(later))

    async def of(self, connection: AsyncConnection, keys: Iterable[Row]) -> dict[Row, Row]:
        """Those of the rows that are there, by their keys."""
        given = bindparam(None, json.dumps(list(keys)), String)
        each = JsonItems(given).table_valued(column("value", JSON), name="each")
        met = [
            wanted == (cast(item, BigInteger) if isinstance(wanted.type, BigInteger) else item)
            for wanted, item in (
                (wanted, each.c.value[place].as_string()) for place, wanted in enumerate(self._key)
            )
        ]
        query = select(*self._columns).select_from(each.join(self.table, and_(*met)))
        return {self.key(row): row for row in await self._read(connection, query)}

    async def insert(self, connection: AsyncConnection, rows: Iterable[Row]) -> None:
        names = list(self.table.c.keys())
        statement = insert(self.table).inline()
        compiled = statement.compile(dialect=connection.dialect, column_keys=names)
        places = [names.index(name) for name in compiled.positiontup or []]
        parameters = [tuple(row[place] for place in places) for row in rows]
        await connection.exec_driver_sql(str(compiled), parameters)

    async def delete(self, connection: AsyncConnection, keys: Iterable[Row]) -> None:
        met = [each == bindparam(f"key_{place}") for place, each in enumerate(self._key)]
        await connection.execute(
            delete(self.table).where(*met),
            [{f"key_{place}": value for place, value in enumerate(key)} for key in keys],
        )

    def same(self, row: Row, other: Row | None) -> bool:
        if row == other or other is None:
            return row == other
        return all(
            # SQLite keeps a number that stands alone as one, and 1.0 as 1.
            mine == theirs
            or (place in self._json and mine and theirs and read_json(mine) == read_json(theirs))
            for place, (mine, theirs) in enumerate(zip(row, other, strict=True))
        )

    def without_null(self, row: Row) -> tuple[Row, int]:
        """The row without U+0000, and how many of its texts had one."""
        replaced = {
            place: storable(_NULL_IN_JSON.sub(r"\1\\ufffd", row[place]) if is_json else row[place])
            for place, is_json in self._texts
            if row[place] and ("\0" in row[place] or (is_json and "\\u0000" in row[place]))
        }
        if not replaced:
            return row, 0
        kept = tuple(replaced.get(place, value) for place, value in enumerate(row))
        return kept, sum(replaced[place] != row[place] for place in replaced)

    async def _read(self, connection: AsyncConnection, query: Select[Any]) -> list[Row]:
        rows = [tuple(row) for row in await connection.execute(query)]
        if not self._json:
            return rows
        return [self._with_json(row) for row in rows]

    def _with_json(self, row: Row) -> Row:
        if not any(isinstance(row[place], int | float) for place in self._json):
            return row
        return tuple(
            json.dumps(value) if place in self._json and isinstance(value, int | float) else value
            for place, value in enumerate(row)
        )


async def _is_finished(target: Database, name: str) -> bool:
    """Whether it is a whole copy of the database of this name. An empty one is made a begun one.

    Raises:
        CopyRefused: It is anything else.
    """
    async with target.read() as reading:
        found = await reading.scalar(select(identity.c.id))
        used = await reading.scalar(select(func.max(stamps.c.value))) or any(
            [await _count(reading, table) for table in TABLES if table is not stamps]
        )
    if found in (name, UNFINISHED + name):
        return bool(found == name)
    if used:
        raise CopyRefused(
            f"{target.shown} holds the data of another gateway, which is left as it is: name an "
            "empty database to copy to"
        )
    await _name(target, UNFINISHED + name)
    return False


@uncancelled
async def _name(target: Database, name: str) -> None:
    async with target.append() as writing:
        await writing.execute(update(identity).values(id=name))


async def _state(source: Database, reading: AsyncConnection) -> list[Any]:
    """What is another once anything was added or removed, or a key, model or setting changed."""
    return [
        [await _count(reading, table) for table in TABLES],
        sorted(map(tuple, await reading.execute(select(stamps)))),
        [await source.last_position(reading, table.name) for table in (ledger, audit)],
    ]


async def _check_unchanged(source: Database, before: list[Any]) -> None:
    """Raises CopyRefused."""
    async with source.read() as reading:
        after = await _state(source, reading)
    if after != before:
        raise CopyRefused(
            f"{source.shown} changed while it was copied: stop the gateways that run on it, and do "
            "the same again, which copies what is new"
        )


async def _count(reading: AsyncConnection, table: Table) -> int:
    return await reading.scalar(select(func.count()).select_from(table)) or 0
