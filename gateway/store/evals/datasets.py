"""Datasets, as rows. A change makes a new version; one that a run was made with stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, NotFound
from gateway.evals.records import Case, Dataset, DatasetHead
from gateway.records import Actor
from gateway.store.audit import noting
from gateway.store.database import Database, uncancelled
from gateway.store.evals.cases import drop_cases, get_cases, parsed, put_cases, read_cases
from gateway.store.evals.named import named, suites_with
from gateway.store.tables import eval_cases, eval_datasets


class Datasets:
    """A dataset is named by its name or its id. All writing is done in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[DatasetHead]:
        """Every dataset, by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(eval_datasets).order_by(eval_datasets.c.name))
            return [_head(row) for row in rows]

    async def head(self, name: str) -> DatasetHead:
        """Raises NotFound."""
        async with self._database.read() as connection:
            row = (await connection.execute(named(eval_datasets, name))).first()
        return _found(row, name)

    async def get(self, name: str) -> Dataset:
        """A dataset with all of its cases. Raises NotFound."""
        head = await self.head(name)
        return _dataset(head, await read_cases(self._database, head.version))

    async def page(
        self, name: str, limit: int, after: int = -1
    ) -> tuple[DatasetHead, list[tuple[int, Case]], bool]:
        """Up to `limit` cases past a position, each with its own, and whether there are more.

        Raises NotFound.
        """
        head = await self.head(name)
        query = (
            select(eval_cases.c.position, eval_cases.c.case_id, eval_cases.c.content)
            .where(eval_cases.c.version == head.version, eval_cases.c.position > after)
            .order_by(eval_cases.c.position)
            .limit(limit + 1)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        positions = [row.position for row in rows]
        cases = parsed((row.case_id, row.content) for row in rows)
        return head, list(zip(positions, cases, strict=True))[:limit], len(rows) > limit

    @uncancelled
    async def add(self, dataset: Dataset, by: Actor) -> None:
        """Raises Conflict where the name is taken."""

        def work(connection: Connection) -> None:
            put_cases(connection, dataset.version, dataset.cases)
            connection.execute(insert(eval_datasets).values(_values(dataset)))
            target = dataset.id, dataset.name
            connection.execute(noting(by, "dataset.add", target, None, _view(dataset)))

        try:
            await self._database.append_in_thread(work)
        except IntegrityError:
            raise _taken(dataset.name) from None

    @uncancelled
    async def change(self, name: str, change: Callable[[Dataset], Dataset], by: Actor) -> Dataset:
        """Store what `change` makes of a dataset, with no other write in between; return it.

        Raises:
            NotFound, what `change` raises.
            Conflict: The new name is taken, or the old one is what a suite has.
        """

        def work(connection: Connection) -> Dataset:
            head = _found(connection.execute(named(eval_datasets, name)).first(), name)
            old = _dataset(head, get_cases(connection, head.version))
            new = change(old)
            if new.name != old.name:
                _refuse_used(connection, old.name, "renamed")
            if _view(new) == _view(old):
                return old
            put_cases(connection, new.version, new.cases)
            stored = update(eval_datasets).where(eval_datasets.c.id == old.id)
            try:
                connection.execute(stored.values(_values(new)))
            except IntegrityError:
                raise _taken(new.name) from None
            drop_cases(connection, old.version)
            target = new.id, new.name
            connection.execute(noting(by, "dataset.update", target, _view(old), _view(new)))
            return new

        return await self._database.append_in_thread(work)

    @uncancelled
    async def remove(self, name: str, by: Actor) -> DatasetHead:
        """Raises NotFound; Conflict as long as a suite has it. What runs have of it stays."""

        def work(connection: Connection) -> DatasetHead:
            head = _found(connection.execute(named(eval_datasets, name)).first(), name)
            _refuse_used(connection, head.name, "removed")
            connection.execute(delete(eval_datasets).where(eval_datasets.c.id == head.id))
            drop_cases(connection, head.version)
            view = _view(_dataset(head, ())) | {"size": head.size}
            target = head.id, head.name
            connection.execute(noting(by, "dataset.remove", target, view, None))
            return head

        return await self._database.append_in_thread(work)


def _refuse_used(connection: Connection, name: str, what: str) -> None:
    users = [suite.name for suite in suites_with(connection) if suite.dataset == name]
    if users:
        raise Conflict(
            f"The dataset {name!r} cannot be {what}: the suite {users[0]!r} has it; change that "
            "suite first",
            param="name",
        )


def _values(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "description": dataset.description,
        "version": dataset.version,
        "size": len(dataset.cases),
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
    }


def _view(dataset: Dataset) -> dict[str, Any]:
    """For the audit log."""
    values = _values(dataset)
    return {name: values[name] for name in ("name", "description", "version", "size")}


def _head(row: Row[Any]) -> DatasetHead:
    return DatasetHead(**row._mapping)


def _found(row: Row[Any] | None, name: str) -> DatasetHead:
    if row is None:
        raise NotFound(f"No dataset is called {name!r}", param="dataset")
    return _head(row)


def _dataset(head: DatasetHead, cases: tuple[Case, ...]) -> Dataset:
    return Dataset(
        head.id,
        head.name,
        head.description,
        cases,
        head.version,
        head.created_at,
        head.updated_at,
    )


def _taken(name: str) -> Conflict:
    return Conflict(f"Another dataset is called {name!r}", param="name")
