"""`gateway prune`: remove old rows of the ledger now, and give the space back."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.output import Json, note, operator, print_json, with_store
from gateway.errors import InvalidField

if TYPE_CHECKING:
    from gateway.store import Store


def prune(
    context: typer.Context,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="How old: 30d, 6mo, …; maximum_spend_logs_retention_period if left out.",
        ),
    ] = None,
    transcripts: Annotated[
        bool, typer.Option("--transcripts", help="Prompts and answers alone, of any age.")
    ] = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum", help="Then write the file anew, without the space that became free."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, and do not only count.")] = False,
    as_json: Json = False,
) -> None:
    """Count the ledger's rows that are older than AGE; remove them with --yes.

    Sums by day stay. A running gateway does this by itself, every hour, for rows that are older
    than the setting says.
    """
    now = int(time.time())

    async def work(store: Store) -> dict[str, Any]:
        from gateway.display import timestamp
        from gateway.retention import in_batches

        since = now - _age(before, transcripts) if before else await _kept_since(store, now)
        expired = await store.pruning.expired(since * 1000)
        if transcripts:
            expired = replace(expired, rows=0)
        found = {"started_before": timestamp(since), **asdict(expired), "removed": yes}
        if yes:
            await store.pruning.note(expired, since, operator())
            table = store.transcripts if transcripts else store.ledger
            await in_batches(table.remove_before, since)
        if vacuum:
            size = await store.database.size()
            await store.database.vacuum()
            found["bytes_freed"] = max(0, size - await store.database.size())
        return found

    if vacuum and not yes:
        raise typer.BadParameter("--vacuum goes with --yes")

    found = with_store(context, work)
    if as_json:
        print_json(found)
        return
    what = f"{found['rows']} row(s) and {found['transcripts']} transcript(s)"
    if yes:
        note(f"Removed {what} from before {found['started_before']}.")
        if vacuum:
            note(f"The database is {found['bytes_freed'] / 1e6:.1f} MB smaller.")
    else:
        note(f"There are {what} from before {found['started_before']}; --yes removes them.")


def _age(text: str, any_age: bool) -> int:
    """Raises InvalidField."""
    from gateway import periods
    from gateway.specs import setting

    try:
        if any_age:
            return periods.seconds(text)
        return periods.seconds(setting("maximum_spend_logs_retention_period", text))
    except ValueError:
        raise InvalidField(
            "--before takes a length of time such as 30d", param="--before"
        ) from None
    except InvalidField as error:
        raise InvalidField(f"--before {error.message}", param="--before") from None


async def _kept_since(store: Store, now: int) -> int:
    """Raises InvalidField where the settings keep all."""
    from gateway.retention import kept_since

    since = kept_since(await store.settings.get(), now)
    if since is None:
        raise InvalidField(
            "maximum_spend_logs_retention_period is forever; say with --before how old they are",
            param="--before",
        )
    return since
