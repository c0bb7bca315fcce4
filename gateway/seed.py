"""Putting into the store what must be there from the start."""

from __future__ import annotations

import time

from gateway import vault
from gateway.errors import Conflict
from gateway.specs import key_record
from gateway.store import Store

ENVIRONMENT_LABEL = "GATEWAY_ADMIN_KEY"


async def ensure_admin_key(store: Store, given: str | None) -> str | None:
    """See to it that someone can manage the gateway.

    A key given from the environment takes the place of the one that was given before. Without,
    a first key is made and returned, if there is no live admin key yet.

    Raises:
        WeakKey: The given key could be guessed.
    """
    if given is not None:
        vault.check_strength(given, ENVIRONMENT_LABEL)
        await replace_admin_key(store, given, ENVIRONMENT_LABEL)
        return None
    if any(key.is_admin and key.revoked_at is None for key in await store.keys.all()):
        return None
    secret = vault.new_key()
    await replace_admin_key(store, secret, "first start")
    return secret


async def replace_admin_key(store: Store, secret: str, label: str) -> bool:
    """Make `secret` the one admin key under `label`; say whether that changed anything."""
    secret_hash = vault.hash_key(secret)
    keys = await store.keys.all()
    live = [k for k in keys if k.is_admin and k.label == label and k.revoked_at is None]
    if [key.secret_hash for key in live] == [secret_hash]:
        return False
    if any(key.secret_hash == secret_hash for key in keys):
        raise Conflict(
            f"{label} is a key that was revoked, or that has another use; set a new one",
            param=label,
        )
    now = int(time.time())
    key = key_record(secret_hash, vault.hint(secret), now, kind="admin", label=label)
    await store.keys.add(key)
    await store.keys.revoke([old.id for old in live], now)
    return True
