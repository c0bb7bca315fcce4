"""`gateway evals dataset`: rows of questions and right answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.output import (
    Json,
    note,
    operator,
    print_json,
    print_table,
    with_store,
)
from gateway.commands.pairs import names
from gateway.errors import InvalidField, NotFound

if TYPE_CHECKING:
    from gateway.evals.records import Dataset
    from gateway.store import Store

app = typer.Typer(help="Datasets: rows of questions and right answers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the dataset is called.")]


@app.command("import")
def import_(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE")],
    append: Annotated[bool, typer.Option("--append", help="Keep the rows that are there.")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME=COLUMN",
            help="Under which name the file has input, expected, id or tags.",
        ),
    ] = None,
) -> None:
    """Read rows from a file of YAML, CSV or JSONL; makes the dataset where there is none."""
    from gateway.evals.datasets import appended, format_of, read_cases
    from gateway.evals.specs import dataset_record, with_cases

    columns = {theirs: ours for theirs, ours in names("--column", column).items() if ours}
    cases = read_cases(file.read_bytes(), format_of(file.name), columns, name=file.name)
    now = int(time.time())

    def changed(old: Dataset) -> Dataset:
        if not append:
            return with_cases(old, cases, now)
        return with_cases(old, appended(old.cases, cases), now)

    async def work(store: Store) -> Dataset:
        try:
            return await store.evals.datasets.change(name, changed, operator())
        except NotFound:
            made = with_cases(dataset_record({"name": name}, now), cases, now)
            await store.evals.datasets.add(made, operator())
            return made

    dataset = with_store(context, work)
    note(f"{dataset.name} has {len(dataset.cases)} rows, version {dataset.version[:12]}.")


@app.command()
def export(
    context: typer.Context,
    name: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="Write it here.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="yaml, csv or jsonl; as the file's name says, or jsonl."),
    ] = None,
) -> None:
    """Print all rows, or write them into a file that can be imported."""
    from gateway.evals.datasets import FORMATS, format_of, write_cases

    wanted = kind or (format_of(output.name) if output else "jsonl")
    if wanted not in FORMATS:
        raise InvalidField(f"--format takes one of {', '.join(FORMATS)}")
    dataset = with_store(context, lambda store: store.evals.datasets.get(name))
    text = write_cases(dataset.cases, wanted)
    if output is None:
        print(text, end="")
        return
    # Lines may end within a cell as it wants.
    output.write_text(text, encoding="utf-8", newline="")
    note(f"Wrote {output}.")


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the datasets."""
    heads = with_store(context, lambda store: store.evals.datasets.all())
    if as_json:
        from gateway.evals.shown import dataset_view

        print_json([dataset_view(head) for head in heads])
        return
    print_table(
        ("NAME", "ROWS", "VERSION", "DESCRIPTION"),
        ((head.name, head.size, head.version[:12], head.description) for head in heads),
        "No datasets. Make one: gateway evals dataset import NAME FILE",
    )


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove a dataset that no suite has. Runs keep what they were made with."""
    with_store(context, lambda store: store.evals.datasets.remove(name, operator()))
    note(f"Removed {name}.")
