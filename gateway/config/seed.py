"""Putting into the store what must be there from the start, and what a file says."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from gateway import vault
from gateway.config.values import ConfigFile, KeyEntry
from gateway.errors import Conflict
from gateway.records import Actor, Key, Model
from gateway.specs import ModelSpec, key_record
from gateway.store import Store

ENVIRONMENT_LABEL = "GATEWAY_ADMIN_KEY"
MASTER_KEY_LABEL = "master_key"
START = Actor("start")

# What a key has from elsewhere: a file cannot change it.
_NOT_OF_THE_FILE = [
    "id",
    "kind",
    "hint",
    "retiring_hash",
    "retiring_until",
    "updated_at",
    "revoked_at",
]


@dataclass(frozen=True, slots=True)
class Change:
    """What applying a file did to one thing it names; holds no secret.

    Attributes:
        kind: What sort of thing it is.
        name: A model's name, a key's label or its place in the file, a setting's name.
        state: `revoked`: the key was revoked before, and stays so.
    """

    kind: Literal["model", "key", "setting", "admin key"]
    name: str
    state: Literal["added", "updated", "unchanged", "revoked"]


async def ensure_admin_key(store: Store, given: str | None) -> str | None:
    """See to it that someone can manage the gateway.

    A key given from the environment takes the place of the one that was given before. Without,
    a first key is made and returned, if there is no live admin key yet.

    Raises:
        WeakKey: The given key could be guessed.
    """
    if given is not None:
        vault.check_strength(given, ENVIRONMENT_LABEL)
        await replace_admin_key(store, given, ENVIRONMENT_LABEL, START)
        return None
    if any(key.is_admin and key.revoked_at is None for key in await store.keys.all()):
        return None
    secret = vault.new_key()
    await replace_admin_key(store, secret, "first start", START)
    return secret


async def replace_admin_key(
    store: Store, secret: str, label: str, by: Actor
) -> Literal["added", "updated", "unchanged"]:
    """Let `secret` manage the gateway, in place of the admin key that `label` meant before.

    Raises:
        Conflict: It is a gateway key, or one that was revoked.
    """
    keys = await store.keys.all()
    known = next((key for key in keys if key.secret_hash == vault.hash_key(secret)), None)
    old = [
        key.id
        for key in keys
        if key.is_admin and key.label == label and key.revoked_at is None and key != known
    ]
    now = int(time.time())
    if known is None:
        key = key_record(vault.hash_key(secret), vault.hint(secret), now, kind="admin", label=label)
        await store.keys.add(key, by)
    elif not known.is_admin or known.revoked_at is not None:
        raise Conflict(
            f"{label} is a key that was revoked, or that has another use; set a new one",
            param=label,
        )
    # It may be an admin key under another label already, given in two ways.
    if old:
        await store.keys.revoke(old, now, by)
        return "updated"
    return "unchanged" if known else "added"


async def apply(
    store: Store, config: ConfigFile, environ: Mapping[str, str], by: Actor
) -> list[Change]:
    """Make the store say what the file says, and leave alone what the file does not name.

    Returns a change for each thing the file names, also where nothing is different now.

    Applying a file twice changes nothing the second time. Models are matched by name, keys by
    the hash of their secret.

    Raises:
        ConfigRefused: The file has errors, or a variable that a key or setting needs is not set.
        Conflict: A key has another use, or a model's id belongs to another model.
        VaultError: The store's models were sealed with another secret key.
    """
    resolved = config.resolve(environ)
    now = int(time.time())
    stored_models = {model.name: model for model in await store.models.all()}
    stored_keys = {key.secret_hash: key for key in await store.keys.all()}
    settings = await store.settings.get()
    # Everything that may refuse comes before the first write.
    models = [_next_model(spec, stored_models, now) for spec in config.models]
    _refuse_taken_ids(models, stored_models)
    keys = [
        (entry, stored_keys.get(hashed), _next_key(entry, hashed, hint, stored_keys, now))
        for hashed, (entry, hint) in resolved.keys.items()
    ]
    changes: list[Change] = []
    if resolved.master_key is not None:
        state = await replace_admin_key(store, resolved.master_key, MASTER_KEY_LABEL, by)
        changes.append(Change("admin key", MASTER_KEY_LABEL, state))
    changes += [
        await _put_model(store, model, stored_models.get(model.name), by) for model in models
    ]
    changes += [await _put_key(store, entry, before, key, by) for entry, before, key in keys]
    for name, value in resolved.settings.items():
        same = getattr(settings, name) == value
        changes.append(Change("setting", name, "unchanged" if same else "updated"))
    if replace(settings, **resolved.settings) != settings:
        await store.settings.put(replace(settings, **resolved.settings), by)
    return changes


def _next_model(spec: ModelSpec, stored: Mapping[str, Model], now: int) -> Model:
    before = stored.get(spec.model_name)
    if before is None:
        return spec.record(None, None, now)
    return spec.record(spec.model_info.get("id") or before.id, before.created_at, now)


def _refuse_taken_ids(models: list[Model], stored: Mapping[str, Model]) -> None:
    owners = {model.id: model.name for model in stored.values()}
    for model in models:
        owner = owners.get(model.id, model.name)
        if owner != model.name:
            raise Conflict(
                f"The id {model.id!r} of the model {model.name!r} belongs to the registered model "
                f"{owner!r}; delete that model first, or leave model_info.id out",
                param="model_info.id",
            )


def _next_key(entry: KeyEntry, hashed: str, hint: str, stored: Mapping[str, Key], now: int) -> Key:
    spec = entry.spec
    before = stored.get(hashed)
    if before is None:
        return key_record(hashed, hint, now, **spec.values_at(now))
    if before.is_admin:
        raise Conflict(
            f"{entry.path} in line {entry.line} is an admin key, which cannot be a gateway key too",
            param=entry.path,
        )
    described = key_record(hashed, hint, before.created_at, **spec.values_at(now))
    kept = {name: getattr(before, name) for name in _NOT_OF_THE_FILE}
    return replace(described, **kept)


async def _put_model(store: Store, model: Model, before: Model | None, by: Actor) -> Change:
    if before is None:
        await store.models.add(model, by)
        return Change("model", model.name, "added")
    if _comparable(model) == _comparable(before):
        return Change("model", model.name, "unchanged")
    if model.id == before.id:
        await store.models.change(model.name, lambda _: model, by)
    else:
        await store.models.remove(before.name, by)
        await store.models.add(model, by)
    return Change("model", model.name, "updated")


async def _put_key(
    store: Store, entry: KeyEntry, before: Key | None, key: Key, by: Actor
) -> Change:
    name = key.label or entry.path
    if before is None:
        await store.keys.add(key, by)
        return Change("key", name, "added")
    if before.revoked_at is not None:
        return Change("key", name, "revoked")
    if key == before:
        return Change("key", name, "unchanged")
    now = int(time.time())
    await store.keys.change(key.id, lambda _: replace(key, updated_at=now), by)
    return Change("key", name, "updated")


def _comparable(model: Model) -> str:
    # As JSON, in which 1 and true are not the same.
    return json.dumps(asdict(model) | {"created_at": 0, "updated_at": 0}, sort_keys=True)
