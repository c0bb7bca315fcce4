"""`gateway admin`: the keys that manage the gateway."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gateway.commands.output import Json, note, operator, print_json, with_store
from gateway.display import key_view

app = typer.Typer(help="Admin keys.", no_args_is_help=True)


@app.command("create-key")
def create_key(
    context: typer.Context,
    label: Annotated[str, typer.Option(help="Whose key it is.")],
    as_json: Json = False,
) -> None:
    """Make one more admin key. It is printed this once, alone on stdout."""
    from gateway import vault
    from gateway.specs import key_spec

    secret = vault.new_key()
    key = key_spec({"label": label}).record(secret, int(time.time()), kind="admin")
    with_store(context, lambda store: store.keys.add(key, operator()))
    if as_json:
        print_json({**key_view(key), "key": secret})
        return
    note(f"Made {key.id}. The key is shown this once:")
    print(secret)


@app.command("rotate-key")
def rotate_key(
    context: typer.Context,
    label: Annotated[str, typer.Option(help="What the new key is called.")] = "rotated",
    as_json: Json = False,
) -> None:
    """Make a new admin key and revoke all others. It is printed this once, alone on stdout."""
    from gateway import vault
    from gateway.specs import key_spec
    from gateway.store import Store

    secret = vault.new_key()
    now = int(time.time())
    key = key_spec({"label": label}).record(secret, now, kind="admin")

    async def work(store: Store) -> int:
        others = [other.id for other in await store.keys.all() if other.is_admin]
        # The new one first: there is never a moment without an admin key.
        await store.keys.add(key, operator())
        return await store.keys.revoke(others, now, operator())

    revoked = with_store(context, work)
    if as_json:
        print_json({**key_view(key), "key": secret, "revoked": revoked})
        return
    note(f"Made {key.id}, revoked {revoked} other admin key(s). The key is shown this once:")
    print(secret)
    if context.obj.admin_key:
        note(
            "GATEWAY_ADMIN_KEY is set here and now revoked: set it to the new key, or unset it, "
            "before the gateway starts again."
        )
