"""Runs and their items, as rows.

A run belongs to the process that runs it, which says every few seconds that it is still there. One
that is silent for `DEAD_AFTER_SECONDS` has died: whoever looks next marks its run as interrupted.
Both go by the database's clock, lest a host whose own is wrong takes others for dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Update,
    case,
    delete,
    extract,
    func,
    insert,
    select,
    update,
)

from gateway.errors import Conflict, NotFound
from gateway.evals.records import (
    Dataset,
    Evaluator,
    Item,
    ItemStatus,
    Progress,
    Run,
    RunHead,
    RunStatus,
    Score,
)
from gateway.records import Actor
from gateway.store.audit import note, noting
from gateway.store.database import Database, uncancelled
from gateway.store.evals.cases import drop_cases, put_cases, read_cases
from gateway.store.evals.named import gate
from gateway.store.tables import eval_items, eval_runs

BEAT_SECONDS = 2.0
"""How often a process says that it still runs a run."""
DEAD_AFTER_SECONDS = 15
_PAGE = 2000
_LIVE = ("pending", "running")
_NOW = extract("epoch", func.current_timestamp())
# Columns of an item's row that are none of the item's own.
_OF_ROW = ("position", "status")


class Runs:
    def __init__(self, database: Database) -> None:
        self._database = database

    @uncancelled
    async def add(self, run: Run, owner: str, by: Actor) -> None:
        """Store a new run, with what it was made of, for `owner` to begin."""
        target = run.id, run.name

        def work(connection: Connection) -> None:
            put_cases(connection, run.dataset.version, run.dataset.cases)
            connection.execute(insert(eval_runs).values(_values(run, owner)))
            connection.execute(noting(by, "run.add", target, None, _view(run)))

        await self._database.append_in_thread(work)

    async def head(self, run_id: str) -> RunHead:
        """Raises NotFound."""
        await self.bury()
        async with self._database.read() as connection:
            row = (await connection.execute(_heads().where(eval_runs.c.id == run_id))).first()
        if row is None:
            raise NotFound(f"No run has the id {run_id!r}", param="run_id")
        return _head(row)

    async def get(self, run_id: str) -> Run:
        """A run with all of its cases. Raises NotFound."""
        run = (await self.head(run_id)).run
        cases = await read_cases(self._database, run.dataset.version)
        return replace(run, dataset=replace(run.dataset, cases=cases))

    async def page(
        self, limit: int, after: str | None = None, suite: str | None = None
    ) -> tuple[list[RunHead], bool]:
        """Up to `limit` runs, the newest first, past the one with this id; and whether there are
        more. Raises NotFound for an id that no run has."""
        await self.bury()
        order = eval_runs.c.created_at.desc(), eval_runs.c.id.desc()
        query = _heads().order_by(*order).limit(limit + 1)
        if suite is not None:
            query = query.where(eval_runs.c.suite == suite)
        if after is not None:
            last = (await self.head(after)).run
            older = (eval_runs.c.created_at < last.created_at) | (
                (eval_runs.c.created_at == last.created_at) & (eval_runs.c.id < last.id)
            )
            query = query.where(older)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [_head(row) for row in rows[:limit]], len(rows) > limit

    async def items(
        self, run_id: str, limit: int, after: int = -1, status: ItemStatus | None = None
    ) -> tuple[list[tuple[int, Item]], bool]:
        """Up to `limit` items past a position, each with its own, and whether there are more."""
        query = _items(run_id, after, limit + 1)
        if status is not None:
            query = query.where(eval_items.c.status == status)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [(row.position, _item(row)) for row in rows[:limit]], len(rows) > limit

    async def all_items(self, run_id: str) -> list[Item]:
        """In the order of the plan."""
        found: list[Item] = []
        after, more = -1, True
        while more:
            page, more = await self.items(run_id, _PAGE, after)
            found += [item for _, item in page]
            after = page[-1][0] if page else after
        return found

    async def done(self, run_id: str) -> set[int]:
        """The positions of the items that are there."""
        query = select(eval_items.c.position).where(eval_items.c.run_id == run_id)
        async with self._database.read() as connection:
            return set(await connection.scalars(query))

    @uncancelled
    async def begin(
        self, run: Run, owner: str, now: int, max_cost: int | None, by: Actor | None = None
    ) -> bool:
        """Take a run that nobody runs, or that is `owner`'s, and give it this cap; says whether
        that could be. `by` is whoever takes it up again.
        """
        free = eval_runs.c.status.in_(("interrupted", "failed", "cancelled"))
        own = (eval_runs.c.status == "pending") & (eval_runs.c.owner == owner)
        taken = (
            update(eval_runs)
            .where(eval_runs.c.id == run.id, free | own)
            .values(
                status="running",
                owner=owner,
                beat_at=_NOW,
                expected_at=None,
                max_cost=max_cost,
                started_at=func.coalesce(eval_runs.c.started_at, now),
                ended_at=None,
                error=None,
            )
        )
        after = {"status": "running", "max_cost": max_cost}
        return await self._changed(taken, run, "run.resume", by, after)

    @uncancelled
    async def store(
        self,
        run_id: str,
        owner: str,
        items: Sequence[tuple[int, Item]],
        spent: int,
        expected_at: int | None,
    ) -> bool:
        """Store items of a run by their positions, and that `owner` still runs it.

        Says whether it does: it may have been cancelled, or taken for dead. Nothing is stored then.
        """
        rows = [_item_values(position, item) for position, item in items]
        beat = _of(run_id, owner).values(spent=spent, beat_at=_NOW, expected_at=expected_at)

        def work(connection: Connection) -> bool:
            if not connection.execute(beat).rowcount:
                return False
            if rows:
                connection.execute(insert(eval_items), rows)
            return True

        return await self._database.append_in_thread(work)

    @uncancelled
    async def end(
        self,
        run: Run,
        owner: str,
        status: RunStatus,
        now: int,
        error: str | None = None,
        by: Actor | None = None,
    ) -> bool:
        """Say how `owner`'s run ended, unless it is no longer its own; `by` is who cancelled it."""
        ended = _of(run.id, owner)
        return await self._changed(
            ended.values(status=status, ended_at=now, error=error, expected_at=None),
            run,
            "run.cancel",
            by,
            {"status": status},
        )

    @uncancelled
    async def cancel(self, run_id: str, now: int, by: Actor) -> bool:
        """Cancel a run that is running, wherever; says whether it was. Raises NotFound."""
        run = (await self.head(run_id)).run
        live = update(eval_runs).where(eval_runs.c.id == run_id, eval_runs.c.status.in_(_LIVE))
        cancelled = live.values(status="cancelled", ended_at=now, expected_at=None)
        after = {"status": "cancelled"}
        return await self._changed(cancelled, run, "run.cancel", by, after)

    @uncancelled
    async def remove(self, run_id: str, by: Actor) -> None:
        """Raises NotFound; Conflict where it is running."""
        run = (await self.head(run_id)).run
        gone = delete(eval_runs).where(eval_runs.c.id == run_id, ~eval_runs.c.status.in_(_LIVE))

        def work(connection: Connection) -> bool:
            if not connection.execute(gone).rowcount:
                return False
            connection.execute(delete(eval_items).where(eval_items.c.run_id == run_id))
            drop_cases(connection, run.dataset.version)
            connection.execute(noting(by, "run.remove", (run_id, run.name), _view(run), None))
            return True

        if not await self._database.append_in_thread(work):
            raise Conflict(f"The run {run_id!r} is running; cancel it first", param="run_id")

    async def bury(self) -> None:
        """Mark the runs of processes that died as interrupted."""
        dead = (
            eval_runs.c.status.in_(_LIVE),
            eval_runs.c.beat_at < _NOW - DEAD_AFTER_SECONDS,
        )
        async with self._database.read() as connection:
            found = (await connection.execute(select(eval_runs.c.id).where(*dead))).first()
        # Whoever only looks writes nothing, but for this once.
        if found is not None:
            interrupted = update(eval_runs).where(*dead)
            await self._bury(
                interrupted.values(
                    status="interrupted",
                    ended_at=case(
                        (eval_runs.c.beat_at < eval_runs.c.started_at, eval_runs.c.started_at),
                        else_=eval_runs.c.beat_at,
                    ),
                    expected_at=None,
                    error="The process that ran it ended; what it had done is kept. Resume it.",
                )
            )

    @uncancelled
    async def _bury(self, statement: Update) -> None:
        async with self._database.append() as connection:
            await connection.execute(statement)

    async def _changed(
        self, statement: Update, run: Run, action: str, by: Actor | None, after: dict[str, Any]
    ) -> bool:
        """Change a run's row, and note it where somebody wanted that; says whether it was there."""
        async with self._database.append() as connection:
            changed = bool((await connection.execute(statement)).rowcount)
            if changed and by is not None:
                before = {"status": run.status, "max_cost": run.max_cost}
                before = {name: before[name] for name in after}
                await note(connection, by, action, (run.id, run.name), before, after)
        return changed


