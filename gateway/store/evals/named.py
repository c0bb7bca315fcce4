"""Evaluators and suites, as rows: small things with a name of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, Select, Table, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, NotFound
from gateway.evals.records import Evaluator, Gate, Suite
from gateway.records import Actor
from gateway.store.audit import note
from gateway.store.database import Database, uncancelled
from gateway.store.tables import eval_evaluators, eval_suites

T = TypeVar("T", Evaluator, Suite)


def named(table: Table, name: str) -> Select[Any]:
    """The row with this name or, where none has it, with this id."""
    found = select(table).where(or_(table.c.name == name, table.c.id == name))
    return found.order_by((table.c.name == name).desc()).limit(1)


def suites_with(connection: Connection) -> Iterator[Suite]:
    """Every suite, within a transaction."""
    return map(_suite, connection.execute(select(eval_suites)))


class _Named(Generic[T]):
    """Things of one kind, each named by its name or its id."""

    def __init__(
        self, database: Database, kind: str, table: Table, read: Callable[[Row[Any]], T]
    ) -> None:
        self._database = database
        self._kind = kind
        self._table = table
        self._read: Callable[[Row[Any]], T] = read

    async def all(self) -> list[T]:
        """Every one of them, by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(self._table).order_by(self._table.c.name))
            return [self._read(row) for row in rows]

    async def get(self, name: str) -> T:
        """Raises NotFound."""
        async with self._database.read() as connection:
            return await self._find(connection, name)

    @uncancelled
    async def add(self, thing: T, by: Actor) -> None:
        """Raises Conflict where the name is taken."""
        try:
            async with self._database.append() as connection:
                await connection.execute(insert(self._table).values(asdict(thing)))
                target = thing.id, thing.name
                await note(connection, by, f"{self._kind}.add", target, None, _view(thing))
        except IntegrityError:
            raise self._taken(thing) from None

    @uncancelled
    async def change(self, name: str, change: Callable[[T], T], by: Actor) -> T:
        """Store what `change` makes of one, with no other write in between; return it.

        Raises:
            NotFound, what `change` raises.
            Conflict: The new name is taken, or the old one is what a suite has.
        """
        async with self._database.append() as connection:
            old = await self._find(connection, name)
            new = change(old)
            if new.name != old.name:
                await self._refuse_used(connection, old.name, "renamed")
            if _same(old, new):
                return old
            stored = update(self._table).where(self._table.c.id == old.id)
            try:
                await connection.execute(stored.values(asdict(new)))
            except IntegrityError:
                raise self._taken(new) from None
            views = _view(old), _view(new)
            await note(connection, by, f"{self._kind}.update", (new.id, new.name), *views)
        return new

    @uncancelled
    async def remove(self, name: str, by: Actor) -> T:
        """Raises NotFound; Conflict as long as a suite has it. What runs have of it stays."""
        async with self._database.append() as connection:
            old = await self._find(connection, name)
            await self._refuse_used(connection, old.name, "removed")
            await connection.execute(delete(self._table).where(self._table.c.id == old.id))
            target = old.id, old.name
            await note(connection, by, f"{self._kind}.remove", target, _view(old), None)
        return old

    async def _find(self, connection: AsyncConnection, name: str) -> T:
        row = (await connection.execute(named(self._table, name))).first()
        if row is None:
            raise NotFound(f"No {self._kind} is called {name!r}", param=self._kind)
        return self._read(row)

    async def _refuse_used(self, connection: AsyncConnection, name: str, what: str) -> None:
        """Raises Conflict where a suite has the thing of this name."""

    def _taken(self, thing: T) -> Conflict:
        return Conflict(f"Another {self._kind} is called {thing.name!r}", param="name")


class Evaluators(_Named[Evaluator]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "evaluator", eval_evaluators, _evaluator)

    async def _refuse_used(self, connection: AsyncConnection, name: str, what: str) -> None:
        rows = await connection.execute(select(eval_suites))
        users = [suite.name for suite in map(_suite, rows) if name in suite.evaluators]
        if users:
            raise Conflict(
                f"The evaluator {name!r} cannot be {what}: the suite {users[0]!r} has it; change "
                "that suite first",
                param="name",
            )


class Suites(_Named[Suite]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, "suite", eval_suites, _suite)


def _evaluator(row: Row[Any]) -> Evaluator:
    return Evaluator(**row._mapping)


def _suite(row: Row[Any]) -> Suite:
    values = dict(row._mapping)
    for name in ("models", "evaluators", "messages"):
        values[name] = tuple(values[name])
    return Suite(**values | {"gate": gate(values["gate"])})


def gate(values: dict[str, Any] | None) -> Gate | None:
    """What a run must reach, out of a row."""
    return None if values is None else Gate(**values)


def _view(thing: Evaluator | Suite) -> dict[str, Any]:
    """For the audit log."""
    return {
        name: value
        for name, value in asdict(thing).items()
        if name not in ("id", "created_at", "updated_at")
    }


def _same(old: T, new: T) -> bool:
    # As JSON, in which 1 and true are not the same.
    before, after = (json.dumps(asdict(replace(each, updated_at=0))) for each in (old, new))
    return before == after
