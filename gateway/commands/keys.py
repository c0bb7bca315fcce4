"""`gateway keys`: issue, change, list and revoke access keys."""

# What the options of `create` and `update` say is read from the context, in one place.
# ruff: noqa: ARG001

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
from gateway.commands.pairs import names, numbers, pairs
from gateway.display import key_view, optional_timestamp, spending
from gateway.errors import Conflict
from gateway.money import in_digits

if TYPE_CHECKING:
    from gateway.records import Key
    from gateway.store import Store

app = typer.Typer(help="Access keys: issue, change, list, revoke.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="As `gateway keys list` shows it.")]
Label = Annotated[str | None, typer.Option(help="What the key is for.")]
Team = Annotated[str | None, typer.Option(metavar="ID", help="The team that owns it.")]
User = Annotated[str | None, typer.Option(help="Whoever it is for, in terms of your own.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="It may call this one, * is any text; repeat."),
]
Aliases = Annotated[
    list[str] | None,
    typer.Option("--alias", metavar="NAME=MODEL", help="A name it may ask for a model by."),
]
Expires = Annotated[str | None, typer.Option(help="When it ends: an ISO 8601 time.")]
Duration = Annotated[str | None, typer.Option(help="How long it is good for: 12h, 30d, ….")]
Rpm = Annotated[int | None, typer.Option(help="Requests a minute; no limit if left out.")]
Tpm = Annotated[int | None, typer.Option(help="Tokens a minute; no limit if left out.")]
ModelRpm = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=N", help="Requests a minute to one model, besides --rpm."),
]
ModelTpm = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=N", help="Tokens a minute of one model, besides --tpm."),
]
MaxParallel = Annotated[int | None, typer.Option(metavar="N", help="Requests at the same time.")]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Its requests are filed under this; repeat."),
]


@app.command()
def create(
    context: typer.Context,
    label: Label = None,
    team: Team = None,
    user: User = None,
    model: Models = None,
    alias: Aliases = None,
    expires: Expires = None,
    duration: Duration = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    model_rpm: ModelRpm = None,
    model_tpm: ModelTpm = None,
    max_parallel: MaxParallel = None,
    max_budget: MaxBudget = None,
    soft_budget: SoftBudget = None,
    budget_duration: BudgetDuration = None,
    tag: Tags = None,
    metadata: Metadata = None,
    as_json: Json = False,
) -> None:
    """Issue a key. It is printed this once and kept nowhere.

    Alone on stdout, so that KEY=$(gateway keys create) works.
    """
    from gateway import vault
    from gateway.specs import key_spec

    secret = vault.new_key()
    now = int(time.time())
    key = key_spec(given_fields(_described(context))).record(secret, now)
    with_store(context, lambda store: store.keys.add(key, operator()))
    if as_json:
        print_json({**key_view(key), **spending(key, 0, now), "key": secret})
    else:
        note(f"Issued {key.id}. The key is shown this once:")
        print(secret)


