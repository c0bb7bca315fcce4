"""Making a run in this process, and showing how far it has come."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from gateway.commands.output import note
from gateway.money import in_digits
from gateway.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from gateway.evals.records import Run, RunHead
    from gateway.http.requests import Services
    from gateway.records import Key

T = TypeVar("T")

_LOOK_SECONDS = 0.3


def with_services(context: typer.Context, work: Callable[[Services], Awaitable[T]]) -> T:
    """Do something with all that takes calls, as in a gateway that serves nobody else.

    Evaluators may be code of the operator's here.
    """
    from gateway.app import in_operation
    from gateway.store import Store

    settings: Settings = context.obj

    async def run() -> T:
        async with (
            Store.open(settings) as store,
            in_operation(settings, store, allow_python=True) as services,
        ):
            # Or the first answers would seem to take as long as that.
            await services.lane.wait()
            return await work(services)

    # Where code of one's own is looked for, after all that is installed.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    # Signals are the main thread's to handle.
    if threading.current_thread() is threading.main_thread():
        # It is to end its run in order, as with Ctrl-C, so that what was done is kept.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    return asyncio.run(run())


def key_of(services: Services, key_id: str | None) -> Key:
    """The key for a run to call with: the operator's own, unless one is named. Raises
    InvalidField."""
    from gateway.evals.service import operator_key

    return operator_key() if key_id is None else services.runs.key(key_id)


async def watched(services: Services, run_id: str) -> Run:
    """A run of this process, once it has ended; until then a terminal shows how far it is."""
    head = await services.store.evals.runs.head(run_id)
    note(f"Running {run_id}: {head.progress.planned} calls to {', '.join(head.run.targets)}.")
    try:
        if sys.stderr.isatty():
            await _shown(services, head)
        else:
            await services.runs.wait(run_id)
    except asyncio.CancelledError:
        note(f"\nStopped; what was done is kept. Go on: gateway evals resume {run_id}")
        raise
    return (await services.store.evals.runs.head(run_id)).run


async def _shown(services: Services, head: RunHead) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        console=Console(stderr=True),
    )
    ending = asyncio.create_task(services.runs.wait(head.run.id))
    with bar:
        task = bar.add_task("run", total=head.progress.planned, told="")
        while True:
            done, _ = await asyncio.wait({ending}, timeout=_LOOK_SECONDS)
            await _update(services, head.run.id, bar, task)
            if done:
                return


async def _update(services: Services, run_id: str, bar: Bar, task: object) -> None:
    now = int(time.time())
    progress = (await services.store.evals.runs.head(run_id)).progress
    told = f"{progress.failed} failed, {progress.errors} errors, ${in_digits(progress.spent)}"
    if progress.expected_at is not None:
        left = max(0, progress.expected_at - now)
        told += f", {left // 60}:{left % 60:02d} left"
    bar.update(task, completed=progress.done, told=told)  # type: ignore[arg-type]
