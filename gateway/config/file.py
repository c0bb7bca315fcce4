"""The YAML file: LiteLLM's `config.yaml`, and `keys:`, `teams:` and `evals:` beside it.

`read` understands what it can and lists all the rest, each with its line, so that nothing in a
file is ignored in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

from gateway import vault
from gateway.catalogue import Catalogue
from gateway.config.read_cache import check_cache, read_cache_params
from gateway.config.read_evals import SECTION as EVALS
from gateway.config.read_evals import read_evals
from gateway.config.read_models import read_models
from gateway.config.read_owners import read_keys, read_secret, read_teams
from gateway.config.reading import Reading, show
from gateway.config.values import (
    ConfigFile,
    ConfigUnreadable,
    Finding,
    Secret,
    Setting,
)
from gateway.errors import InvalidField
from gateway.evals.specs.datasets import ReadFile
from gateway.litellm_names import (
    GENERAL_SETTINGS,
    LITELLM_SETTINGS,
    ROUTER_SETTINGS,
    SO_BY_DESIGN,
    TOP_LEVEL,
)
from gateway.specs import ModelSpec, setting
from gateway.specs.routing import Unsupported, loose_ends
from gateway.yaml_lines import Path, Unreadable, read_yaml

SECTIONS = {
    "litellm_settings": LITELLM_SETTINGS,
    "router_settings": ROUTER_SETTINGS,
    "general_settings": GENERAL_SETTINGS,
}
"""The sections of settings and the names LiteLLM knows there."""

_IN_BOTH = (
    "allowed_fails", "content_policy_fallbacks", "context_window_fallbacks", "default_fallbacks",
    "fallbacks", "max_fallbacks", "num_retries",
)  # fmt: skip
# The first is the gateway's own.
_OF_THE_ROUTER = (
    "first_token_timeout", "cooldown_time", "model_group_alias", "retry_after", "retry_policy",
    "routing_strategy", "stream_timeout",
)  # fmt: skip

SUPPORTED: dict[str, dict[str, str | None]] = {
    "litellm_settings": {
        "cache": "cache",
        "cache_params": "cache_params",
        "drop_params": "drop_params",
        "request_timeout": "request_timeout",
        **{name: name for name in _IN_BOTH},
    },
    "router_settings": {
        "timeout": "request_timeout",
        **{name: name for name in _IN_BOTH},
        **{name: name for name in _OF_THE_ROUTER},
    },
    "general_settings": {
        "master_key": None,
        "maximum_spend_logs_retention_period": "maximum_spend_logs_retention_period",
        "redact_stored_prompts": "redact_stored_prompts",
        "store_prompts_in_spend_logs": "store_prompts_in_spend_logs",
    },
}
"""The settings that can be changed here, and their names in CallSettings."""

OWN_SECTIONS = ("keys", "teams", EVALS)
"""What LiteLLM's file does not have."""

MASTER_KEY: Path = ("general_settings", "master_key")


def load(path: FilePath) -> ConfigFile:
    """Read a file.

    Raises:
        ConfigUnreadable: It cannot be opened, or is not UTF-8.
    """
    return read(read_text(path), lambda name: (path.parent / name).read_bytes())