@app.command("list")
def list_(
    context: typer.Context,
    team: Annotated[
        str | None, typer.Option(metavar="ID", help="Those of this team alone.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 1000,
    as_json: Json = False,
) -> None:
    """List the keys, oldest first, with what they have spent in their budget period."""
    from gateway.store.keys import KeyFilter

    wanted = KeyFilter(team_id=team, revoked=None if every else False)
    now = int(time.time())

    async def work(store: Store) -> tuple[list[Key], int, dict[str, int]]:
        keys, total = await store.keys.find(wanted, limit, descending=False)
        if team is not None and not keys:
            await store.teams.get(team)  # raises NotFound
        return keys, total, await store.ledger.spent_by_each(keys, now)

    keys, total, spent = with_store(context, work)
    if as_json:
        print_json([{**key_view(key), **spending(key, spent[key.id], now)} for key in keys])
    else:
        _print_keys(keys, spent, now)
    if total > limit:
        note(f"These are the oldest {limit} of {total} keys; --limit shows more.")


@app.command()
def show(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """Show one key, and what it has spent in its budget period."""

    async def work(store: Store) -> dict[str, Any]:
        return await _view(store, await store.keys.get(key_id))

    view = with_store(context, work)
    print_json(view) if as_json else print_fields(view.items())


@app.command()
def update(
    context: typer.Context,
    key_id: KeyId,
    label: Label = None,
    team: Team = None,
    user: User = None,
    model: Models = None,
    alias: Aliases = None,
    expires: Expires = None,
    duration: Duration = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    model_rpm: ModelRpm = None,
    model_tpm: ModelTpm = None,
    max_parallel: MaxParallel = None,
    max_budget: MaxBudget = None,
    soft_budget: SoftBudget = None,
    budget_duration: BudgetDuration = None,
    tag: Tags = None,
    metadata: Metadata = None,
    unset: Unset = None,
    as_json: Json = False,
) -> None:
    """Change what is given, and leave the rest. A running gateway knows within a second.

    --model and --tag replace all there were. --alias, --model-rpm, --model-tpm and --metadata add
    to them, and NAME= takes one away.
    """
    from gateway.specs import patched_key

    changes = patch(_described(context), unset, "keys update")

    def changed(key: Key) -> Key:
        return patched_key(key, changes, int(time.time()))

    view = _change(context, key_id, changed)
    print_json(view) if as_json else note(f"Changed {key_id}.")


@app.command()
def rotate(
    context: typer.Context,
    key_id: KeyId,
    grace: Annotated[
        str | None, typer.Option(help="How long the old secret stays good: 1h, 7d, …; or not.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a key a new secret. It is printed this once, alone on stdout, and kept nowhere."""
    from gateway import vault
    from gateway.specs import rotated

    secret = vault.new_key()
    given: str | None = context.obj.admin_key

    def changed(key: Key) -> Key:
        if given is not None and vault.hash_key(given) == key.secret_hash:
            raise Conflict(
                "This admin key is the one in GATEWAY_ADMIN_KEY; change it there, and start the "
                "gateway again"
            )
        return rotated(key, secret, grace, int(time.time()))

    view = _change(context, key_id, changed)
    if as_json:
        print_json({**view, "key": secret})
        return
    until = f"is good until {view['rotated_until']}" if grace else "is good no more"
    note(f"Rotated {key_id}; its old secret {until}. The key is shown this once:")
    print(secret)


@app.command()
def block(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """Refuse a key's calls until it is unblocked."""
    view = _change(context, key_id, _blocked(True))
    print_json(view) if as_json else note(f"Blocked {key_id}.")


@app.command()
def unblock(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """Let a blocked key call again."""
    view = _change(context, key_id, _blocked(False))
    print_json(view) if as_json else note(f"Unblocked {key_id}.")


@app.command()
def revoke(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """Revoke a key for good. A running gateway refuses it within a second."""

    async def work(store: Store) -> dict[str, Any]:
        await store.keys.get(key_id)  # raises NotFound
        await store.keys.revoke([key_id], int(time.time()), operator())
        return await _view(store, await store.keys.get(key_id))

    view = with_store(context, work)
    print_json(view) if as_json else note(f"Revoked {key_id}.")


def _described(context: typer.Context) -> dict[str, Any]:
    """What the options say, as a key is described; None, or nothing in it, for what they do not."""
    given = context.params
    return {
        "label": given["label"],
        "team_id": given["team"],
        "user_id": given["user"],
        "models": list(given["model"] or ()),
        "aliases": names("--alias", given["alias"]),
        "expires_at": given["expires"],
        "duration": given["duration"],
        "rpm_limit": given["rpm"],
        "tpm_limit": given["tpm"],
        "model_rpm_limit": numbers("--model-rpm", given["model_rpm"]),
        "model_tpm_limit": numbers("--model-tpm", given["model_tpm"]),
        "max_parallel_requests": given["max_parallel"],
        "max_budget": given["max_budget"],
        "soft_budget": given["soft_budget"],
        "budget_duration": given["budget_duration"],
        "tags": list(given["tag"] or ()),
        "metadata": pairs("--metadata", given["metadata"]),
    }


def _blocked(blocked: bool) -> Callable[[Key], Key]:
    def changed(key: Key) -> Key:
        return replace(key, blocked=blocked, updated_at=int(time.time()))

    return changed


def _change(context: typer.Context, key_id: str, changed: Callable[[Key], Key]) -> dict[str, Any]:
    """Store what `changed` makes of the key; return its view."""

    async def work(store: Store) -> dict[str, Any]:
        return await _view(store, await store.keys.change(key_id, changed, operator()))

    return with_store(context, work)


async def _view(store: Store, key: Key) -> dict[str, Any]:
    now = int(time.time())
    return {**key_view(key), **spending(key, await store.ledger.spent_by(key, now), now)}


def _print_keys(keys: list[Key], spent: dict[str, int], now: int) -> None:
    columns = ("ID", "LABEL", "KIND", "TEAM", "KEY", "STATE", "SPENT", "BUDGET")
    rows = (
        (
            key.id,
            key.label,
            key.kind,
            key.team_id,
            key.hint,
            key.state(now),
            in_digits(spent[key.id]),
            budget_shown(key),
            key.rpm_limit,
            key.tpm_limit,
            optional_timestamp(key.expires_at),
        )
        for key in keys
    )
    print_table(
        (*columns, "RPM", "TPM", "EXPIRES"),
        rows,
        "No keys. Issue one: gateway keys create --label NAME",
    )
