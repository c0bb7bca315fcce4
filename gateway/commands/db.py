"""`gateway db`: the database as such."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.findings import Finding, integrity, ledger, report, secret_key
from gateway.commands.output import Json, note, print_json
from gateway.settings import Settings, SettingsError

if TYPE_CHECKING:
    from gateway.store import Store
    from gateway.store.copying import Copied

app = typer.Typer(help="Migrate, check, copy or back up the database.", no_args_is_help=True)
_URL = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"


@app.command()
def migrate(context: typer.Context, as_json: Json = False) -> None:
    """Bring the database's schema to this version, as every start of the gateway does."""
    from gateway.store import Store
    from gateway.store.database import head

    async def run() -> str | None:
        database = Store(context.obj).database
        try:
            before = await database.version()
            await database.migrate()
        finally:
            await database.close()
        return before

    before = asyncio.run(run())
    if as_json:
        print_json({"from": before, "to": head()})
    elif before == head():
        note(f"The schema is {head()} already.")
    else:
        note(f"The schema went from {before or 'nothing'} to {head()}.")


@app.command()
def check(context: typer.Context, as_json: Json = False) -> None:
    """Check the database, and change nothing; `gateway doctor` checks what is around it too."""
    report(asyncio.run(_examine(context.obj)), as_json)


async def _examine(settings: Settings) -> list[Finding]:
    from gateway.errors import GatewayError
    from gateway.store import Store
    from gateway.store.database import head

    try:
        async with Store.open(settings, migrate=False) as store:
            return [
                Finding("schema", "ok", head()),
                await integrity(store),
                await secret_key(store),
                *await ledger(store),
                Finding("size", "ok", f"{await store.database.size() / 1e6:.1f} MB"),
                *(
                    Finding(f"rows of {table}", "ok", str(count))
                    for table, count in (await store.database.rows()).items()
                ),
            ]
    except GatewayError as error:
        return [Finding("database", "problem", str(error))]


@app.command()
def copy(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Option("--from", envvar="GATEWAY_COPY_FROM", metavar="URL", help=f"{_URL}."),
    ],
    target: Annotated[
        str,
        typer.Option("--to", envvar="GATEWAY_COPY_TO", metavar="URL", help="Of an empty database."),
    ],
    as_json: Json = False,
) -> None:
    """Copy all data into an empty database, and compare every row afterwards.

    Stop the gateways first. What was interrupted goes on where it was when it is run again.
    """
    copied = asyncio.run(
        _copy(_settings(context, "--from", source), _settings(context, "--to", target))
    )
    if as_json:
        print_json(asdict(copied))
        return
    note(
        f"All {sum(copied.rows.values())} rows are there and the same; {copied.added} were copied "
        "just now."
    )
    if copied.replaced:
        note(
            f"PostgreSQL holds no null characters: in {copied.replaced} text(s), U+FFFD stands "
            "for them."
        )


async def _copy(of: Settings, to: Settings) -> Copied:
    from gateway.store import Store
    from gateway.store.copying import copy

    async with Store.open(of, migrate=False) as source:
        _check_stopped(source)
        target = Store(to).database
        try:
            return await copy(source.database, target, _Progress().tell)
        finally:
            await target.close()


def _settings(context: typer.Context, option: str, url: str) -> Settings:
    """Raises SettingsError."""
    from gateway.store import Store

    settings: Settings = replace(context.obj, database_url=url)
    try:
        Store(settings)
    except SettingsError as error:
        raise SettingsError(str(error).replace("GATEWAY_DATABASE_URL", option)) from None
    return settings


def _check_stopped(source: Store) -> None:
    """Raises CopyRefused."""
    from gateway.left_behind import journals
    from gateway.store.copying import CopyRefused

    running, left = journals(source.files)
    if running:
        raise CopyRefused(f"A gateway runs on {source.database.shown}: stop it first")
    if left:
        raise CopyRefused(
            f"A gateway ended before it had stored all: {', '.join(map(str, left))} has requests "
            f"that are not in {source.database.shown} yet. Start it once, which stores them"
        )


class _Progress:
    """A line for each table; on a terminal, one that is written over."""

    def tell(self, table: str, what: str, done: int, total: int) -> None:
        line = f"{table}: {what} {done} of {total}"
        if sys.stderr.isatty():
            print(f"\r{line}\x1b[K", end="\n" * (done >= total), file=sys.stderr, flush=True)
        elif done >= total:
            note(line)


@app.command()
def backup(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that is not there yet.")],
) -> None:
    """Write a copy of the SQLite file to PATH, also while gateways run on it.

    Keep the secret key too, in another place.
    """
    from gateway.store.sqlite import backup

    settings: Settings = context.obj
    database = settings.database_path
    if database is None:
        raise SettingsError("PostgreSQL is backed up with its own pg_dump, or by its host")
    if not database.exists():
        raise SettingsError(f"There is no database {database}")
    backup(database, path)
    note(f"Wrote {path}, {path.stat().st_size / 1e6:.1f} MB.")
