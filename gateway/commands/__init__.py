"""The `gateway` command.

Modules here import what they need inside their functions where that is heavy: `gateway --help`
must not wait for SQLAlchemy, Starlette or litellm.

Exit codes: 0 done; 1 failed; 2 wrong usage or an invalid value; 3 no such model, key or team;
4 a check (`config check`, `db check`, `doctor`, `models test`) found a problem; 100 the gate of an
evaluation is not passed.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gateway import __version__
from gateway.commands import (
    admin,
    audit,
    config,
    db,
    demo,
    doctor,
    evals,
    keys,
    models,
    prune,
    serve,
    settings,
    teams,
    usage,
)
from gateway.commands.output import FAILED, INVALID, MISSING
from gateway.errors import GatewayError, NotFound
from gateway.settings import DEFAULT_DATABASE_URL, Settings, SettingsError

app = typer.Typer(
    name="gateway",
    help="One endpoint in front of every LLM provider, with models and access keys of your own.",
    epilog=(
        "Exit codes: 0 done, 1 failed, 2 wrong usage or invalid value, 3 no such model, key or "
        "team, 4 a check found a problem."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # rich would add a fifth of a second to every --help.
    rich_markup_mode=None,
)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(teams.app, name="teams")
app.add_typer(config.app, name="config")
app.add_typer(settings.app, name="settings")
app.add_typer(usage.app, name="usage")
app.add_typer(evals.app, name="evals")
app.add_typer(admin.app, name="admin")
app.add_typer(db.app, name="db")
app.command()(serve.serve)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.command()(audit.audit)
app.command()(prune.prune)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def gateway(
    context: typer.Context,
    database_url: Annotated[
        str | None,
        typer.Option(
            help=f"The database, GATEWAY_DATABASE_URL, or {DEFAULT_DATABASE_URL}.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - Typer calls _version
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    environ = dict(os.environ)
    if database_url:
        environ["GATEWAY_DATABASE_URL"] = database_url
    context.obj = Settings.from_env(environ)


def main() -> None:
    """Run the command; errors of the gateway's own become a message and an exit code."""
    try:
        # The same name however it was started: completion goes by it.
        app(prog_name="gateway")
    except GatewayError as error:
        print(f"Error: {error}", file=sys.stderr)
        if isinstance(error, NotFound):
            sys.exit(MISSING)
        # 422: a value that cannot be; the file or the option is to be changed.
        invalid = error.status == 422 or isinstance(error, SettingsError)
        sys.exit(INVALID if invalid else FAILED)
    except FileExistsError as error:
        print(f"Error: {error.filename} exists already; name another file", file=sys.stderr)
        sys.exit(FAILED)
