"""`keys:` and `teams:` of a configuration file, and the secrets in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway import vault
from gateway.config.reading import Reading, show
from gateway.config.values import KeyEntry, Secret, TeamEntry
from gateway.errors import InvalidField
from gateway.litellm_names import nearest
from gateway.specs import KeySpec, TeamSpec, key_spec, team_spec
from gateway.yaml_lines import Path

_IDENTITY = ("key", "key_hash")

NOT_IN_A_FILE = {
    "duration": "would give the key another end each time the file is applied; give expires_at, "
    "such as 2027-01-31T00:00:00Z"
}
"""What may be said of a key elsewhere, and why not here."""

KEY_FIELDS = (
    "label",
    *_IDENTITY,
    *(name for name in KeySpec.model_fields if name not in ("label", *NOT_IN_A_FILE)),
)
TEAM_FIELDS = (
    "team_id",
    "name",
    *(n for n in TeamSpec.model_fields if n not in ("team_id", "name")),
)

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def read_keys(reading: Reading, entries: Any, master_key: Secret | None) -> Iterator[KeyEntry]:
    """The keys that are in order, in the file's order."""
    taken: dict[str, str] = {}
    if master_key:
        taken[_fingerprint(master_key)] = master_key.path
    for path, entry in reading.entries(entries, ("keys",)):
        try:
            key = _key(reading, path, entry)
        except InvalidField as error:
            reading.add(reading.place(path, error.param), "error", error.message)
            continue
        same = key.secret_hash or (_fingerprint(key.secret) if key.secret else "")
        if same in taken:
            reading.add(path, "error", f"is the same key as {taken[same]}")
        else:
            taken[same] = key.path
            yield key


def read_teams(reading: Reading, entries: Any) -> Iterator[TeamEntry]:
    """The teams that are in order, in the file's order."""
    taken: dict[tuple[str, str], int] = {}
    for path, entry in reading.entries(entries, ("teams",)):
        try:
            spec = _team(entry)
            for field, value in (("team_id", spec.team_id or ""), ("name", spec.name)):
                if (field, value) in taken:
                    line = taken[field, value]
                    message = f"{value!r} is that of the team in line {line} already"
                    raise InvalidField(message, param=field)
                taken[field, value] = reading.line((*path, field))
        except InvalidField as error:
            reading.add(reading.place(path, error.param), "error", error.message)
        else:
            yield TeamEntry(reading.line(path), show(path), spec)


def read_secret(reading: Reading, path: Path, given: Any) -> Secret:
    """A key at its place in the file. Raises InvalidField."""
    name = str(path[-1])
    if not isinstance(given, str):
        raise InvalidField("takes text, such as os.environ/NAME", param=name)
    reading.refer(given, path)
    if not vault.is_reference(given):
        try:
            vault.check_strength(given, name)
        except vault.WeakKey as error:
            raise InvalidField(error.message, param=name) from None
        message = (
            "a key in plain text; whoever reads the file can use it. Put it into a variable "
            "and write os.environ/NAME"
        )
        if name == "key":
            message += ", or give its SHA-256 as key_hash"
        reading.add(path, "warning", message)
    return Secret(reading.line(path), show(path), given)


def _key(reading: Reading, path: Path, entry: dict[str, Any]) -> KeyEntry:
    for name, why in NOT_IN_A_FILE.items():
        if name in entry:
            raise InvalidField(f"{name} {why}", param=name)
    _check_names(entry, KEY_FIELDS)
    spec = key_spec({name: entry[name] for name in entry if name not in _IDENTITY})
    line, shown = reading.line(path), show(path)
    given, hashed = entry.get("key"), entry.get("key_hash")
    if (given is None) == (hashed is None):
        raise InvalidField("takes either key or key_hash")
    if hashed is not None:
        if not isinstance(hashed, str) or not _SHA256.fullmatch(hashed):
            message = "takes the SHA-256 of the key: 64 hexadecimal digits, in quotes"
            raise InvalidField(message, param="key_hash")
        return KeyEntry(line, shown, spec, secret_hash=hashed.lower())
    return KeyEntry(line, shown, spec, secret=read_secret(reading, (*path, "key"), given))


def _team(entry: dict[str, Any]) -> TeamSpec:
    _check_names(entry, TEAM_FIELDS)
    spec = team_spec(entry)
    if spec.team_id is None:
        # One that is made up would be another each time the file is applied.
        raise InvalidField("team_id is missing: it takes an id of your own choice", param="team_id")
    return spec


def _check_names(entry: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in entry:
        if name not in known:
            meant = nearest(name, known)
            # An error even for LiteLLM's names: a limit left out would let a caller in.
            hint = f"did you mean {meant}?" if meant else f"it takes {', '.join(known)}"
            raise InvalidField(f"no such field; {hint}", param=name)


def _fingerprint(secret: Secret) -> str:
    """The hash of the secret or, as long as it is not looked up, its reference."""
    return secret.text if vault.is_reference(secret.text) else vault.hash_key(secret.text)
