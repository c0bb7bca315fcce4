"""`model_list:`, the models of a configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.catalogue import STAR
from gateway.config.reading import Reading
from gateway.config.values import Level
from gateway.errors import InvalidField
from gateway.litellm_names import (
    ENTRY,
    PARAMS,
    PER_CALL,
    ROUTING_PARAMS,
    UNIT_PRICES,
    UNSUPPORTED_PARAMS,
    WAYS_OUT,
    is_price,
    is_unsupported_info,
    is_unsupported_param,
    is_unsupported_price,
    nearest,
)
from gateway.price_names import price_of
from gateway.specs import ModelSpec, deployment_of, model_spec
from gateway.yaml_lines import Path

_KNOWN = PARAMS | ROUTING_PARAMS
# LiteLLM takes these beside litellm_params too.
_LIMITS = ("rpm", "tpm")


def read_models(reading: Reading, entries: Any) -> Iterator[ModelSpec]:
    """The models that are in order and supported, in the file's order."""
    deployments: dict[tuple[str, str], int] = {}
    ids: dict[str, int] = {}
    for path, entry in reading.entries(entries, ("model_list",)):
        if entry.get("blocked"):
            message = "blocking is not supported yet, and so the model is left out"
            reading.add((*path, "blocked"), "unsupported", message)
            continue
        spec = _model(reading, path, entry, ids)
        if spec is None:
            continue
        name_path = (*path, "model_name")
        deployment = spec.model_name, deployment_of(spec.record(None, None, 0))
        if deployment in deployments:
            message = (
                f"the same deployment stands in line {deployments[deployment]} already, and this "
                "one is left out; give that one a weight to have it take a larger share"
            )
            reading.add(name_path, "unsupported", message)
        else:
            deployments[deployment] = reading.line(name_path)
            yield spec


def _model(
    reading: Reading, path: Path, entry: dict[str, Any], ids: dict[str, int]
) -> ModelSpec | None:
    cleaned = {name: entry[name] for name in entry if name in ModelSpec.model_fields}
    for name in entry.keys() - cleaned.keys():
        if name in _LIMITS and entry[name] is not None:
            message = f"is not supported here; give litellm_params.{name}"
            reading.add((*path, name), "unsupported", message)
            continue
        reading.unknown((*path, name), entry[name], ENTRY, ModelSpec.model_fields)
    for inner, clean in (("litellm_params", _params), ("model_info", _info)):
        # Nothing there is the same as no such name.
        given = cleaned.pop(inner, None)
        if given is not None:
            inner_path = (*path, inner)
            cleaned[inner] = clean(reading, inner_path, reading.mapping(given, inner_path))
    try:
        spec = _without_misplaced_prices(reading, path, cleaned)
    except InvalidField as error:
        level: Level = "unsupported" if _is_of_all_providers(cleaned) else "error"
        reading.add(reading.place(path, error.param), level, error.message)
        return None
    given_id = spec.model_info.get("id")
    if given_id is not None:
        id_path = (*path, "model_info", "id")
        if given_id in ids:
            message = f"{given_id!r} is the id of the model in line {ids[given_id]} already"
            reading.add(id_path, "error", message)
            return None
        ids[given_id] = reading.line(id_path)
    reading.refer(cleaned, path)
    return spec


def _without_misplaced_prices(reading: Reading, path: Path, entry: dict[str, Any]) -> ModelSpec:
    """The model, without prices that only one of another mode can have. Raises InvalidField."""
    try:
        return model_spec(entry)
    except InvalidField as error:
        where, _, name = (error.param or "").rpartition(".")
        # Else it is the price that is wrong.
        if name not in UNIT_PRICES or price_of(entry[where][name]) is None:
            raise
        reading.add(reading.place(path, error.param), "unsupported", error.message)
        entry[where] = {key: value for key, value in entry[where].items() if key != name}
    return _without_misplaced_prices(reading, path, entry)


def _is_of_all_providers(entry: dict[str, Any]) -> bool:
    """Whether it is LiteLLM's pattern for any model of any provider."""
    params = entry.get("litellm_params", {})
    upstream = params.get("model") or entry.get("model_name")
    given = entry.get("provider") or params.get("custom_llm_provider")
    return not given and str(upstream).partition("/")[0] == STAR


def _params(reading: Reading, path: Path, params: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in params.items():
        inner = (*path, name)
        if is_unsupported_param(name):
            reading.unsupported(inner, value, f"litellm_params.{name}")
            continue
        known = name in _KNOWN or name in PER_CALL or is_price(name)
        meant = None if known else nearest(name, _KNOWN | UNSUPPORTED_PARAMS)
        if meant:
            message = (
                f"no such parameter; did you mean {meant}? What only the provider knows goes "
                "under extra_body"
            )
            reading.add(inner, "error", message)
            continue
        kept[name] = value
        if not known:
            message = "litellm has no parameter of this name; the provider gets it as it is"
            reading.add(inner, "warning", message)
    return kept


def _info(reading: Reading, path: Path, info: dict[str, Any]) -> dict[str, Any]:
    for name, value in info.items():
        if is_unsupported_info(name) and value not in (None, [], {}):
            way_out = WAYS_OUT.get(f"model_info.{name}")
            message = f"has no effect; {way_out}" if way_out else "has no effect yet"
            reading.add((*path, name), "unsupported", message)
    info = {name: value for name, value in info.items() if not is_unsupported_price(name)}
    given_id = info.get("id")
    if isinstance(given_id, int) and not isinstance(given_id, bool):
        info = info | {"id": str(given_id)}
    return info