def _of(run_id: str, owner: str) -> Update:
    return update(eval_runs).where(
        eval_runs.c.id == run_id, eval_runs.c.owner == owner, eval_runs.c.status == "running"
    )


def _heads() -> Select[Any]:
    of_run = eval_items.c.run_id == eval_runs.c.id
    counted = {
        "done": select(func.count()).where(of_run),
        "failed": select(func.count()).where(of_run, eval_items.c.status == "failed"),
        "errors": select(func.count()).where(of_run, eval_items.c.status == "error"),
    }
    return select(
        eval_runs, *(count.scalar_subquery().label(name) for name, count in counted.items())
    )


def _items(run_id: str, after: int, limit: int) -> Select[Any]:
    here = eval_items.c.run_id == run_id, eval_items.c.position > after
    return select(eval_items).where(*here).order_by(eval_items.c.position).limit(limit)


def _values(run: Run, owner: str) -> dict[str, Any]:
    dataset = run.dataset
    kept = {
        "id": dataset.id,
        "name": dataset.name,
        "description": dataset.description,
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
    }
    return {
        "id": run.id,
        "name": run.name,
        "suite": run.suite,
        "status": run.status,
        "dataset": kept,
        "dataset_version": dataset.version,
        "targets": list(run.targets),
        "evaluators": [asdict(evaluator) for evaluator in run.evaluators],
        "messages": list(run.messages),
        "params": dict(run.params),
        "repeat": run.repeat,
        "concurrency": run.concurrency,
        "max_cost": run.max_cost,
        "gate": None if run.gate is None else asdict(run.gate),
        "model_versions": dict(run.model_versions),
        "key_id": run.key_id,
        "planned": run.planned,
        "spent": 0,
        "owner": owner,
        "beat_at": _NOW,
        "created_at": run.created_at,
    }


