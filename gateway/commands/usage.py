"""`gateway usage`: what requests added up to, single ones, and those that come in now."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gateway.commands.output import Json, note, print_json, with_store
from gateway.errors import InvalidField, NotFound
from gateway.records import OUTCOMES, LedgerRow

if TYPE_CHECKING:
    from gateway.store import Store
    from gateway.usage import Dimension, Names, Report, UsageFilter

_POLL_SECONDS = 0.5
_BATCH = 500

app = typer.Typer(
    help="What requests added up to, those groups first that cost most; in the last 30 days.\n\n"
    "By day they come in order. A request counts under each of its tags, and once in the total."
)

Since = Annotated[
    str | None,
    typer.Option(help="7d or 1mo (whole days in UTC, with today), 12h, a day or an ISO 8601 time."),
]
Until = Annotated[str | None, typer.Option(help="Likewise; a day is part of it.")]
Key = Annotated[str | None, typer.Option(metavar="ID", help="Of this key, by its id or label.")]
Team = Annotated[str | None, typer.Option(metavar="ID", help="Of this team, by its id or name.")]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="To this registered model.")]
Provider = Annotated[str | None, typer.Option(help="To models of this provider.")]
Tag = Annotated[str | None, typer.Option(help='Filed under this tag; "" for none.')]
Status = Annotated[int | None, typer.Option(min=100, max=599, help="Answered with this status.")]
OfOutcome = Annotated[str | None, typer.Option("--outcome", help=f"One of {', '.join(OUTCOMES)}.")]
EndUser = Annotated[str | None, typer.Option(help="Whom the caller named as `user`.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


@app.callback(invoke_without_command=True)
def usage(
    context: typer.Context,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Group by day, key, team, model, provider, tag or end_user; repeat for several. "
            "By model if left out.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    team: Team = None,
    model: Model = None,
    provider: Provider = None,
    tag: Tag = None,
    status: Status = None,
    outcome: OfOutcome = None,
    end_user: EndUser = None,
    percentiles: Annotated[
        bool, typer.Option("--percentiles", help="Of latency and time to the first token too.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The most groups to show.")] = 1000,
    chart: Annotated[
        bool | None,
        typer.Option(
            "--chart/--no-chart",
            help="Bars by day; on a terminal unless asked.",
            show_default=False,
        ),
    ] = None,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    _check_form(as_csv, as_json, chart)
    group_by = _group_by(by)
    charted = not (as_csv or as_json) and (sys.stdout.isatty() if chart is None else chart)

    async def work(store: Store) -> tuple[Report, Names, Report | None]:
        wanted = await _wanted(
            store, since=since, until=until, key=key, team=team, model=model, provider=provider,
            tag=tag, status=status, outcome=outcome, end_user=end_user,
        )  # fmt: skip
        reads = store.usage
        report = await reads.report(wanted, group_by, limit, percentiles)
        by_day = await reads.report(wanted, ("day",), 100_000) if charted else None
        return report, await reads.names_in(report), by_day

    with _options_named():
        report, names, by_day = with_store(context, work)
    if as_json or as_csv:
        _print_plain(report, names, as_csv)
    else:
        _print_report(report, names, by_day)
    if report.more:
        note(f"These are the {limit} groups that cost most; --limit shows more.")


@app.command("requests")
def requests_(
    context: typer.Context,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    team: Team = None,
    model: Model = None,
    provider: Provider = None,
    tag: Tag = None,
    status: Status = None,
    outcome: OfOutcome = None,
    end_user: EndUser = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The most to show.")] = 20,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List single requests, the newest first."""
    from gateway.spreadsheets import csv_text
    from gateway.usage import REQUEST_COLUMNS, request_view

    _check_form(as_csv, as_json)

    async def work(store: Store) -> tuple[list[LedgerRow], bool, Names]:
        wanted = await _wanted(
            store, since=since, until=until, key=key, team=team, model=model, provider=provider,
            tag=tag, status=status, outcome=outcome, end_user=end_user,
        )  # fmt: skip
        reads = store.usage
        rows, more = await reads.requests(wanted, limit)
        names = await reads.names((row.key_id for row in rows), (row.team_id for row in rows))
        return rows, more, names

    with _options_named():
        rows, more, names = with_store(context, work)
    if as_json:
        print_json([request_view(row, names) for row in rows])
    elif as_csv:
        sys.stdout.write(csv_text(REQUEST_COLUMNS, (request_view(row, names) for row in rows)))
    elif rows:
        from gateway.commands.usage_output import print_requests

        print_requests(rows, names)
    else:
        note("No such requests.")
    if more:
        note(f"These are the newest {limit}; --limit shows more, --until older ones.")


