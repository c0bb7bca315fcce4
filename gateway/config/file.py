"""The YAML file: LiteLLM's `config.yaml`, and `keys:` and `teams:` beside it.

`read` understands what it can and lists all the rest, each with its line, so that nothing in a
file is ignored in silence.
"""

from __future__ import annotations

import json
from pathlib import Path as FilePath
from typing import Any

from gateway import vault
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
from gateway.config.yaml_lines import Path, Unreadable, read_yaml
from gateway.errors import InvalidField
from gateway.litellm_names import (
    GENERAL_SETTINGS,
    LITELLM_SETTINGS,
    ROUTER_SETTINGS,
    SO_BY_DESIGN,
    TOP_LEVEL,
)
from gateway.specs import setting

SECTIONS = {
    "litellm_settings": LITELLM_SETTINGS,
    "router_settings": ROUTER_SETTINGS,
    "general_settings": GENERAL_SETTINGS,
}
"""The sections of settings and the names LiteLLM knows there."""

SUPPORTED: dict[str, dict[str, str | None]] = {
    "litellm_settings": {"drop_params": "drop_params", "request_timeout": "request_timeout"},
    "router_settings": {"timeout": "request_timeout", "stream_timeout": "stream_timeout"},
    "general_settings": {
        "master_key": None,
        "maximum_spend_logs_retention_period": "maximum_spend_logs_retention_period",
        "redact_stored_prompts": "redact_stored_prompts",
        "store_prompts_in_spend_logs": "store_prompts_in_spend_logs",
    },
}
"""The settings that can be changed here, and their names in CallSettings."""

OWN_SECTIONS = ("keys", "teams")
"""What LiteLLM's file does not have."""

MASTER_KEY: Path = ("general_settings", "master_key")


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
    reading = Reading(document)
    root = reading.mapping(document.value, ())
    for name in root:
        if name not in {"model_list", *OWN_SECTIONS, *SECTIONS}:
            reading.unknown((name,), root[name], TOP_LEVEL, [*OWN_SECTIONS, *TOP_LEVEL])
    models = tuple(read_models(reading, root.get("model_list")))
    sections = _Sections(reading)
    for section in SECTIONS:
        sections.read(section, reading.mapping(root.get(section), (section,)))
    return ConfigFile(
        models=models,
        teams=tuple(read_teams(reading, root.get("teams"))),
        keys=tuple(read_keys(reading, root.get("keys"), sections.master_key)),
        settings=sections.settings,
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
        try:
            value = value if vault.is_reference(value) else setting(name, value)
        except InvalidField as error:
            # Inside a list it is one of the items.
            _, inside, field = (error.param or "").partition(".")
            at = self._reading.place(path, field) if inside else path
            self._reading.add(at, "error", error.message)
            return
        self._reading.refer(value, path)
        before = self.settings.get(name)
        if before is None:
            self.settings[name] = Setting(self._reading.line(path), show(path), value)
        elif before.value != value:
            # _get_non_stream_timeout of litellm's router.py asks for them in this order.
            self._reading.add(
                path, "warning", f"has no effect: {before.path} goes before it, as in LiteLLM"
            )

    def _designed(self, path: Path, value: Any, designed: object) -> None:
        if value != designed or isinstance(value, bool) != isinstance(designed, bool):
            message = f"is not supported: for the gateway it is always {json.dumps(designed)}"
            self._reading.add(path, "unsupported", message)
