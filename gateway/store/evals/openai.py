"""Evaluations of clients of OpenAI's API, as rows, and which runs are theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, select, update

from gateway.errors import NotFound
from gateway.evals.records import OpenAIEval
from gateway.records import Actor
from gateway.store.audit import note
from gateway.store.database import Database, uncancelled
from gateway.store.tables import eval_openai, eval_openai_runs

Json = Mapping[str, Any]


class OpenAIEvals:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[OpenAIEval]:
        """Every one, oldest first."""
        order = eval_openai.c.created_at, eval_openai.c.id
        async with self._database.read() as connection:
            rows = await connection.execute(select(eval_openai).order_by(*order))
            return [OpenAIEval(**row._mapping) for row in rows]

    async def get(self, eval_id: str) -> OpenAIEval:
        """Raises NotFound."""
        query = select(eval_openai).where(eval_openai.c.id == eval_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise NotFound(f"No evaluation has the id {eval_id!r}", param="eval_id")
        return OpenAIEval(**row._mapping)

    @uncancelled
    async def add(self, made: OpenAIEval, by: Actor) -> None:
        async with self._database.append() as connection:
            await connection.execute(insert(eval_openai).values(asdict(made)))
            target, view = (made.id, made.name), {"name": made.name, **made.body}
            await note(connection, by, "openai_eval.add", target, None, view)

    async def change(
        self, eval_id: str, change: Callable[[OpenAIEval], OpenAIEval], by: Actor
    ) -> OpenAIEval:
        """Store what `change` makes of one; return it. Raises NotFound; what `change` raises."""
        old = await self.get(eval_id)
        new = change(old)
        await self._put(old, new, by)
        return new

    @uncancelled
    async def _put(self, old: OpenAIEval, new: OpenAIEval, by: Actor) -> None:
        views = {"name": old.name, **old.body}, {"name": new.name, **new.body}
        if views[0] == views[1]:
            return
        async with self._database.append() as connection:
            stored = update(eval_openai).where(eval_openai.c.id == old.id)
            await connection.execute(stored.values(name=new.name, body=new.body))
            await note(connection, by, "openai_eval.update", (new.id, new.name), *views)

    @uncancelled
    async def remove(self, eval_id: str, by: Actor) -> None:
        """Its runs stay, as runs of nobody's. Raises NotFound."""
        old = await self.get(eval_id)
        async with self._database.append() as connection:
            await connection.execute(delete(eval_openai).where(eval_openai.c.id == eval_id))
            runs = delete(eval_openai_runs).where(eval_openai_runs.c.eval_id == eval_id)
            await connection.execute(runs)
            target, view = (old.id, old.name), {"name": old.name, **old.body}
            await note(connection, by, "openai_eval.remove", target, view, None)

    @uncancelled
    async def add_run(self, eval_id: str, run_id: str, body: Json) -> None:
        """Say that a run is one of an evaluation, and in which words it was asked for."""
        values = {"run_id": run_id, "eval_id": eval_id, "body": body}
        async with self._database.append() as connection:
            await connection.execute(insert(eval_openai_runs).values(values))

    async def runs(self, eval_id: str) -> dict[str, Json]:
        """The ids of an evaluation's runs, oldest first, each with its words."""
        query = select(eval_openai_runs.c.run_id, eval_openai_runs.c.body)
        mine = query.where(eval_openai_runs.c.eval_id == eval_id)
        async with self._database.read() as connection:
            # Ids sort by the time they were made.
            rows = await connection.execute(mine.order_by(eval_openai_runs.c.run_id))
            return {row.run_id: row.body for row in rows}