def read_text(path: FilePath) -> str:
    """A file's text. Raises what `load` raises."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigUnreadable(f"Cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigUnreadable(f"Cannot read {path}: it is not UTF-8 text") from error


def read(text: str, read_file: ReadFile | None = None) -> ConfigFile:
    """Read a file's text. Raises nothing: what is wrong with it is in `findings`.

    `read_file` reads the files that datasets name.
    """
    try:
        document = read_yaml(text)
    except Unreadable as error:
        return ConfigFile(findings=(Finding(error.line, "", "error", error.message),))
    reading = Reading(document)
    root = reading.mapping(document.value, ())
    for name in root:
        if name not in {"model_list", *OWN_SECTIONS, *SECTIONS}:
            reading.unknown((name,), root[name], TOP_LEVEL, [*OWN_SECTIONS, *TOP_LEVEL])
    models = tuple(read_models(reading, root.get("model_list")))
    sections = _Sections(reading)
    for section in SECTIONS:
        sections.read(section, reading.mapping(root.get(section), (section,)))
    sections.check(models)
    return ConfigFile(
        models=models,
        teams=tuple(read_teams(reading, root.get("teams"))),
        keys=tuple(read_keys(reading, root.get("keys"), sections.master_key)),
        settings=sections.settings,
        evals=read_evals(reading, root.get(EVALS), read_file),
        master_key=sections.master_key,
        references=tuple(reading.references),
        findings=tuple(sorted(set(reading.findings))),
    )


class _Sections:
    """The sections of settings.

    Attributes:
        settings: By their names in CallSettings; only those the file names.
        master_key: An admin key.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.settings: dict[str, Setting] = {}
        self.master_key: Secret | None = None

    def read(self, section: str, values: dict[str, Any]) -> None:
        supported = SUPPORTED[section]
        if section == "litellm_settings":
            check_cache(self._reading, values)
        for name, value in values.items():
            path = (section, name)
            if value is None:
                self._reading.unknown(path, None, SECTIONS[section], supported)
            elif path == MASTER_KEY:
                try:
                    self.master_key = read_secret(self._reading, path, value)
                except InvalidField as error:
                    self._reading.add(path, "error", error.message)
            elif (call_setting := supported.get(name)) is not None:
                self._call_setting(path, call_setting, value)
            elif name in SO_BY_DESIGN[section]:
                self._designed(path, value, SO_BY_DESIGN[section][name])
            else:
                self._reading.unknown(path, value, SECTIONS[section], supported)

    def _call_setting(self, path: Path, name: str, value: Any) -> None:
        if name == "cache_params" and isinstance(value, dict):
            value = read_cache_params(self._reading, path, value)
        try:
            value = value if vault.is_reference(value) else self._supported(path, name, value)
        except Unsupported as error:
            self._reading.add(path, "unsupported", error.message)
            return
        except InvalidField as error:
            # Inside a list it is one of the items.
            _, inside, field = (error.param or "").partition(".")
            at = self._reading.place(path, field) if inside else path
            self._reading.add(at, "error", error.message)
            return
        self._reading.refer(value, path)
        given = Setting(self._reading.line(path), show(path), value)
        before = self.settings.setdefault(name, given)
        if before.value == value:
            return
        # The one in litellm_settings was read first. What goes before what is litellm's order:
        # _get_non_stream_timeout and __init__ of its router.py.
        if name == "request_timeout" or value in ({}, ()):
            winner, loser = before, given
        else:
            winner, loser = given, before
        self.settings[name] = winner
        message = f"has no effect: {winner.path} goes before it, as in LiteLLM"
        self._reading.findings.append(Finding(loser.line, loser.path, "warning", message))

    def _supported(self, path: Path, name: str, value: Any) -> Any:
        """The setting without the parts of it that the gateway has not, which are reported.

        Raises InvalidField; Unsupported where that is all of it.
        """
        while True:
            try:
                return setting(name, value)
            except Unsupported as error:
                if not error.place or isinstance(value, str):
                    raise
                self._reading.add((*path, *error.place), "unsupported", error.message)
                value = _without(value, error.place)

    def check(self, models: Iterable[ModelSpec]) -> None:
        """Warn of settings that name models which are not in the file, if it has any."""
        values = {
            name: given.value
            for name, given in self.settings.items()
            if not vault.is_reference(given.value)
        }
        records = [spec.record(None, None, 0) for spec in models]
        if not records:
            return
        catalogue = Catalogue(records, values.get("model_group_alias", {}))
        for name, message in loose_ends(values, catalogue):
            at = self.settings[name]
            self._reading.findings.append(Finding(at.line, at.path, "warning", message))

    def _designed(self, path: Path, value: Any, designed: object) -> None:
        if value != designed or isinstance(value, bool) != isinstance(designed, bool):
            message = f"is not supported: for the gateway it is always {json.dumps(designed)}"
            self._reading.add(path, "unsupported", message)


def _without(value: Any, place: Path) -> Any:
    """A copy of lists and names with values, without what stands there."""
    at, *rest = place
    copy = value.copy()
    if rest:
        copy[at] = _without(value[at], tuple(rest))
    else:
        del copy[at]
    return copy
