"""The YAML file: LiteLLM's `config.yaml`, and `keys:` beside it.

`read` understands what it can and lists all the rest, each with its line, so that nothing in a
file is ignored in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any

from gateway import vault
from gateway.config.values import (
    ConfigFile,
    ConfigUnreadable,
    Finding,
    KeyEntry,
    Level,
    Reference,
    Secret,
    Setting,
    setting,
)
from gateway.config.yaml_lines import Document, Path, Unreadable, read_yaml
from gateway.errors import InvalidField
from gateway.litellm_names import (
    ENTRY,
    GENERAL_SETTINGS,
    LITELLM_SETTINGS,
    PARAMS,
    PER_CALL,
    ROUTER_SETTINGS,
    SO_BY_DESIGN,
    TOP_LEVEL,
    UNSUPPORTED_PARAMS,
    WAYS_OUT,
    is_unsupported_info,
    is_unsupported_param,
    nearest,
)
from gateway.specs import ModelSpec, key_spec, model_spec

SECTIONS = {
    "litellm_settings": LITELLM_SETTINGS,
    "router_settings": ROUTER_SETTINGS,
    "general_settings": GENERAL_SETTINGS,
}
"""The sections of settings and the names LiteLLM knows there."""

SUPPORTED: dict[str, dict[str, str | None]] = {
    "litellm_settings": {"drop_params": "drop_params", "request_timeout": "request_timeout"},
    "router_settings": {"timeout": "request_timeout", "stream_timeout": "stream_timeout"},
    "general_settings": {"master_key": None},
}
"""The settings that can be changed here, and their names in CallSettings."""

KEY_FIELDS = ("label", "key", "key_hash", "rpm_limit", "tpm_limit")
MASTER_KEY: Path = ("general_settings", "master_key")

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_PLAIN_NAME = re.compile(r"[\w-]+")

# Where the file has what an error about a model calls by the gateway's own name.
_PLACES = {
    "api_key": ("api_key", "litellm_params.api_key"),
    "api_version": ("api_version", "litellm_params.api_version"),
    "base_url": ("base_url", "litellm_params.api_base", "litellm_params.base_url"),
    "provider": (
        "provider",
        "litellm_params.custom_llm_provider",
        "litellm_params.model",
        "model_name",
    ),
}


def load(path: FilePath) -> ConfigFile:
    """Read a file.

    Raises:
        ConfigUnreadable: It cannot be opened, or is not UTF-8.
    """
    return read(read_text(path))


def read_text(path: FilePath) -> str:
    """A file's text. Raises what `load` raises."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigUnreadable(f"Cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigUnreadable(f"Cannot read {path}: it is not UTF-8 text") from error


def read(text: str) -> ConfigFile:
    """Read a file's text. Raises nothing: what is wrong with it is in `findings`."""
    try:
        document = read_yaml(text)
    except Unreadable as error:
        return ConfigFile(findings=(Finding(error.line, "", "error", error.message),))
    return _Reader(document).read()