@app.command()
def tail(
    context: typer.Context,
    key: Key = None,
    team: Team = None,
    model: Model = None,
    provider: Provider = None,
    tag: Tag = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> None:
    """Show requests as they end, until Ctrl-C. The gateway may run in another process."""

    async def work(store: Store) -> None:
        wanted = await _wanted(store, key=key, team=team, model=model, provider=provider, tag=tag)
        await _follow(store, wanted, as_json)

    with contextlib.suppress(KeyboardInterrupt):
        with_store(context, work)


async def _follow(store: Store, wanted: UsageFilter, as_json: bool) -> None:
    from gateway.commands.usage_output import request_line
    from gateway.usage import request_view

    reads = store.usage
    position = await store.ledger.last_position()
    note("Waiting for requests; Ctrl-C ends.")
    while True:
        found = await store.ledger.after(position, _BATCH)
        rows = [row for _, row in found if _is_wanted(row, wanted)]
        names = await reads.names((row.key_id for row in rows), (row.team_id for row in rows))
        for row in rows:
            if as_json:
                line = json.dumps(request_view(row, names), ensure_ascii=False)
            else:
                line = request_line(row, names)
            print(line, flush=True)
        if found:
            position = found[-1][0]
        if len(found) < _BATCH:
            await asyncio.sleep(_POLL_SECONDS)


def _is_wanted(row: LedgerRow, wanted: UsageFilter) -> bool:
    of_row = {
        "team_id": row.team_id or "",
        "model": row.served_model or "",
        "provider": row.provider or "",
    }
    return (
        (wanted.key_ids is None or row.key_id in wanted.key_ids)
        and all(getattr(wanted, name) in (None, value) for name, value in of_row.items())
        and (wanted.tag is None or wanted.tag in (row.tags or ("",)))
    )


async def _wanted(store: Store, **given: Any) -> UsageFilter:
    """The filter that the options stand for. Raises InvalidField, NotFound."""
    from gateway.usage import UsageFilter, end_time, start_time

    now = int(time.time())
    since, until = given.pop("since", None), given.pop("until", None)
    key, team, outcome = given.pop("key"), given.pop("team"), given.get("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidField(f"--outcome takes one of {', '.join(OUTCOMES)}")
    return UsageFilter(
        start=None if since is None else start_time("--since", since, now),
        end=None if until is None else end_time("--until", until, now),
        key_ids=None if key is None else await _key_ids(store, key),
        team_id=None if team is None else await _team_id(store, team),
        **given,
    )


async def _key_ids(store: Store, name: str) -> list[str]:
    """The key with this id, or those with this label, revoked ones too. Raises NotFound."""
    from gateway.store.keys import KeyFilter

    labelled, _ = await store.keys.find(KeyFilter(label=name))
    if labelled:
        return [key.id for key in labelled]
    try:
        return [(await store.keys.get(name)).id]
    except NotFound:
        raise NotFound(f"No key has the id or label {name!r}") from None


async def _team_id(store: Store, name: str) -> str:
    """Raises NotFound, but not for a team that is gone and has left usage."""
    from gateway.usage import UsageFilter

    for team in await store.teams.all():
        if name in (team.id, team.name):
            return team.id
    left = await store.usage.report(UsageFilter(start=0, team_id=name))
    if not left.total.sums.requests:
        raise NotFound(f"No team has the id or name {name!r}")
    return name


def _group_by(given: list[str] | None) -> tuple[Dimension, ...]:
    from gateway.usage import DIMENSIONS

    names = [name.strip() for each in given or ["model"] for name in each.split(",")]
    for name in names:
        if name not in DIMENSIONS:
            raise InvalidField(f"--by takes {', '.join(DIMENSIONS)}, not {name!r}")
    return cast("tuple[Dimension, ...]", tuple(dict.fromkeys(names)))


def _refuse_options(context: typer.Context) -> None:
    """An option in front of a subcommand would be lost. Raises InvalidField."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            option = f"--{name.removeprefix('as_').replace('_', '-')}"
            raise InvalidField(f"{option} goes behind {context.invoked_subcommand}, if it has it")


def _check_form(as_csv: bool, as_json: bool, chart: bool | None = None) -> None:
    if as_csv and as_json:
        raise InvalidField("Give one of --csv and --json")
    if chart and (as_csv or as_json):
        raise InvalidField("--chart goes with the table, not with --csv or --json")


@contextlib.contextmanager
def _options_named() -> Iterator[None]:
    """Have errors about a time name the option that it came from."""
    try:
        yield
    except InvalidField as error:
        option = {"start": "--since", "end": "--until"}.get(error.param or "")
        if option is None:
            raise
        raise InvalidField(f"{option}: {error.message}", param=option) from None


def _print_plain(report: Report, names: Names, as_csv: bool) -> None:
    from gateway.spreadsheets import csv_text
    from gateway.usage import group_columns, report_view

    view = report_view(report, names)
    if as_csv:
        columns = [*group_columns(report.group_by), *view["total"]]
        sys.stdout.write(csv_text(columns, view["data"]))
    else:
        print_json(view)


def _print_report(report: Report, names: Names, by_day: Report | None) -> None:
    from gateway.commands.usage_output import chart, print_report
    from gateway.display import timestamp

    sums = report.total.sums
    span = f"{timestamp(report.start)} to {timestamp(report.end)}"
    if not sums.requests:
        note(f"No such requests from {span}.")
        return
    print_report(report, names)
    for line in chart(by_day, int(time.time())) if by_day else ():
        print(line)
    note(f"From {span}.")
    if sums.unpriced:
        note(f"{sums.unpriced:,} request(s) have no known price and count as $0.")
    if sums.estimated:
        note(f"The tokens of {sums.estimated:,} request(s) are estimates.")
