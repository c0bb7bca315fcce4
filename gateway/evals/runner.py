"""Runs a run: calls its targets for each case, has the answers evaluated, stores what came of it.

The plan is the same whenever a run is taken up: what is stored of it is not done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from gateway.evals.calls import Caller, CallFailed
from gateway.evals.evaluators import Scorer
from gateway.evals.model_calls import Answered, ModelCalls, Purse, RunStopped
from gateway.evals.records import Case, Item, Run, RunStatus, Score
from gateway.evals.templates import Missing, rendered_messages, value_of
from gateway.records import Actor, Operation
from gateway.store.database import uncancelled
from gateway.store.evals.runs import BEAT_SECONDS, Runs

# Items gather this long before they are stored together.
_GATHER_SECONDS = 0.2
_BATCH = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One item to be made."""

    position: int
    target: str
    case: Case
    repetition: int


def plan(run: Run) -> Iterator[Job]:
    """All that a run is to do, in its order: the targets take turns, so that what happens to one
    of them happens to all."""
    position = 0
    for repetition in range(run.repeat):
        for case in run.dataset.cases:
            for target in run.targets:
                yield Job(position, target, case, repetition)
                position += 1


def is_column(target: str) -> bool:
    """Whether a target is no model, but answers that the dataset has: `{{item.output}}`."""
    return target.startswith("{{")


