"""The form of a model: what it holds, as a model's description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.display import HIDDEN, model_view
from gateway.errors import InvalidField
from gateway.http.console.fields import json_object, json_text
from gateway.records import Model

Form = Mapping[str, str]

# Parameters that have a field of their own; all others are JSON together.
_NUMBERS = ("rpm", "tpm")
_FIELDS = ("model", "lane", *_NUMBERS)
_OTHERS = ("model_name", "provider", "api_key", "base_url", "api_version", "params", "info")
EMPTY: dict[str, str] = dict.fromkeys((*_FIELDS, *_OTHERS), "")
# Where the form shows what is wrong with these.
_PLACES = {f"litellm_params.{name}": name for name in _FIELDS} | {
    name: name for name in ("model_name", "provider", "api_key", "base_url", "api_version")
}


def form_of(model: Model) -> Form:
    """What the form shows of a model. No secret is in it."""
    view = model_view(model)
    params: dict[str, Any] = dict(view["litellm_params"])
    fields = {name: str(params.pop(name, "") or "") for name in _FIELDS}
    return {
        **fields,
        "model_name": model.name,
        "provider": model.provider,
        "base_url": model.base_url or "",
        "api_version": model.api_version or "",
        "params": json_text(params),
        "info": json_text(view["model_info"]),
    }


def description(form: Form) -> dict[str, Any]:
    """What the form says of a new model. Raises InvalidField."""
    params = json_object(form["params"], "litellm_params") | _own_params(form)
    return {
        "model_name": form["model_name"],
        "provider": form["provider"] or None,
        "api_key": form["api_key"] or None,
        "base_url": form["base_url"] or None,
        "api_version": form["api_version"] or None,
        "litellm_params": {name: value for name, value in params.items() if value is not None},
        "model_info": json_object(form["info"], "model_info"),
    }


def changes(form: Form, model: Model) -> dict[str, Any]:
    """What the form says differently, as a merge patch. Raises InvalidField.

    An empty field for the provider's key leaves that as it is; so does `[hidden]` for another
    secret.
    """
    view = model_view(model)
    params = json_object(form["params"], "litellm_params") | _own_params(form)
    info = json_object(form["info"], "model_info")
    patch: dict[str, Any] = {
        "model_name": form["model_name"],
        "provider": form["provider"] or None,
        "base_url": form["base_url"] or None,
        "api_version": form["api_version"] or None,
        "litellm_params": _patch(view["litellm_params"], params),
        "model_info": _patch(view["model_info"], info),
    }
    if form["api_key"]:
        patch["api_key"] = form["api_key"]
    elif form.get("no_api_key"):
        patch["api_key"] = None
    return {
        name: value
        for name, value in patch.items()
        if value != view.get(name, {}) or (name == "api_key" and value)
    }


def place(error: InvalidField) -> str:
    """The field of the form where an error belongs."""
    param = error.param or ""
    if param in _PLACES:
        return _PLACES[param]
    return "info" if param.startswith("model_info") else "params"


def _own_params(form: Form) -> dict[str, Any]:
    """Of the parameters with a field of their own, those that are given; None where not."""
    found: dict[str, Any] = {name: form[name] or None for name in _FIELDS}
    for name in _NUMBERS:
        text = form[name].replace(",", "")
        if text:
            if not (text.isascii() and text.isdigit() and len(text) < 16):
                raise InvalidField(f"{name} takes a whole number", param=f"litellm_params.{name}")
            found[name] = int(text)
    return found


def _patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that makes new of old, where a hidden value stays as it is."""
    gone = {name: None for name in old if name not in new and old[name] is not None}
    changed = {
        name: value for name, value in new.items() if value != HIDDEN and value != old.get(name)
    }
    return gone | changed
