"""`gateway evals list`, `show`, `compare` and others: what makes no calls."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.evals.options import Csv, Files, Html, JsonFile, Junit, RunId
from gateway.commands.evals.results import (
    print_comparison,
    print_heads,
    print_report,
    write_reports,
)
from gateway.commands.output import (
    PROBLEM,
    Json,
    note,
    operator,
    print_json,
    print_table,
    with_store,
)
from gateway.errors import InvalidField

if TYPE_CHECKING:
    from gateway.evals.records import RunHead, Suite
    from gateway.evals.reports.report import Report
    from gateway.evals.versions import Change
    from gateway.store import Store

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]


def list_(
    context: typer.Context,
    suite: Annotated[str | None, typer.Option(help="Those of this suite alone.")] = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List runs, the newest first."""

    async def work(store: Store) -> list[RunHead]:
        found, _ = await store.evals.runs.page(limit, suite=suite)
        return found

    heads = with_store(context, work)
    if as_json:
        from gateway.evals.shown import head_view

        print_json([head_view(head) for head in heads])
    else:
        print_heads(heads)


def show(context: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """Show what a run has come to."""
    head, report = _reported(context, run_id)
    if as_json:
        from gateway.evals.shown import report_view

        print_json(report_view(head, report))
    else:
        print_heads([head])
        print_report(report)


def report(
    context: typer.Context,
    run_id: RunId,
    junit: Junit = None,
    json: JsonFile = None,
    csv: Csv = None,
    html: Html = None,
) -> None:
    """Write reports on a run into files."""
    if not any((junit, json, csv, html)):
        raise InvalidField("Say what to write: --html FILE, --json FILE, --csv FILE, --junit FILE")
    write_reports(_reported(context, run_id)[1], Files(junit, json, csv, html))


def compare(
    context: typer.Context,
    run_id: RunId,
    base: Annotated[str, typer.Argument(metavar="BASE", help="The run to compare it with.")],
    as_json: Json = False,
) -> None:
    """Compare a run with an earlier one, case by case."""
    from gateway.evals.outcomes import compared

    found = with_store(context, lambda store: compared(store.evals, run_id, base))
    if as_json:
        from gateway.evals.views import comparison_view

        print_json(comparison_view(found))
    else:
        print_comparison(found)


def whats_outdated(context: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """List what a run was made with that is another by now. Ends with 4 where there is some."""
    from dataclasses import asdict

    changes = with_store(context, lambda store: _changes(store, run_id))
    if as_json:
        print_json([asdict(change) for change in changes])
    else:
        print_table(
            ("WHAT", "NAME", "STATE"),
            ((change.kind, change.name, change.state) for change in changes),
            f"{run_id} is up to date.",
        )
    if changes:
        raise typer.Exit(PROBLEM)


def cancel(context: typer.Context, run_id: RunId) -> None:
    """End a run, wherever it runs; what was done is kept."""

    async def work(store: Store) -> str:
        now = int(time.time())
        await store.evals.runs.cancel(run_id, now, operator())
        return (await store.evals.runs.head(run_id)).run.status

    status = with_store(context, work)
    note(f"{run_id} is {status}.")


def remove(context: typer.Context, run_id: RunId) -> None:
    """Remove a run that has ended, with all of its answers."""
    with_store(context, lambda store: store.evals.runs.remove(run_id, operator()))
    note(f"Removed {run_id}.")


def baseline(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(metavar="SUITE")],
    run_id: RunId,
) -> None:
    """Have the runs of a suite compared with this one from now on."""

    async def work(store: Store) -> None:
        now = int(time.time())
        await store.evals.runs.head(run_id)  # raises NotFound

        def changed(old: Suite) -> Suite:
            return replace(old, baseline=run_id, updated_at=now)

        await store.evals.suites.change(suite, changed, operator())

    with_store(context, work)
    note(f"{run_id} is the baseline of {suite}.")


def suites(context: typer.Context, as_json: Json = False) -> None:
    """List the suites."""
    found = with_store(context, lambda store: store.evals.suites.all())
    if as_json:
        from gateway.evals.shown import suite_view

        print_json([suite_view(suite) for suite in found])
        return
    print_table(
        ("NAME", "DATASET", "MODELS", "EVALUATORS", "REPEAT", "BASELINE"),
        (
            (
                suite.name,
                suite.dataset,
                ", ".join(suite.models),
                ", ".join(suite.evaluators),
                suite.repeat,
                suite.baseline,
            )
            for suite in found
        ),
        "No suites. Describe one in a file: gateway config apply FILE",
    )


def evaluators(context: typer.Context, as_json: Json = False) -> None:
    """List the evaluators."""
    found = with_store(context, lambda store: store.evals.evaluators.all())
    if as_json:
        from gateway.evals.shown import evaluator_view

        print_json([evaluator_view(evaluator) for evaluator in found])
        return
    print_table(
        ("NAME", "TYPE", "VERSION"),
        ((each.name, each.type, each.version[:12]) for each in found),
        "No evaluators. Describe one in a file: gateway config apply FILE",
    )


def _reported(context: typer.Context, run_id: str) -> tuple[RunHead, Report]:
    from gateway.evals.outcomes import report_on

    async def work(store: Store) -> tuple[RunHead, Report]:
        head = await store.evals.runs.head(run_id)
        return head, await report_on(store.evals, run_id)

    return with_store(context, work)


async def _changes(store: Store, run_id: str) -> list[Change]:
    from gateway.evals.service import outdated
    from gateway.registry import Registry

    registry = Registry(store)
    await registry.refresh()
    run = (await store.evals.runs.head(run_id)).run
    return await outdated(run, store.evals, registry)