class Execution:
    """One run, in this process.

    Attributes:
        cancelled: Whether it is to end; else who cancels its task ends the process.
        cancelled_by: Who wants that, for the audit log, unless another process has noted it.
    """

    def __init__(
        self,
        run: Run,
        store: Runs,
        owner: str,
        done: Collection[int],
        purse: Purse,
        calls: ModelCalls,
        scorers: Mapping[str, Scorer],
    ) -> None:
        """`run` is `owner`'s already, and `done` the positions of what is stored of it.

        `scorers` score answers, by the names of evaluators.
        """
        self.cancelled = False
        self.cancelled_by: Actor | None = None
        self._run = run
        self._store = store
        self._owner = owner
        self._purse = purse
        self._calls = calls
        self._scorers = scorers
        self._jobs = (job for job in plan(run) if job.position not in done)
        self._left = run.planned - len(done)
        self._made = 0
        self._waiting: list[tuple[int, Item]] = []
        self._wake = asyncio.Event()
        self._began = time.monotonic()

    async def run(self) -> None:
        """Run it to its end, which is stored: also where this is cancelled. Raises nothing else."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._run.concurrency)]
        working = asyncio.gather(*workers)
        keeping = asyncio.create_task(self._keep(working))
        status: RunStatus = "completed"
        error: str | None = None
        try:
            await working
            if self._purse.stopped is not None:
                status, error = "failed", str(self._purse.stopped)
        except asyncio.CancelledError:
            if self.cancelled:
                status = "cancelled"
            else:
                status = "interrupted"
                error = "The gateway was stopped; what was done is kept. Resume it."
        except Exception:
            log.exception("The run %s failed", self._run.id)
            status = "failed"
            error = "Something went wrong inside the gateway; its log says more. Resume it."
        finally:
            for task in (*workers, keeping):
                task.cancel()
            await asyncio.gather(*workers, keeping, return_exceptions=True)
            await self._end(status, error)

    async def _work(self) -> None:
        for job in self._jobs:
            try:
                item = await self._item(job)
            except RunStopped as why:
                self._purse.stop(why)
                return
            self._waiting.append((job.position, item))
            self._made += 1
            self._wake.set()
            # Where no call is made, others would not get their turn.
            await asyncio.sleep(0)

    async def _item(self, job: Job) -> Item:
        """Raises RunStopped."""
        self._purse.check()
        item = await self._answer(job)
        if item.error is not None:
            return item
        judge = self._calls.caller("judge")
        scores = [
            await self._score(name, scorer, job.case, item, judge)
            for name, scorer in self._scorers.items()
        ]
        spent = judge.spent
        return replace(item, scores=tuple(scores), judge_tokens=spent.tokens, judge_cost=spent.cost)

    async def _score(
        self, name: str, scorer: Scorer, case: Case, item: Item, judge: Caller
    ) -> Score:
        try:
            score = await scorer(case, item, judge)
            return replace(score, reason=_clean(score.reason), error=_clean(score.error))
        except RunStopped:
            raise
        except Exception as error:
            # A fault of the evaluator's must not be the end of all other answers.
            log.exception("The evaluator %s of the run %s failed", name, self._run.id)
            return Score(name, error=f"The evaluator failed: {type(error).__name__}")

    async def _answer(self, job: Job) -> Item:
        empty = Item(self._run.id, job.target, job.case.id, job.repetition, output=None)
        try:
            if is_column(job.target):
                given = value_of(job.target, job.case)
                text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
                return replace(empty, output=text, cost=0)
            body = {
                **self._run.params,
                "messages": rendered_messages(self._run.messages, job.case),
            }
            caller = self._calls.caller("target")
            answered = await caller.ask(Operation.CHAT, job.target, body)
        except Missing as missing:
            return replace(empty, error=f"The request cannot be made: {missing}")
        except CallFailed as failed:
            return replace(empty, error=_text(str(failed)))
        return _answered(empty, answered)

    async def _keep(self, working: asyncio.Future[Any]) -> None:
        """Store items as they come, and that this process is alive, until the run is another's."""
        failing = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._wake.wait()
                    await asyncio.sleep(_GATHER_SECONDS)
            self._wake.clear()
            try:
                if not await self._store_waiting():
                    self.cancelled = True
                    working.cancel()
                    return
                failing = False
            except SQLAlchemyError:
                if not failing:
                    log.exception("Items of the run %s cannot be stored; they wait", self._run.id)
                failing = True

    async def _store_waiting(self) -> bool:
        """Says whether the run is still this process's."""
        while await self._store_batch():
            if not self._waiting:
                return True
        return False

    @uncancelled
    async def _store_batch(self) -> bool:
        """Says the same. What it has stored is not stored again, also where it is cancelled."""
        batch = self._waiting[:_BATCH]
        stored = await self._store.store(
            self._run.id, self._owner, batch, self._purse.spent, self._expected_at()
        )
        if stored:
            del self._waiting[: len(batch)]
        return stored

    async def _end(self, status: RunStatus, error: str | None) -> None:
        try:
            # What is not this process's any more has another end already.
            if await self._store_waiting():
                now = int(time.time())
                by = self.cancelled_by if status == "cancelled" else None
                running = replace(self._run, status="running")
                await self._store.end(running, self._owner, status, now, error, by)
        except SQLAlchemyError:
            log.exception("The end of the run %s cannot be stored", self._run.id)

    def _expected_at(self) -> int | None:
        if not self._made:
            return None
        passed = time.monotonic() - self._began
        return int(time.time() + passed / self._made * (self._left - self._made))


def _answered(empty: Item, answered: Answered) -> Item:
    message = _message(answered.body)
    content = message.get("content") or message.get("refusal")
    tool_calls = message.get("tool_calls")
    return replace(
        empty,
        output=None if content is None else _text(_said(content)),
        tool_calls=tuple(_plain(tool_calls)) if isinstance(tool_calls, list) else (),
        latency_ms=answered.latency_ms,
        prompt_tokens=answered.tokens("prompt_tokens"),
        completion_tokens=answered.tokens("completion_tokens"),
        cost=answered.cost,
    )


def _message(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first answer; nothing where the provider's is no chat completion."""
    try:
        message = body["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        return {}
    return message if isinstance(message, Mapping) else {}


def _said(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


def _text(text: str) -> str:
    # A provider's JSON may hold half of a surrogate pair, which no database takes.
    return text if text.isascii() else text.encode(errors="replace").decode()


def _clean(text: str | None) -> str | None:
    return None if text is None else _text(text)


def _plain(value: Any) -> Any:
    """JSON, without such halves."""
    return json.loads(_text(json.dumps(value, ensure_ascii=False)))
