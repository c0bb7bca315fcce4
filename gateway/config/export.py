"""Writing configuration files: of what is in the store, and out of LiteLLM's.

Neither holds a secret: each is replaced by a reference to a variable that the operator sets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

import yaml

from gateway import vault
from gateway.config.file import SUPPORTED, read
from gateway.config.read_evals import SECTION as EVALS
from gateway.config.values import ConfigRefused, KeyEntry
from gateway.display import key_view, team_view
from gateway.evals.specs import dataset_description, evaluator_description, suite_description
from gateway.fields import holds_secret, is_secret
from gateway.litellm_names import is_unsupported_info
from gateway.records import CallSettings, Key, Model, Team
from gateway.specs import BudgetSpec, KeySpec, TeamSpec, key_record
from gateway.specs.routing import FALLBACKS
from gateway.store import Store
from gateway.store.evals import Evals

MASTER_KEY_VARIABLE = "LITELLM_MASTER_KEY"
"""What an imported file calls the variable for a master key that stood there in plain text."""

_ODD_LINE_END = re.compile("[\x85\u2028\u2029]")
# Those that may stand in either go before the other's in the router's, as in LiteLLM.
_SECTION_OF = {
    setting: section
    for section, names in SUPPORTED.items()
    for theirs, setting in names.items()
    if setting == theirs
}


async def export(store: Store) -> str:
    """The store's models, teams, live gateway keys, changed settings, and what is to be evaluated,
    as a configuration file.

    Raises:
        VaultError: The models were sealed with another secret key.
    """
    models = await store.models.all()
    keys = [key for key in await store.keys.all() if key.revoked_at is None and not key.is_admin]
    default = asdict(CallSettings())
    settings = asdict(await store.settings.get())
    variables = _Variables()
    for model in models:
        variables.reserve(asdict(model))
    document = _document(
        [_model_entry(model, {"id": model.id, **model.info}, variables) for model in models],
        [_team_entry(team) for team in await store.teams.all()],
        [
            _key_entry(key, {"key_hash": key.secret_hash})
            # By what the file holds, so that two stores of the same content give the same file.
            for key in sorted(keys, key=lambda key: (key.label or "", key.secret_hash))
        ],
        {name: value for name, value in settings.items() if value != default[name]},
    )
    if evals := await _evals(store.evals):
        document[EVALS] = evals
    comment = [
        "Models, teams, gateway keys, settings and evaluations, exported by the gateway.",
        "Gateway keys are given by the SHA-256 of their secret, with which nobody can call.",
        "Admin keys, revoked keys and the secrets of providers are not in this file.",
    ]
    return _text(comment + variables.comment(), document)


def import_litellm(text: str) -> str:
    """Translate a LiteLLM `config.yaml` into a file that the gateway supports all of.

    What had to be left out is listed in comments at the top, with its line in `text`.

    Raises:
        ConfigRefused: `text` as a whole cannot be read.
    """
    config = read(text)
    broken = [finding for finding in config.findings if not finding.path]
    if broken:
        raise ConfigRefused(broken)
    variables = _Variables()
    for reference in config.references:
        variables.reserve(vault.REFERENCE_PREFIX + reference.name)
    models = []
    for spec in config.models:
        info = {
            name: value for name, value in spec.model_info.items() if not is_unsupported_info(name)
        }
        models.append(_model_entry(spec.record(None, None, 0), info, variables))
    document = _document(
        models,
        [_team_entry(entry.spec.record(0)) for entry in config.teams],
        [_imported_key(entry) for entry in config.keys],
        {name: setting.value for name, setting in config.settings.items()},
    )
    if config.master_key:
        given = config.master_key.text
        reference_to_it = given if vault.is_reference(given) else _reference(MASTER_KEY_VARIABLE)
        variables.reserve(reference_to_it)
        document.setdefault("general_settings", {})["master_key"] = reference_to_it
    comment = ["Translated from a LiteLLM configuration."]
    left_out = [str(finding) for finding in config.findings if finding.level != "warning"]
    if left_out:
        comment += ["", "Left out, with its line there:", *(f"- {line}" for line in left_out)]
    return _text(comment + variables.comment(), document)


async def _evals(evals: Evals) -> dict[str, Any]:
    """Without runs, and the baselines that are some of them."""
    datasets = [await evals.datasets.get(head.id) for head in await evals.datasets.all()]
    suites = [replace(suite, baseline=None) for suite in await evals.suites.all()]
    section = {
        "datasets": [dataset_description(dataset) for dataset in datasets],
        "evaluators": [evaluator_description(each) for each in await evals.evaluators.all()],
        "suites": [suite_description(suite) for suite in suites],
    }
    return {part: described for part, described in section.items() if described}


class _Variables:
    """The environment variables a file needs."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def reserve(self, value: object) -> None:
        """Note the references in a value, so that no placeholder takes one's name."""
        if isinstance(value, Mapping):
            for item in value.values():
                self.reserve(item)
        elif isinstance(value, list):
            for item in value:
                self.reserve(item)
        elif vault.is_reference(value):
            self._names.add(str(value).removeprefix(vault.REFERENCE_PREFIX))

    def placeholders(self, model: str, name: str, value: object) -> object:
        """A secret parameter with a reference in place of each secret in it."""
        prefix = f"{model}_{name}"
        # Some are secret as a whole, some for what they hold.
        if holds_secret(value) and not is_secret(name):
            return self._hide_inner(value, prefix)
        return self._hide(value, prefix)

    def _hide(self, value: object, name: str) -> object:
        """The value with a reference in place of each text and number in it."""
        if isinstance(value, Mapping):
            return {key: self._hide(item, f"{name}_{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [self._hide(item, f"{name}_{index}") for index, item in enumerate(value, 1)]
        if value is None or isinstance(value, bool) or vault.is_reference(value):
            return value
        variable = re.sub("[^A-Z0-9]+", "_", name.upper()).strip("_")
        # A variable's name does not begin with a digit.
        free = variable = variable if variable[:1].isalpha() else f"MODEL_{variable}"
        number = 1
        while free in self._names:
            number += 1
            free = f"{variable}_{number}"
        self._names.add(free)
        return _reference(free)

    def _hide_inner(self, value: object, name: str) -> object:
        """The value with references in place of what stands under the name of a secret in it."""
        if isinstance(value, Mapping):
            return {
                key: (self._hide if is_secret(key) else self._hide_inner)(item, f"{name}_{key}")
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._hide_inner(item, name) for item in value]
        return value

    def comment(self) -> list[str]:
        if not self._names:
            return []
        return ["", "Set these environment variables:", *(f"- {n}" for n in sorted(self._names))]


def _reference(name: str) -> str:
    return vault.REFERENCE_PREFIX + name


def _model_entry(model: Model, info: Mapping[str, Any], variables: _Variables) -> dict[str, Any]:
    names = sorted(model.secrets)
    params = {
        # With the provider even where the name begins with it: it is taken off once.
        "model": f"{model.provider}/{model.upstream_model}",
        "api_base": model.base_url,
        "api_version": model.api_version,
        **model.params,
        **{name: variables.placeholders(model.name, name, model.secrets[name]) for name in names},
    }
    entry = {"model_name": model.name, "litellm_params": _without_none(params)}
    return entry | ({"model_info": dict(info)} if info else {})


def _team_entry(team: Team) -> dict[str, Any]:
    return {"team_id": team.id, "name": team.name, **_fields(team_view(team), TeamSpec)}


def _key_entry(key: Key, identity: Mapping[str, str]) -> dict[str, Any]:
    label = {"label": key.label} if key.label else {}
    return {**label, **identity, **_fields(key_view(key) | {"blocked": key.blocked}, KeySpec)}


def _fields(view: Mapping[str, Any], spec: type[BudgetSpec]) -> dict[str, Any]:
    """What is to be said of a key or team besides its name: nothing that goes without saying."""
    named = ("label", "team_id", "name") if spec is TeamSpec else ("label",)
    return {
        name: _number(view[name])
        for name in spec.model_fields
        if name not in named and not _goes_without_saying(view.get(name))
    }


def _goes_without_saying(value: object) -> bool:
    # By identity: a budget of 0 is equal to False, and far from none.
    return value is None or value is False or value in ([], {})


def _imported_key(entry: KeyEntry) -> dict[str, Any]:
    key = key_record("", "", 0, **entry.spec.values_at(0))
    secret = entry.secret
    if secret is None:
        return _key_entry(key, {"key_hash": str(entry.secret_hash)})
    if vault.is_reference(secret.text):
        return _key_entry(key, {"key": secret.text})
    return _key_entry(key, {"key_hash": vault.hash_key(secret.text)})


def _document(
    models: list[dict[str, Any]],
    teams: list[dict[str, Any]],
    keys: list[dict[str, Any]],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    document: dict[str, Any] = {"model_list": models}
    if teams:
        document["teams"] = teams
    if keys:
        document["keys"] = keys
    for name, value in settings.items():
        shown = _number(value)
        if name in FALLBACKS and isinstance(value, Mapping):
            # LiteLLM's shape.
            shown = [{model: chain} for model, chain in value.items()]
        document.setdefault(_SECTION_OF[name], {})[name] = shown
    return document


def _number(value: Any) -> Any:
    """A whole number without the `.0` that it has as dollars or seconds."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _text(comment: list[str], document: Mapping[str, Any]) -> str:
    lines = [f"# {_printable(line)}".rstrip() for line in comment]
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join(lines) + "\n\n" + body


def _printable(text: str) -> str:
    """Without what could end a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class _Dumper(yaml.SafeDumper):
    """Lists stand inside what they belong to; nothing is said by alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_float(self, data: float) -> yaml.ScalarNode:
        # Cents with their digits, and not as 5.0e-05.
        if 1e-9 <= abs(data) < 1:
            return self.represent_scalar("tag:yaml.org,2002:float", f"{Decimal(repr(data)):f}")
        return super().represent_float(data)

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # In quotes that escape: PyYAML writes these line ends in a way that loses them.
        style = '"' if _ODD_LINE_END.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(float, _Dumper.represent_float)
_Dumper.add_representer(str, _Dumper.represent_str)
