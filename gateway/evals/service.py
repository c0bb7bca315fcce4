"""The runs of this process: begun, taken up again, cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import BudgetExceeded, Conflict, InvalidField
from gateway.evals.calls import Spent
from gateway.evals.evaluators import scorer_of
from gateway.evals.model_calls import ModelCalls, Purse, Read, RunStopped
from gateway.evals.preparing import Preparing
from gateway.evals.records import Case, Dataset, Evaluator, Item, Run, RunHead, Score, Suite
from gateway.evals.runner import Execution
from gateway.evals.versions import Change, changes_since, versions_now
from gateway.pipeline import Pipeline
from gateway.records import Actor, Key
from gateway.registry import Registry
from gateway.store.evals import Evals

OPERATOR_KEY = "cli"
"""What stands for a key in the runs that an operator starts on the host without naming one."""


class RunService:
    """Owns the tasks of the runs of this process, which must be closed before what they call."""

    def __init__(
        self,
        store: Evals,
        registry: Registry,
        pipeline: Pipeline,
        node: str,
        read: Read,
        *,
        allow_python: bool,
    ) -> None:
        """`node` names this process among those that share the database.

        `allow_python` says whether evaluators may be code of the operator's.
        """
        self._store = store
        self._registry = registry
        self._pipeline = pipeline
        self._node = node
        self._read = read
        self._allow_python = allow_python
        self._preparing = Preparing(store, read, allow_python=allow_python)
        self._running: dict[str, tuple[Execution, asyncio.Task[None]]] = {}

    async def start(
        self,
        description: Mapping[str, Any],
        key: Key,
        by: Actor,
        dataset: Dataset | None = None,
    ) -> Run:
        """Begin the run that is described, whose calls are the key's. Raises as `Preparing.run`."""
        now, catalogue = int(time.time()), self._registry.catalogue
        run = await self._preparing.run(description, key, catalogue, now, dataset)
        return await self._start(run, by)

    async def start_made(
        self,
        suite: Suite,
        dataset: Dataset,
        evaluators: Sequence[Evaluator],
        key: Key,
        by: Actor,
    ) -> Run:
        """Begin a run of what is not stored: the suite's names are not looked up.

        Raises as `Preparing.run`.
        """
        catalogue = self._registry.catalogue
        now = int(time.time())
        run = self._preparing.made(suite, dataset, evaluators, None, key, catalogue, now)
        return await self._start(run, by)

    async def rerun(self, run_id: str, name: str | None, key: Key, by: Actor) -> Run:
        """Begin a run of the same as an earlier one. Raises as `Preparing.run`."""
        now = int(time.time())
        run = (await self._store.runs.head(run_id)).run
        catalogue = self._registry.catalogue
        return await self._start(await self._preparing.again(run, name, key, catalogue, now), by)

    def key(self, key_id: str) -> Key:
        """A key for a run to call with. Raises InvalidField where it cannot."""
        try:
            return self._key(key_id)
        except RunStopped as error:
            raise InvalidField(f"key_id: {error}", param="key_id") from None

    async def resume(self, run_id: str, max_cost: int | None, by: Actor) -> None:
        """Take up a run that has ended before it was complete, perhaps with another cap.

        Raises:
            NotFound.
            Conflict: It is running, or complete.
            InvalidField: An evaluator of it is code, which is not to be run here.
        """
        run = await self._store.runs.get(run_id)
        if run.status == "completed":
            raise Conflict(
                f"The run {run_id!r} is complete; to run it once more, rerun it", param="run_id"
            )
        head = await self._store.runs.head(run_id)
        cap = run.max_cost if max_cost is None else max_cost
        await self._begin(run, cap, head.progress.spent, by)

    async def cancel(self, run_id: str, by: Actor) -> RunHead:
        """End a run, wherever it is; what was done is kept. Once it has ended this does nothing.

        Raises NotFound.
        """
        here = self._running.get(run_id)
        if here is not None:
            execution, task = here
            execution.cancelled, execution.cancelled_by = True, by
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        now = int(time.time())
        head = await self._store.runs.head(run_id)
        if head.run.status in ("pending", "running"):
            # Its process learns of it with its next items.
            await self._store.runs.cancel(run_id, now, by)
            head = await self._store.runs.head(run_id)
        return head

    async def outdated(self, run_id: str) -> list[Change]:
        """What a run was made with that is another by now. Raises NotFound."""
        run = (await self._store.runs.head(run_id)).run
        return await outdated(run, self._store, self._registry)

    async def try_out(
        self, evaluator: Evaluator, case: Case, item: Item, key: Key
    ) -> tuple[Score, Spent]:
        """What an evaluator says of one answer, and what its judge took; the call is the key's.

        Raises:
            InvalidField: It is code, which is not to be run here.
            BudgetExceeded: The key's.
        """
        scorer = scorer_of(evaluator, allow_python=self._allow_python)
        calls = ModelCalls("test", self._pipeline, lambda: key, self._read, Purse(0, None))
        judge = calls.caller("judge")
        try:
            return await scorer(case, item, judge), judge.spent
        except RunStopped as error:
            raise BudgetExceeded(str(error)) from None

    async def wait(self, run_id: str) -> None:
        """Until the run has ended, if it is this process's."""
        if run_id in self._running:
            await asyncio.gather(self._running[run_id][1], return_exceptions=True)

    async def aclose(self) -> None:
        """Stop what is running: it can be taken up again."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self, run: Run, by: Actor) -> Run:
        await self._store.runs.add(run, self._node, by)
        await self._begin(run, run.max_cost, 0, None)
        return run

    async def _begin(self, run: Run, max_cost: int | None, spent: int, by: Actor | None) -> None:
        """Raises Conflict; InvalidField for an evaluator that cannot be used here."""
        scorers = {
            each.name: scorer_of(each, allow_python=self._allow_python) for each in run.evaluators
        }
        now = int(time.time())
        if not await self._store.runs.begin(run, self._node, now, max_cost, by):
            raise Conflict(
                f"The run {run.id!r} is running. If its process was killed, it can be resumed in "
                "a few seconds",
                param="run_id",
            )
        done = await self._store.runs.done(run.id)
        purse = Purse(spent, max_cost)
        calls = ModelCalls(run.id, self._pipeline, lambda: self._key(run.key_id), self._read, purse)
        execution = Execution(run, self._store.runs, self._node, done, purse, calls, scorers)
        task = asyncio.create_task(execution.run())
        self._running[run.id] = execution, task
        task.add_done_callback(lambda _: self._running.pop(run.id, None))

    def _key(self, key_id: str) -> Key:
        """Raises RunStopped where the key may not call any more."""
        if key_id == OPERATOR_KEY:
            return operator_key()
        key = self._registry.key_by_id(key_id)
        state = "revoked" if key is None else key.state(time.time())
        team = self._registry.teams.get(key.team_id) if key and key.team_id else None
        if key is None or state != "active" or (team is not None and team.blocked):
            whose = "its team is blocked" if state == "active" else f"it is {state}"
            raise RunStopped(f"the key {key_id!r} cannot call, since {whose}")
        return key


async def outdated(run: Run, store: Evals, registry: Registry) -> list[Change]:
    """What a run was made with that is another by now."""
    key = registry.key_by_id(run.key_id)
    models = versions_now(run, registry.catalogue, key.aliases if key else {})
    return await changes_since(run, store, models)


def operator_key() -> Key:
    """Calls of an operator on the host, who may call everything and has no budget."""
    return Key(
        id=OPERATOR_KEY,
        kind="admin",
        label=OPERATOR_KEY,
        secret_hash="",
        hint="",
        created_at=0,
        updated_at=0,
    )
