"""The calls of a run: to models under test and to judges, as any caller of the gateway makes them.

They are the run's key's: its models, limits and budgets hold, and each is in the ledger, under the
tags `eval_run:<id>` and `eval_role:target` or `eval_role:judge`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.bill import MOST_TOKENS
from gateway.deployments import retry_after
from gateway.errors import (
    BudgetExceeded,
    Fault,
    GatewayError,
    NotReady,
    RateLimited,
    UpstreamError,
)
from gateway.evals.calls import CallFailed, Spent
from gateway.evals.records import Role
from gateway.ids import request_id
from gateway.money import in_digits
from gateway.pipeline import Answer, Pipeline
from gateway.records import CacheControl, Call, Content, Key, Operation
from gateway.upstream.usage import count

LONGEST_WAIT = 300.0
"""Seconds that one call waits at most until limits let it in."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0

Json = Mapping[str, Any]
Read = Callable[[Operation, Json], tuple[dict[str, Any], CacheControl]]
"""Checks the body of a call and says what it wants of the cache. Raises InvalidRequest."""


class RunStopped(Exception):
    """Why a run cannot go on, in words that may be shown and stored."""


class Purse:
    """What a run has spent, and whether it may go on.

    Attributes:
        spent: By all of its calls, in nano-dollars.
        stopped: Why no more calls are made.
    """

    def __init__(self, spent: int, max_cost: int | None) -> None:
        self.spent = spent
        self.stopped: RunStopped | None = None
        self._max_cost = max_cost
        self._closed = asyncio.Event()

    def check(self) -> None:
        """Raises RunStopped where no more calls may be made."""
        most = self._max_cost
        if self.stopped is not None:
            raise self.stopped
        if most is not None and self.spent >= most:
            raise RunStopped(
                f"Its calls have cost ${in_digits(self.spent)}, and max_cost is "
                f"${in_digits(most)}; what was done is kept. Resume it with a higher max_cost."
            )

    def stop(self, why: RunStopped) -> None:
        """Let no more calls be made. The first reason stays."""
        self.stopped = self.stopped or why
        self._closed.set()

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the run has stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer in OpenAI's shape."""

    body: dict[str, Any]
    latency_ms: int
    """Of the call that was let in, without what was waited for limits before."""
    cost: int | None

    def tokens(self, name: str) -> int:
        """A count of its usage; 0 where the provider gave none that is one."""
        usage = self.body.get("usage")
        reported = usage.get(name) if isinstance(usage, Mapping) else None
        return min(count(reported), MOST_TOKENS)


class ModelCalls:
    """Makes the calls of one run."""

    def __init__(
        self,
        run_id: str,
        pipeline: Pipeline,
        key: Callable[[], Key],
        read: Read,
        purse: Purse,
    ) -> None:
        """`key` gives the run's key as it is now, and raises RunStopped where it is not live."""
        self._run_id = run_id
        self._pipeline = pipeline
        self._key = key
        self._read = read
        self._purse = purse

    def caller(self, role: Role) -> RoleCaller:
        return RoleCaller(self, role)

    async def call(self, operation: Operation, role: Role, body: Json) -> Answered:
        """An answer to a body that names its model.

        A call beyond a limit, of the key or of a provider, waits until there is room.

        Raises:
            CallFailed: There is no answer.
            RunStopped: No more calls can be made.
        """
        try:
            read, cache = self._read(operation, body)
        except GatewayError as error:
            raise CallFailed(error.message) from None
        tags = (f"eval_run:{self._run_id}", f"eval_role:{role}")
        waited, pause = 0.0, _FIRST_PAUSE
        while True:
            self._purse.check()
            call = Call(operation, self._key(), read, request_id(), tags, cache=cache)
            began = time.perf_counter()
            try:
                answer = await self._pipeline.complete(call)
            except BudgetExceeded as error:
                raise RunStopped(f"The budget of its key is spent: {error.message}") from None
            except GatewayError as error:
                if not _is_limit(error):
                    raise CallFailed(f"{error.status}: {error.message}") from None
                asked = retry_after(error)
                seconds = pause if asked is None else max(asked, 0.1)
                if waited + seconds > LONGEST_WAIT:
                    raise CallFailed(
                        f"No room within limits for {LONGEST_WAIT:.0f} s: give the run a key "
                        "with higher limits, or a lower concurrency"
                    ) from None
                await self._purse.pause(seconds)
                waited, pause = waited + seconds, min(2 * pause, _LONGEST_PAUSE)
            else:
                return self._answered(answer, began)

    def _answered(self, answer: Answer, began: float) -> Answered:
        latency_ms = round((time.perf_counter() - began) * 1000)
        self._purse.spent += answer.cost or 0
        if isinstance(answer.body, Content):
            raise CallFailed(f"The answer is {answer.body.media_type}, and no JSON")
        return Answered(answer.body, latency_ms, answer.cost)


class RoleCaller:
    """A `Caller` for one item: see `gateway.evals.calls`."""

    def __init__(self, calls: ModelCalls, role: Role) -> None:
        self.spent = Spent()
        self._calls = calls
        self._role = role

    async def chat(self, model: str, body: Json) -> dict[str, Any]:
        return (await self.ask(Operation.CHAT, model, body)).body

    async def embeddings(self, model: str, body: Json) -> dict[str, Any]:
        return (await self.ask(Operation.EMBEDDING, model, body)).body

    async def ask(self, operation: Operation, model: str, body: Json) -> Answered:
        """As `ModelCalls.call`."""
        answered = await self._calls.call(operation, self._role, {**body, "model": model})
        self.spent.tokens += answered.tokens("total_tokens")
        self.spent.cost += answered.cost or 0
        self.spent.unpriced += answered.cost is None
        return answered


def _is_limit(error: GatewayError) -> bool:
    """Whether the same call can be let in a while later."""
    if isinstance(error, UpstreamError):
        return error.fault is Fault.RATE_LIMIT
    return isinstance(error, RateLimited | NotReady)