def _view(run: Run) -> dict[str, Any]:
    """For the audit log."""
    return {
        "name": run.name,
        "suite": run.suite,
        "dataset": run.dataset.name,
        "models": list(run.targets),
        "evaluators": [evaluator.name for evaluator in run.evaluators],
        "repeat": run.repeat,
        "max_cost": run.max_cost,
        "key_id": run.key_id,
    }


def _head(row: Row[Any]) -> RunHead:
    values = row._mapping
    run = Run(
        id=row.id,
        name=row.name,
        suite=row.suite,
        status=row.status,
        dataset=Dataset(cases=(), version=row.dataset_version, **row.dataset),
        targets=tuple(row.targets),
        evaluators=tuple(Evaluator(**each) for each in row.evaluators),
        messages=tuple(row.messages),
        params=row.params,
        repeat=row.repeat,
        concurrency=row.concurrency,
        max_cost=row.max_cost,
        gate=gate(row.gate),
        model_versions=row.model_versions,
        key_id=row.key_id,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
    )
    names = ("planned", "done", "failed", "errors", "spent", "expected_at")
    return RunHead(run, Progress(**{name: values[name] for name in names}))


def _item_values(position: int, item: Item) -> Mapping[str, Any]:
    return {**asdict(item), "position": position, "status": item.status}


def _item(row: Row[Any]) -> Item:
    values = {name: value for name, value in row._mapping.items() if name not in _OF_ROW}
    values["tool_calls"] = tuple(values["tool_calls"])
    values["scores"] = tuple(Score(**score) for score in values["scores"])
    return Item(**values)
