"""The cases of datasets, by the version that they make: versions never change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, delete, exists, insert, select

from gateway.evals.records import Case
from gateway.store.database import Database
from gateway.store.tables import eval_cases, eval_datasets, eval_runs

Row = tuple[str, str]
"""A case's id and its content."""


def put_cases(connection: Connection, version: str, cases: Sequence[Case]) -> None:
    """Store a version's cases, unless they are there."""
    known = select(eval_cases.c.position).where(eval_cases.c.version == version).limit(1)
    if cases and connection.scalar(known) is None:
        connection.execute(
            insert(eval_cases),
            [
                {
                    "version": version,
                    "position": position,
                    "case_id": case.id,
                    "content": _content(case),
                }
                for position, case in enumerate(cases)
            ],
        )


def drop_cases(connection: Connection, version: str) -> None:
    """Delete a version's cases, unless a dataset or a run has that version."""
    needed = exists().where(eval_datasets.c.version == version)
    needed_by_run = exists().where(eval_runs.c.dataset_version == version)
    unused = delete(eval_cases).where(eval_cases.c.version == version, ~needed, ~needed_by_run)
    connection.execute(unused)


def get_cases(connection: Connection, version: str) -> tuple[Case, ...]:
    """A version's cases, in their order."""
    return parsed(map(tuple, connection.execute(_of_version(version))))


async def read_cases(database: Database, version: str) -> tuple[Case, ...]:
    """A version's cases, in their order."""
    async with database.read() as connection:
        rows = (await connection.execute(_of_version(version))).all()
    # A hundred thousand take half a second.
    return await asyncio.to_thread(parsed, map(tuple, rows))


def parsed(rows: Iterable[Row]) -> tuple[Case, ...]:
    return tuple(_case(case_id, content) for case_id, content in rows)


def _of_version(version: str) -> Any:
    query = select(eval_cases.c.case_id, eval_cases.c.content)
    return query.where(eval_cases.c.version == version).order_by(eval_cases.c.position)


def _content(case: Case) -> str:
    content = {
        "input": case.input,
        "expected": case.expected,
        "tags": case.tags,
        "fields": case.fields,
    }
    return orjson.dumps(content).decode()


def _case(case_id: str, content: str) -> Case:
    read = orjson.loads(content)
    asked = read["input"]
    return Case(
        case_id,
        asked if isinstance(asked, str) else tuple(asked),
        read["expected"],
        tuple(read["tags"]),
        read["fields"],
    )
