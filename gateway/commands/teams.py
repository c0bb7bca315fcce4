"""`gateway teams`: owners of keys, which share a budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.output import (
    Json,
    note,
    operator,
    print_fields,
    print_json,
    print_table,
    with_store,
)
from gateway.commands.owners import (
    BudgetDuration,
    MaxBudget,
    Metadata,
    SoftBudget,
    Unset,
    budget_shown,
    given_fields,
    patch,
)
from gateway.commands.pairs import pairs
from gateway.display import spending, team_view
from gateway.money import in_digits

if TYPE_CHECKING:
    from gateway.records import Team
    from gateway.store import Store

app = typer.Typer(help="Teams: owners of keys that share a budget.", no_args_is_help=True)

TeamId = Annotated[str, typer.Argument(metavar="ID", help="As `gateway teams list` shows it.")]


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the team is called.")],
    team_id: Annotated[
        str | None, typer.Option("--id", help="An id of your own choice; made up if left out.")
    ] = None,
    max_budget: MaxBudget = None,
    soft_budget: SoftBudget = None,
    budget_duration: BudgetDuration = None,
    metadata: Metadata = None,
    as_json: Json = False,
) -> None:
    """Make a team. Its id is printed alone on stdout."""
    from gateway.specs import team_spec

    described = {
        "team_id": team_id,
        "name": name,
        "max_budget": max_budget,
        "soft_budget": soft_budget,
        "budget_duration": budget_duration,
        "metadata": pairs("--metadata", metadata),
    }
    team = team_spec(given_fields(described)).record(int(time.time()))

    async def work(store: Store) -> dict[str, Any]:
        await store.teams.add(team, operator())
        return await _view(store, team)

    view = with_store(context, work)
    if as_json:
        print_json(view)
    else:
        note(f"Made the team. Give it a key: gateway keys create --team {team.id}")
        print(team.id)


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the teams, with what their keys have spent in the budget period."""
    now = int(time.time())

    async def work(store: Store) -> tuple[list[Team], dict[str, int], dict[str, int]]:
        teams = await store.teams.all()
        keys = await store.keys.count_by_team(team.id for team in teams)
        return teams, keys, await store.ledger.spent_by_each(teams, now)

    teams, keys, spent = with_store(context, work)
    if as_json:
        print_json([{**team_view(team), **spending(team, spent[team.id], now)} for team in teams])
        return
    print_table(
        ("ID", "NAME", "STATE", "KEYS", "SPENT", "BUDGET"),
        (
            (
                team.id,
                team.name,
                "blocked" if team.blocked else "active",
                keys.get(team.id, 0),
                in_digits(spent[team.id]),
                budget_shown(team),
            )
            for team in teams
        ),
        "No teams. Make one: gateway teams create NAME",
    )


@app.command()
def show(context: typer.Context, team_id: TeamId, as_json: Json = False) -> None:
    """Show one team, and what its keys have spent in the budget period."""

    async def work(store: Store) -> dict[str, Any]:
        return await _view(store, await store.teams.get(team_id))

    view = with_store(context, work)
    print_json(view) if as_json else print_fields(view.items())


@app.command()
def update(
    context: typer.Context,
    team_id: TeamId,
    rename: Annotated[str | None, typer.Option(help="What it is called from now on.")] = None,
    max_budget: MaxBudget = None,
    soft_budget: SoftBudget = None,
    budget_duration: BudgetDuration = None,
    metadata: Metadata = None,
    unset: Unset = None,
    as_json: Json = False,
) -> None:
    """Change what is given, and leave the rest. --metadata adds, and NAME= takes one away."""
    from gateway.specs import patched_team

    described = {
        "name": rename,
        "max_budget": max_budget,
        "soft_budget": soft_budget,
        "budget_duration": budget_duration,
        "metadata": pairs("--metadata", metadata),
    }
    changes = patch(described, unset, "teams update")

    def changed(team: Team) -> Team:
        return patched_team(team, changes, int(time.time()))

    view = _change(context, team_id, changed)
    print_json(view) if as_json else note(f"Changed {team_id}.")


@app.command()
def delete(context: typer.Context, team_id: TeamId, as_json: Json = False) -> None:
    """Remove a team that has no keys left but revoked ones. Its usage stays."""
    with_store(context, lambda store: store.teams.remove(team_id, operator()))
    if as_json:
        print_json({"team_id": team_id, "object": "team", "deleted": True})
    else:
        note(f"Deleted {team_id}.")


@app.command()
def block(context: typer.Context, team_id: TeamId, as_json: Json = False) -> None:
    """Refuse the calls of all keys of a team until it is unblocked."""
    view = _change(context, team_id, _blocked(True))
    print_json(view) if as_json else note(f"Blocked {team_id}.")


@app.command()
def unblock(context: typer.Context, team_id: TeamId, as_json: Json = False) -> None:
    """Let the keys of a blocked team call again."""
    view = _change(context, team_id, _blocked(False))
    print_json(view) if as_json else note(f"Unblocked {team_id}.")


def _blocked(blocked: bool) -> Callable[[Team], Team]:
    def changed(team: Team) -> Team:
        return replace(team, blocked=blocked, updated_at=int(time.time()))

    return changed


def _change(
    context: typer.Context, team_id: str, changed: Callable[[Team], Team]
) -> dict[str, Any]:
    """Store what `changed` makes of the team; return its view."""

    async def work(store: Store) -> dict[str, Any]:
        return await _view(store, await store.teams.change(team_id, changed, operator()))

    return with_store(context, work)


async def _view(store: Store, team: Team) -> dict[str, Any]:
    now = int(time.time())
    return {**team_view(team), **spending(team, await store.ledger.spent_by(team, now), now)}
