"""Putting into the store what must be there from the start, and what a file says."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from gateway import vault
from gateway.config.matching import match, refuse_clashes
from gateway.config.seed_evals import put_evals, refuse_missing
from gateway.config.values import (
    Change,
    ConfigFile,
    ConfigRefused,
    Finding,
    KeyEntry,
    TeamEntry,
)
from gateway.errors import Conflict
from gateway.records import Actor, Key, Model, Team
from gateway.specs import BudgetSpec, TeamSpec, key_record
from gateway.store import Store
from gateway.store.keys import KeyFilter

ENVIRONMENT_LABEL = "GATEWAY_ADMIN_KEY"
MASTER_KEY_LABEL = "master_key"
START = Actor("start")

# What a key or a team has from elsewhere: a file cannot change it.
_OF_THE_STORE = ("id", "created_at", "updated_at")
_OF_A_KEY = (
    *_OF_THE_STORE,
    "kind",
    # It may have been rotated a moment ago.
    "secret_hash",
    "hint",
    "retiring_hash",
    "retiring_until",
    "revoked_at",
)


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
    admins, _ = await store.keys.find(KeyFilter.in_state("active", kind="admin"), limit=1)
    if admins:
        return None
    secret = vault.new_key()
    await replace_admin_key(store, secret, "first start", START)
    return secret


async def replace_admin_key(
    store: Store, secret: str, label: str, by: Actor
) -> Literal["added", "updated", "unchanged", "rotated"]:
    """Let `secret` manage the gateway, in place of the admin key that `label` meant before.

    Raises:
        Conflict: It is a gateway key, one that was revoked, or one from before a rotation.
    """
    now = int(time.time())
    hashed = vault.hash_key(secret)
    if rotated := await store.keys.rotated_out(hashed):
        # As long as the old secret is good, so is what gives it.
        good = hashed == rotated.retiring_hash and now < (rotated.retiring_until or 0)
        if good and rotated.is_admin and rotated.state(now) == "active":
            return "rotated"
        raise Conflict(
            f"{label} is the secret of a key that has a new one since; set the new one", param=label
        )
    same, _ = await store.keys.find(KeyFilter(secret_hash=hashed))
    known = same[0] if same else None
    called, _ = await store.keys.find(KeyFilter(kind="admin", label=label, revoked=False))
    old = [key.id for key in called if key != known]
    if known is None:
        key = key_record(hashed, vault.hint(secret), now, kind="admin", label=label)
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

    Applying a file twice changes nothing the second time. Models are matched as `match` says,
    teams by id, keys by the hash of their secret, and what is of evaluations by name. Whether a key
    or team is blocked changes only where the file says so: it may have been blocked in haste.

    Raises:
        ConfigRefused: The file has errors, a variable that a key or setting needs is not set, or a
            key's team, or what a suite names, is nowhere.
        Conflict: A key has another use, a model's id, or a team's name, belongs to another, or a
            deployment would be there twice.
        VaultError: The store's models were sealed with another secret key.
    """
    resolved = config.resolve(environ)
    now = int(time.time())
    stored_models = await store.models.all()
    stored_teams = {team.id: team for team in await store.teams.all()}
    known_keys = _Known(await store.keys.all(), await store.keys.retired())
    settings = await store.settings.get()
    # Everything that may refuse comes before the first write.
    models = match(config.models, stored_models, now)
    refuse_clashes(models, stored_models)
    _refuse_taken_names(config.teams, stored_teams)
    keys = [
        (entry, known_keys.get(entry, hashed), key_record(hashed, hint, now))
        for hashed, (entry, hint) in resolved.keys.items()
    ]
    _refuse_missing_teams(
        [entry for entry, before, _ in keys if before is None or before.revoked_at is None],
        stored_teams.keys() | {entry.spec.team_id for entry in config.teams},
    )
    await refuse_missing(store.evals, config.evals)
    changes: list[Change] = []
    if resolved.master_key is not None:
        state = await replace_admin_key(store, resolved.master_key, MASTER_KEY_LABEL, by)
        changes.append(Change("admin key", MASTER_KEY_LABEL, state))
    changes += [await _put_model(store, model, before, by) for model, before in models]
    changes += [await _put_team(store, team.spec, stored_teams, by) for team in config.teams]
    changes += [await _put_key(store, entry, before, new, by) for entry, before, new in keys]
    changes += await put_evals(store.evals, config.evals, by)
    for name, value in resolved.settings.items():
        same = getattr(settings, name) == value
        changes.append(Change("setting", name, "unchanged" if same else "updated"))
    if replace(settings, **resolved.settings) != settings:
        await store.settings.put(replace(settings, **resolved.settings), by)
    return changes


