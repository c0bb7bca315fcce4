"""What became of a run, out of the store."""

from __future__ import annotations

import asyncio

from gateway.errors import NotFound
from gateway.evals.comparison import Comparison, compare
from gateway.evals.gates import BASELINE
from gateway.evals.records import Run, RunWithItems
from gateway.evals.reports.report import Report, report_of
from gateway.store.evals import Evals


async def report_on(evals: Evals, run_id: str) -> Report:
    """The report on a run, complete or not, with what its gate has it compared with.

    Raises NotFound.
    """
    evaluation = await loaded(evals, run_id)
    base, why_not = await _base(evals, evaluation.run)
    # Of a hundred thousand items this takes seconds.
    return await asyncio.to_thread(report_of, evaluation, base, why_not)


async def compared(evals: Evals, run_id: str, base_id: str) -> Comparison:
    """A run with an earlier one. Raises NotFound, and what `compare` raises."""
    now, base = await loaded(evals, run_id), await loaded(evals, base_id)
    return await asyncio.to_thread(compare, now, base)


async def loaded(evals: Evals, run_id: str) -> RunWithItems:
    """A run with all of its cases and items. Raises NotFound."""
    run = await evals.runs.get(run_id)
    return RunWithItems(run, await evals.runs.all_items(run_id))


async def _base(evals: Evals, run: Run) -> tuple[RunWithItems | None, str | None]:
    """What the gate has a run compared with; or why that cannot be, if there should be one."""
    wanted = run.gate.no_regression_vs if run.gate else None
    if wanted == BASELINE:
        if run.suite is None:
            return None, "The run is of no suite, which alone has a baseline."
        try:
            wanted = (await evals.suites.get(run.suite)).baseline
        except NotFound:
            return None, f"The suite {run.suite!r}, whose baseline was wanted, is gone."
    if wanted is None:
        return None, None
    try:
        return await loaded(evals, wanted), None
    except NotFound:
        return None, f"The run {wanted!r} is gone."
