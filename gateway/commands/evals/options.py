"""Options that commands about runs share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

RunId = Annotated[str, typer.Argument(metavar="RUN", help="As `gateway evals list` shows it.")]
KeyId = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="ID",
        help="The key whose calls these are: its models, limits and budget hold.",
    ),
]
RunName = Annotated[str | None, typer.Option("--name", help="What the run is called.")]
Junit = Annotated[
    Path | None, typer.Option("--junit", dir_okay=False, help="Write JUnit XML, for CI servers.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="Write all of it as JSON.")
]
Csv = Annotated[
    Path | None, typer.Option("--csv", dir_okay=False, help="Write a row for each score.")
]
Html = Annotated[
    Path | None, typer.Option("--html", dir_okay=False, help="Write a page to look at.")
]


@dataclass(frozen=True, slots=True)
class Files:
    """Where reports go."""

    junit: Path | None
    json: Path | None
    csv: Path | None
    html: Path | None