class _Known:
    """The store's keys, by secrets they have and had."""

    def __init__(self, keys: Sequence[Key], retired: Mapping[str, str]) -> None:
        by_id = {key.id: key for key in keys}
        self._keys = {hashed: by_id[key_id] for hashed, key_id in retired.items()}
        self._keys |= {key.secret_hash: key for key in keys}

    def get(self, entry: KeyEntry, hashed: str) -> Key | None:
        """Raises Conflict for an admin key."""
        key = self._keys.get(hashed)
        if key is not None and key.is_admin:
            raise Conflict(
                f"{entry.path} in line {entry.line} is an admin key, which cannot be a gateway key "
                "too",
                param=entry.path,
            )
        return key


def _refuse_taken_names(entries: Iterable[TeamEntry], stored: Mapping[str, Team]) -> None:
    owners = {team.name: team.id for team in stored.values()}
    for entry in entries:
        owner = owners.get(entry.spec.name, entry.spec.team_id)
        if owner != entry.spec.team_id:
            raise Conflict(
                f"The name {entry.spec.name!r} of the team {entry.spec.team_id!r} in line "
                f"{entry.line} is that of the team {owner!r}; rename or delete that team first",
                param=f"{entry.path}.name",
            )


def _refuse_missing_teams(entries: Iterable[KeyEntry], known: Collection[str | None]) -> None:
    missing = [
        Finding(
            entry.line,
            f"{entry.path}.team_id",
            "error",
            f"no team has the id {entry.spec.team_id!r}; name it under teams: too",
        )
        for entry in entries
        if entry.spec.team_id is not None and entry.spec.team_id not in known
    ]
    if missing:
        raise ConfigRefused(missing)


async def _put_model(store: Store, model: Model, before: Model | None, by: Actor) -> Change:
    if before is None:
        await store.models.add(model, by, distinct=False)
        return Change("model", model.name, "added")
    if _comparable(model) == _comparable(before):
        return Change("model", model.name, "unchanged")
    # Those that are still to be written may be what this one becomes, and `apply` has looked.
    if model.id == before.id:
        await store.models.change_by_id(model.id, lambda _: model, by, distinct=False)
    else:
        await store.models.remove_by_id(before.id, by)
        await store.models.add(model, by, distinct=False)
    return Change("model", model.name, "updated")


async def _put_team(store: Store, spec: TeamSpec, stored: Mapping[str, Team], by: Actor) -> Change:
    now = int(time.time())
    described = spec.record(now)
    before = stored.get(described.id)
    if before is None:
        await store.teams.add(described, by)
        return Change("team", described.id, "added")

    def changed(team: Team) -> Team:
        return replace(described, **_kept(team, spec, _OF_THE_STORE))

    if _comparable(changed(before)) == _comparable(before):
        return Change("team", described.id, "unchanged")
    await store.teams.change(described.id, lambda team: replace(changed(team), updated_at=now), by)
    return Change("team", described.id, "updated")


async def _put_key(
    store: Store, entry: KeyEntry, before: Key | None, new: Key, by: Actor
) -> Change:
    """`new` is the key's record, without what the file says of it."""
    name = entry.spec.label or entry.path
    now = new.created_at
    described = replace(new, **entry.spec.values_at(now))
    if before is None:
        await store.keys.add(described, by)
        return Change("key", name, "added")
    if before.revoked_at is not None:
        return Change("key", name, "revoked")
    if before.secret_hash != new.secret_hash:
        return Change("key", name, "rotated")

    def changed(key: Key) -> Key:
        return replace(described, **_kept(key, entry.spec, _OF_A_KEY))

    if _comparable(changed(before)) == _comparable(before):
        return Change("key", name, "unchanged")
    await store.keys.change(before.id, lambda key: replace(changed(key), updated_at=now), by)
    return Change("key", name, "updated")


def _kept(stored: Key | Team, spec: BudgetSpec, names: tuple[str, ...]) -> dict[str, Any]:
    if "blocked" not in spec.model_fields_set:
        names = (*names, "blocked")
    return {name: getattr(stored, name) for name in names}


def _comparable(record: Model | Key | Team) -> str:
    # As JSON, in which 1 and true are not the same.
    return json.dumps(asdict(record) | {"created_at": 0, "updated_at": 0}, sort_keys=True)
