"""`gateway evals import-openai`: evaluations that were exported from OpenAI's API."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.output import note, operator, with_store
from gateway.errors import InvalidField

if TYPE_CHECKING:
    from gateway.evals.records import Dataset, Evaluator
    from gateway.store import Store


def import_openai(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="JSON: an evaluation as OpenAI's API gives it, or a list of them.",
        ),
    ],
    rows: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help='Its rows: JSONL, {"item": …} a line.'),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Make a suite, too, of these models."),
    ] = None,
) -> None:
    """Make evaluators of its graders, a dataset of its rows, and a suite of both."""
    found = _evals(file)
    if rows is not None and len(found) != 1:
        raise InvalidField(f"--rows are of one evaluation, and {file.name} has {len(found)}")
    if model and rows is None:
        raise InvalidField("--model makes a suite, which needs a dataset: give --rows too")
    evaluators = [evaluator for each in found for evaluator in _evaluators(each)]
    dataset = None if rows is None else _dataset(found[0]["name"], rows)
    with_store(context, lambda store: _add(store, evaluators, dataset, model or []))
    for evaluator in evaluators:
        note(f"Made the evaluator {evaluator.name}.")
    if dataset is not None:
        note(f"Made the dataset {dataset.name} of {len(dataset.cases)} rows.")
    if dataset is not None and model:
        note(f"Made the suite {dataset.name}. Run it: gateway evals run '{dataset.name}'")


async def _add(
    store: Store, evaluators: list[Evaluator], dataset: Dataset | None, models: list[str]
) -> None:
    from gateway.evals.specs import suite_record

    for evaluator in evaluators:
        await store.evals.evaluators.add(evaluator, operator())
    if dataset is None:
        return
    await store.evals.datasets.add(dataset, operator())
    if models:
        described = {
            "name": dataset.name,
            "dataset": dataset.name,
            "models": models,
            "evaluators": [evaluator.name for evaluator in evaluators],
        }
        await store.evals.suites.add(suite_record(described, int(time.time())), operator())


def _evaluators(found: dict[str, Any]) -> list[Evaluator]:
    """Its graders. Raises InvalidRequest and InvalidField."""
    from gateway.evals.openai_wire import evaluators_of

    made = evaluators_of(found.get("testing_criteria"), int(time.time()))
    # Graders of two evaluations may have the same name.
    return [replace(one, name=f"{found['name']}: {one.name}") for one in made]


def _dataset(name: str, rows: Path) -> Dataset:
    """Raises InvalidRequest and InvalidField."""
    from gateway.evals.openai_wire import dataset_of

    content = []
    for number, line in enumerate(rows.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                content.append(json.loads(line))
            except ValueError as error:
                raise InvalidField(f"{rows.name}, line {number}: is no JSON: {error}") from None
    source = {"source": {"type": "file_content", "content": content}}
    return replace(dataset_of(source, int(time.time())), name=name)


def _evals(file: Path) -> list[dict[str, Any]]:
    """Raises InvalidField."""
    try:
        read = json.loads(file.read_bytes())
    except ValueError as error:
        raise InvalidField(f"{file.name} is no JSON: {error}") from None
    if isinstance(read, dict) and isinstance(read.get("data"), list):
        read = read["data"]
    found = read if isinstance(read, list) else [read]
    for each in found:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise InvalidField(f"{file.name} has no evaluation with a name and testing_criteria")
    return found
