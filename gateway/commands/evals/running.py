"""`gateway evals run` and its like: what makes calls, in the command's own process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.config import apply_file
from gateway.commands.evals.options import (
    Csv,
    Files,
    Html,
    JsonFile,
    Junit,
    KeyId,
    RunId,
    RunName,
)
from gateway.commands.evals.results import print_report, write_reports
from gateway.commands.evals.watching import key_of, watched, with_services
from gateway.commands.output import FAILED, note, operator
from gateway.commands.pairs import names, pairs
from gateway.errors import InvalidField

if TYPE_CHECKING:
    from gateway.evals.records import Dataset, Run
    from gateway.evals.reports.report import Report
    from gateway.http.requests import Services

GATE_FAILED = 100
_LOOK_SECONDS = 0.5

Config = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Apply this YAML file first (`gateway config apply`)."
    ),
]
Evaluators = Annotated[
    list[str] | None,
    typer.Option("--evaluator", metavar="NAME", help="An evaluator; repeat for several."),
]
MaxCost = Annotated[float | None, typer.Option(help="Dollars after which no more calls are made.")]


def run(
    context: typer.Context,
    suite: Annotated[
        str | None,
        typer.Argument(metavar="SUITE", help="A suite; without, say what is to be run."),
    ] = None,
    config: Config = None,
    dataset: Annotated[str | None, typer.Option(help="A dataset, by its name.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="A model; repeat for several."),
    ] = None,
    evaluator: Evaluators = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the calls."),
    ] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="Answers for each case.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls at a time.")] = None,
    max_cost: MaxCost = None,
    name: RunName = None,
    key: KeyId = None,
    junit: Junit = None,
    json: JsonFile = None,
    csv: Csv = None,
    html: Html = None,
) -> None:
    """Run a suite, or what the options say, and judge it by its gate.

    Options go before what the suite says. Ctrl-C keeps what was done.
    """
    if config is not None:
        apply_file(context, config)
    given: dict[str, Any] = {
        "suite": suite,
        "dataset": dataset,
        "models": model,
        "evaluators": evaluator,
        "params": pairs("--param", param) or None,
        "repeat": repeat,
        "concurrency": concurrency,
        "max_cost": max_cost,
        "name": name,
    }
    description = {field: value for field, value in given.items() if value is not None}

    async def work(services: Services) -> tuple[Run, Report]:
        begun = await services.runs.start(description, key_of(services, key), operator())
        return await _ended(services, begun.id)

    _conclude(*with_services(context, work), Files(junit, json, csv, html))


def score(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A dataset's name, or a file of YAML, CSV or JSONL."
        ),
    ],
    evaluator: Evaluators = None,
    answers: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column that has the answers.")
    ] = "output",
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME=COLUMN",
            help="Under which name the file has input, expected, id or tags.",
        ),
    ] = None,
    config: Config = None,
    max_cost: MaxCost = None,
    name: RunName = None,
    key: KeyId = None,
    junit: Junit = None,
    json: JsonFile = None,
    csv: Csv = None,
    html: Html = None,
) -> None:
    """Score answers that are there already, without a call but to judges."""
    if config is not None:
        apply_file(context, config)
    if not evaluator:
        raise InvalidField("Say by what to score: --evaluator NAME")
    file = Path(dataset) if Path(dataset).is_file() else None
    described: dict[str, Any] = {
        "name": name or f"Score {Path(dataset).name}",
        "dataset": file.name if file else dataset,
        "models": [f"{{{{item.{answers}}}}}"],
        "evaluators": evaluator,
    }
    if max_cost is not None:
        described["max_cost"] = max_cost
    columns = {theirs: ours for theirs, ours in names("--column", column).items() if ours}

    async def work(services: Services) -> tuple[Run, Report]:
        read = _file(file, columns) if file else None
        begun = await services.runs.start(described, key_of(services, key), operator(), read)
        return await _ended(services, begun.id)

    _conclude(*with_services(context, work), Files(junit, json, csv, html))


def rerun(
    context: typer.Context,
    run_id: RunId,
    name: RunName = None,
    key: KeyId = None,
    junit: Junit = None,
    json: JsonFile = None,
    csv: Csv = None,
    html: Html = None,
) -> None:
    """Run once more what a run was, with its dataset, evaluators and models as they are now."""

    async def work(services: Services) -> tuple[Run, Report]:
        begun = await services.runs.rerun(run_id, name, key_of(services, key), operator())
        return await _ended(services, begun.id)

    _conclude(*with_services(context, work), Files(junit, json, csv, html))


def resume(
    context: typer.Context,
    run_id: RunId,
    max_cost: MaxCost = None,
    junit: Junit = None,
    json: JsonFile = None,
    csv: Csv = None,
    html: Html = None,
) -> None:
    """Do what is left of a run that was stopped, cancelled or killed."""
    from gateway.money import nano_dollars

    cap = None if max_cost is None else nano_dollars(max_cost)

    async def work(services: Services) -> tuple[Run, Report]:
        await _resumed(services, run_id, cap)
        return await _ended(services, run_id)

    _conclude(*with_services(context, work), Files(junit, json, csv, html))


async def _resumed(services: Services, run_id: str, max_cost: int | None) -> None:
    """Take up a run, as soon as it is sure that its process is dead. Raises as `resume`."""
    from gateway.errors import Conflict
    from gateway.store.evals.runs import DEAD_AFTER_SECONDS

    runs = services.store.evals.runs
    patience = time.monotonic() + DEAD_AFTER_SECONDS + 2
    told = False
    while True:
        try:
            return await services.runs.resume(run_id, max_cost, operator())
        except Conflict:
            ended = (await runs.head(run_id)).run.has_ended
            if ended or time.monotonic() > patience:
                raise
        if not told:
            note(f"Waiting to see whether {run_id} is running in another process.")
            told = True
        await asyncio.sleep(_LOOK_SECONDS)


async def _ended(services: Services, run_id: str) -> tuple[Run, Report]:
    from gateway.evals.outcomes import report_on

    return await watched(services, run_id), await report_on(services.store.evals, run_id)


def _conclude(ended: Run, report: Report, files: Files) -> None:
    """Say what came of a run, and end as that asks for."""
    print_report(report)
    write_reports(report, files)
    if ended.status != "completed":
        note(f"Go on: gateway evals resume {ended.id}")
        raise typer.Exit(FAILED)
    if report.verdict is not None and not report.verdict.passed:
        raise typer.Exit(GATE_FAILED)


def _file(path: Path, columns: dict[str, str]) -> Dataset:
    """A dataset that is in a file alone. Raises InvalidField."""
    from gateway.evals.datasets import format_of, read_cases, version_of
    from gateway.evals.records import Dataset
    from gateway.specs import new_id

    cases = read_cases(path.read_bytes(), format_of(path.name), columns, name=path.name)
    now = int(time.time())
    return Dataset(new_id("dataset"), path.name, None, cases, version_of(cases), now, now)
