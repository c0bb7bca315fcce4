"""`model_list:`, the models of a configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.config.reading import Reading
from gateway.config.yaml_lines import Path
from gateway.errors import InvalidField
from gateway.litellm_names import (
    ENTRY,
    PARAMS,
    PER_CALL,
    UNSUPPORTED_PARAMS,
    is_price,
    is_unsupported_info,
    is_unsupported_param,
    is_unsupported_price,
    nearest,
)
from gateway.specs import ModelSpec, model_spec


def read_models(reading: Reading, entries: Any) -> Iterator[ModelSpec]:
    """The models that are in order and supported, in the file's order."""
    names: dict[str, int] = {}
    ids: dict[str, int] = {}
    for path, entry in reading.entries(entries, ("model_list",)):
        name_path = (*path, "model_name")
        if "*" in str(entry.get("model_name")):
            message = "wildcards are not supported yet; register each model by its name"
            reading.add(name_path, "unsupported", message)
            continue
        if entry.get("blocked"):
            message = "blocking is not supported yet, and so the model is left out"
            reading.add((*path, "blocked"), "unsupported", message)
            continue
        spec = _model(reading, path, entry, ids)
        if spec is None:
            continue
        if spec.model_name in names:
            message = (
                f"{spec.model_name!r} stands in line {names[spec.model_name]} already; several "
                "deployments of one name are not supported yet, and the first is used"
            )
            reading.add(name_path, "unsupported", message)
        else:
            names[spec.model_name] = reading.line(name_path)
            yield spec


def _model(
    reading: Reading, path: Path, entry: dict[str, Any], ids: dict[str, int]
) -> ModelSpec | None:
    cleaned = {name: entry[name] for name in entry if name in ModelSpec.model_fields}
    for name in entry.keys() - cleaned.keys():
        reading.unknown((*path, name), entry[name], ENTRY, ModelSpec.model_fields)
    for inner, clean in (("litellm_params", _params), ("model_info", _info)):
        # Nothing there is the same as no such name.
        given = cleaned.pop(inner, None)
        if given is not None:
            inner_path = (*path, inner)
            cleaned[inner] = clean(reading, inner_path, reading.mapping(given, inner_path))
    try:
        spec = model_spec(cleaned)
    except InvalidField as error:
        reading.add(reading.place(path, error.param), "error", error.message)
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


def _params(reading: Reading, path: Path, params: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in params.items():
        inner = (*path, name)
        if is_unsupported_param(name):
            reading.unsupported(inner, value, f"litellm_params.{name}")
            continue
        known = name in PARAMS or name in PER_CALL or is_price(name)
        meant = None if known else nearest(name, PARAMS | UNSUPPORTED_PARAMS)
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
            message = "has no effect yet"
            reading.add((*path, name), "unsupported", message)
    info = {name: value for name, value in info.items() if not is_unsupported_price(name)}
    given_id = info.get("id")
    if isinstance(given_id, int) and not isinstance(given_id, bool):
        info = info | {"id": str(given_id)}
    return info
