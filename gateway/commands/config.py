"""`gateway config`: the YAML file that seeds models, teams, keys and settings."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.output import (
    PROBLEM,
    Json,
    note,
    operator,
    print_json,
    print_table,
    with_store,
)

if TYPE_CHECKING:
    from gateway.config.values import Change

app = typer.Typer(
    help="The YAML file of models, teams, keys and settings; LiteLLM's config.yaml works too.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", dir_okay=False, help="Write it here, mode 0600.")
]


@app.command()
def check(
    file: File,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on what is not supported as well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what is wrong with a file, or not supported, by line. Changes nothing.

    Ends with 4 where the file would be refused.
    """
    from gateway.config.file import load

    findings = load(file).check(os.environ)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ("LINE", "LEVEL", "WHERE", "WHAT"),
            ((f.line, f.level, f.path, f.message) for f in findings),
            f"{file} is in order.",
        )
    failing = ("error", "unsupported") if strict else ("error",)
    if any(finding.level in failing for finding in findings):
        raise typer.Exit(PROBLEM)


@app.command()
def apply(context: typer.Context, file: File, as_json: Json = False) -> None:
    """Make the database say what a file says. Applying it again changes nothing."""
    changes = apply_file(context, file)
    if as_json:
        print_json([asdict(change) for change in changes])
        return
    changed = [change for change in changes if change.state != "unchanged"]
    print_table(
        ("WHAT", "NAME", "STATE"),
        ((change.kind, change.name, change.state) for change in changed),
        "Nothing to change.",
    )


@app.command()
def export(context: typer.Context, output: Output = None) -> None:
    """Print the database's models, teams, gateway keys, settings, and what is to be evaluated, as
    such a file.

    Secrets are not in it.
    """
    from gateway.config.export import export as export_store

    _write(with_store(context, export_store), output)


@app.command("import-litellm")
def import_litellm(file: File, output: Output = None) -> None:
    """Translate LiteLLM's config.yaml into a file that works here; lists what is left out."""
    from gateway.config.export import import_litellm as translate
    from gateway.config.file import read_text

    _write(translate(read_text(file)), output)


@app.command()
def schema() -> None:
    """Print the file's JSON Schema, for editors."""
    from gateway.config.schema import json_schema

    print_json(json_schema())


def apply_file(context: typer.Context, file: Path) -> list[Change]:
    """Apply a file, and say on stderr what of it is not supported or needs a look.

    Raises:
        ConfigRefused: The file has errors.
    """
    from gateway.config.file import load
    from gateway.config.seed import apply as apply_config
    from gateway.store import Store

    config = load(file)

    async def work(store: Store) -> Any:
        return await apply_config(store, config, os.environ, operator())

    changes: list[Change] = with_store(context, work)
    for finding in config.check(os.environ):
        note(f"{file}: {finding.level}: {finding}")
    return changes


def _write(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="")
        return
    # A name that is taken is left alone: an export must not be the end of a file kept by hand.
    with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    note(f"Wrote {output}.")