def show(path: Path) -> str:
    """`model_list[0].litellm_params.rpm`; a name of other characters in quotes."""
    parts = ""
    for part in path:
        if isinstance(part, int):
            parts += f"[{part}]"
        elif _PLAIN_NAME.fullmatch(part):
            parts += f".{part}"
        else:
            parts += f"[{json.dumps(part)}]"
    return parts.removeprefix(".")


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._findings: list[Finding] = []
        self._references: list[Reference] = []
        self._master_key: Secret | None = None
        self._settings: dict[str, Setting] = {}

    def read(self) -> ConfigFile:
        for path, line, message in self._document.faults:
            self._findings.append(Finding(line, show(path), "error", message))
        root = self._mapping(self._document.value, ())
        for name in root:
            if name not in {"model_list", "keys", *SECTIONS}:
                self._unknown((name,), root[name], TOP_LEVEL, ["keys", *TOP_LEVEL])
        models = list(self._models(root.get("model_list")))
        for section in SECTIONS:
            self._section(section, self._mapping(root.get(section), (section,)))
        keys = list(self._keys(root.get("keys")))
        return ConfigFile(
            tuple(models),
            tuple(keys),
            self._settings,
            self._master_key,
            tuple(self._references),
            tuple(sorted(set(self._findings))),
        )

    # Models

    def _models(self, entries: Any) -> Iterator[ModelSpec]:
        names: dict[str, int] = {}
        ids: dict[str, int] = {}
        for path, entry in self._entries(entries, ("model_list",)):
            name_path = (*path, "model_name")
            if "*" in str(entry.get("model_name")):
                message = "wildcards are not supported yet; register each model by its name"
                self._add(name_path, "unsupported", message)
                continue
            if entry.get("blocked"):
                message = "blocking is not supported yet, and so the model is left out"
                self._add((*path, "blocked"), "unsupported", message)
                continue
            spec = self._model(path, entry, ids)
            if spec is None:
                continue
            if spec.model_name in names:
                message = (
                    f"{spec.model_name!r} stands in line {names[spec.model_name]} already; several "
                    "deployments of one name are not supported yet, and the first is used"
                )
                self._add(name_path, "unsupported", message)
            else:
                names[spec.model_name] = self._document.line(name_path)
                yield spec

    def _model(self, path: Path, entry: dict[str, Any], ids: dict[str, int]) -> ModelSpec | None:
        cleaned = {name: entry[name] for name in entry if name in ModelSpec.model_fields}
        for name in entry.keys() - cleaned.keys():
            self._unknown((*path, name), entry[name], ENTRY, ModelSpec.model_fields)
        for inner, clean in (("litellm_params", self._params), ("model_info", self._info)):
            # Nothing there is the same as no such name.
            given = cleaned.pop(inner, None)
            if given is not None:
                cleaned[inner] = clean((*path, inner), self._mapping(given, (*path, inner)))
        try:
            spec = model_spec(cleaned)
        except InvalidField as error:
            self._add(self._place(path, error.param), "error", error.message)
            return None
        given_id = spec.model_info.get("id")
        if given_id is not None:
            id_path = (*path, "model_info", "id")
            if given_id in ids:
                message = f"{given_id!r} is the id of the model in line {ids[given_id]} already"
                self._add(id_path, "error", message)
                return None
            ids[given_id] = self._document.line(id_path)
        self._refer(cleaned, path)
        return spec

    def _params(self, path: Path, params: dict[str, Any]) -> dict[str, Any]:
        kept = {}
        for name, value in params.items():
            inner = (*path, name)
            if is_unsupported_param(name):
                self._unsupported(inner, value, f"litellm_params.{name}")
                continue
            known = name in PARAMS or name in PER_CALL
            meant = None if known else nearest(name, PARAMS | UNSUPPORTED_PARAMS)
            if meant:
                message = (
                    f"no such parameter; did you mean {meant}? What only the provider knows goes "
                    "under extra_body"
                )
                self._add(inner, "error", message)
                continue
            kept[name] = value
            if not known:
                message = "litellm has no parameter of this name; the provider gets it as it is"
                self._add(inner, "warning", message)
        return kept

    def _info(self, path: Path, info: dict[str, Any]) -> dict[str, Any]:
        for name, value in info.items():
            if is_unsupported_info(name) and value not in (None, [], {}):
                message = "has no effect yet"
                self._add((*path, name), "unsupported", message)
        given_id = info.get("id")
        if isinstance(given_id, int) and not isinstance(given_id, bool):
            info = info | {"id": str(given_id)}
        return info

    def _place(self, path: Path, param: str | None) -> Path:
        """Where the entry at `path` has the field an error is about."""
        places = _PLACES.get(param or "", (param or "",))
        for place in places:
            inner = (*path, *place.split("."))
            if inner in self._document.lines:
                return inner
        # Deep inside a parameter: the parameter, or what it is in.
        inner = (*path, *places[-1].split("."))
        while inner not in self._document.lines:
            inner = inner[:-1]
        return inner

    # Keys

    def _keys(self, entries: Any) -> Iterator[KeyEntry]:
        taken: dict[str, str] = {}
        if self._master_key:
            taken[_fingerprint(self._master_key)] = self._master_key.path
        for path, entry in self._entries(entries, ("keys",)):
            try:
                key = self._key(path, entry)
            except InvalidField as error:
                self._add(self._place(path, error.param), "error", error.message)
                continue
            same = key.secret_hash or (_fingerprint(key.secret) if key.secret else "")
            if same in taken:
                self._add(path, "error", f"is the same key as {taken[same]}")
            else:
                taken[same] = key.path
                yield key

    def _key(self, path: Path, entry: dict[str, Any]) -> KeyEntry:
        spec_fields = {}
        for name, value in entry.items():
            if name not in KEY_FIELDS:
                meant = nearest(name, KEY_FIELDS)
                # An error even for LiteLLM's names: a limit left out would let a caller in.
                hint = f"did you mean {meant}?" if meant else f"it takes {', '.join(KEY_FIELDS)}"
                raise InvalidField(f"no such field; {hint}", param=name)
            if name not in ("key", "key_hash"):
                spec_fields[name] = value
        spec = key_spec(spec_fields)
        line, shown = self._document.line(path), show(path)
        given, hashed = entry.get("key"), entry.get("key_hash")
        if (given is None) == (hashed is None):
            raise InvalidField("takes either key or key_hash")
        if hashed is not None:
            if not isinstance(hashed, str) or not _SHA256.fullmatch(hashed):
                message = "takes the SHA-256 of the key: 64 hexadecimal digits, in quotes"
                raise InvalidField(message, param="key_hash")
            return KeyEntry(line, shown, spec, secret_hash=hashed.lower())
        return KeyEntry(line, shown, spec, secret=self._secret((*path, "key"), given))

    def _secret(self, path: Path, given: Any) -> Secret:
        """Raises InvalidField."""
        name = str(path[-1])
        if not isinstance(given, str):
            raise InvalidField("takes text, such as os.environ/NAME", param=name)
        self._refer(given, path)
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
            self._add(path, "warning", message)
        return Secret(self._document.line(path), show(path), given)

    # Settings

    def _section(self, section: str, values: dict[str, Any]) -> None:
        supported = SUPPORTED[section]
        for name, value in values.items():
            path = (section, name)
            if value is None:
                self._unknown(path, None, SECTIONS[section], supported)
            elif path == MASTER_KEY:
                try:
                    self._master_key = self._secret(path, value)
                except InvalidField as error:
                    self._add(path, "error", error.message)
            elif (call_setting := supported.get(name)) is not None:
                self._call_setting(path, call_setting, value)
            elif name in SO_BY_DESIGN[section]:
                self._designed(path, value, SO_BY_DESIGN[section][name])
            else:
                self._unknown(path, value, SECTIONS[section], supported)

    def _call_setting(self, path: Path, name: str, value: Any) -> None:
        try:
            value = value if vault.is_reference(value) else setting(name, value)
        except InvalidField as error:
            self._add(path, "error", error.message)
            return
        self._refer(value, path)
        before = self._settings.get(name)
        if before is None:
            self._settings[name] = Setting(self._document.line(path), show(path), value)
        elif before.value != value:
            # _get_non_stream_timeout of litellm's router.py asks for them in this order.
            self._add(
                path, "warning", f"has no effect: {before.path} goes before it, as in LiteLLM"
            )

    def _designed(self, path: Path, value: Any, designed: object) -> None:
        if value != designed or isinstance(value, bool) != isinstance(designed, bool):
            message = f"is not supported: for the gateway it is always {json.dumps(designed)}"
            self._add(path, "unsupported", message)

    # What they share

    def _add(self, path: Path, level: Level, message: str) -> None:
        self._findings.append(Finding(self._document.line(path), show(path), level, message))

    def _unknown(
        self, path: Path, value: Any, of_litellm: Iterable[str], supported: Iterable[str]
    ) -> None:
        """Report a name that has no meaning here: LiteLLM's, or nobody's."""
        name = str(path[-1])
        if name in of_litellm:
            self._unsupported(path, value, show(path))
            return
        if name in supported:
            return
        meant = nearest(name, [*supported, *of_litellm])
        if path[0] == "litellm_settings" and meant is None:
            self._unsupported(path, value, show(path))
            return
        self._add(path, "error", f"no such name{f'; did you mean {meant}?' if meant else ''}")

    def _unsupported(self, path: Path, value: Any, what: str) -> None:
        # A name with nothing in it asks for nothing.
        if value in (None, [], {}):
            return
        way_out = WAYS_OUT.get(what)
        message = f"is not supported; {way_out}" if way_out else "is not supported yet"
        self._add(path, "unsupported", message)

    def _mapping(self, value: Any, path: Path) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        if value is not None:
            self._add(path, "error", "takes names with values")
        return {}

    def _entries(self, value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
        if value is not None and not isinstance(value, list):
            self._add(path, "error", "takes a list")
            return
        for index, entry in enumerate(value or []):
            inner = (*path, index)
            if isinstance(entry, dict):
                yield inner, entry
            else:
                self._add(inner, "error", "takes names with values")

    def _refer(self, value: Any, path: Path) -> None:
        """Note the references to variables in a value."""
        if isinstance(value, dict):
            for name, item in value.items():
                self._refer(item, (*path, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self._refer(item, (*path, index))
        elif vault.is_reference(value):
            name = value.removeprefix(vault.REFERENCE_PREFIX)
            self._references.append(Reference(self._document.line(path), show(path), name))


def _fingerprint(secret: Secret) -> str:
    """The hash of the secret or, as long as it is not looked up, its reference."""
    return secret.text if vault.is_reference(secret.text) else vault.hash_key(secret.text)
