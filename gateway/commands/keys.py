"""`gateway keys`: issue, list and revoke access keys."""

from __future__ import annotations

import time
from typing import Annotated

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
from gateway.display import key_view

app = typer.Typer(help="Access keys: issue, list, revoke.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="As `gateway keys list` shows it.")]


@app.command()
def create(
    context: typer.Context,
    label: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    rpm: Annotated[
        int | None, typer.Option(help="Requests a minute; no limit if left out.")
    ] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens a minute; no limit if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Issue a key. It is printed this once and kept nowhere.

    Alone on stdout, so that KEY=$(gateway keys create) works.
    """
    from gateway import vault
    from gateway.specs import key_spec

    secret = vault.new_key()
    spec = key_spec({"label": label, "rpm_limit": rpm, "tpm_limit": tpm})
    key = spec.record(secret, int(time.time()))
    with_store(context, lambda store: store.keys.add(key, operator()))
    if as_json:
        print_json({**key_view(key), "key": secret})
    else:
        note(f"Issued {key.id}. The key is shown this once:")
        print(secret)


@app.command("list")
def list_(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List the keys, oldest first."""
    keys = with_store(context, lambda store: store.keys.all())
    views = [key_view(key) for key in keys if every or key.revoked_at is None]
    if as_json:
        print_json(views)
        return
    columns = ("id", "label", "kind", "hint", "state", "rpm_limit", "tpm_limit", "created_at")
    print_table(
        ("ID", "LABEL", "KIND", "KEY", "STATE", "RPM", "TPM", "CREATED"),
        ([view[column] for column in columns] for view in views),
        "No keys. Issue one: gateway keys create --label NAME",
    )


@app.command()
def show(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """Show one key."""
    view = key_view(with_store(context, lambda store: store.keys.get(key_id)))
    print_json(view) if as_json else print_fields(view.items())


@app.command()
def revoke(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """Revoke a key for good. A running gateway refuses it within a second."""
    from gateway.store import Store

    async def work(store: Store) -> dict[str, object]:
        await store.keys.get(key_id)  # raises NotFound
        await store.keys.revoke([key_id], int(time.time()), operator())
        return key_view(await store.keys.get(key_id))

    view = with_store(context, work)
    if as_json:
        print_json(view)
    else:
        note(f"Revoked {key_id}.")
