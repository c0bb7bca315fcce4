"""The form of a key: what it holds, as a key's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.display import key_view
from gateway.errors import InvalidField
from gateway.http.console.fields import json_object, json_text, listed
from gateway.records import Key

Form = Mapping[str, Any]

_WHOLE = ("rpm_limit", "tpm_limit", "max_parallel_requests")
_MONEY = ("max_budget", "soft_budget")
_TEXT = ("label", "team_id", "user_id", "budget_duration")
# What has no field of its own is JSON, together.
_MORE = ("aliases", "model_rpm_limit", "model_tpm_limit", "metadata")
EMPTY: dict[str, Any] = dict.fromkeys(
    (*_TEXT, *_WHOLE, *_MONEY, "tags", "ends", "more", "patterns"), ""
) | {"models": []}


def form_of(key: Key, names: Iterable[str]) -> dict[str, Any]:
    """What the form shows of a key, where the models with these names can be ticked."""
    view = key_view(key)
    known = set(names)
    more = {name: view[name] for name in _MORE if view[name]}
    return {
        **{name: view[name] or "" for name in _TEXT},
        **{name: "" if view[name] is None else view[name] for name in (*_WHOLE, *_MONEY)},
        "tags": ", ".join(key.tags),
        "ends": view["expires_at"] or "",
        "more": json_text(more),
        "models": [name for name in key.models if name in known],
        "patterns": ", ".join(name for name in key.models if name not in known),
    }


def sent(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The form as it was sent."""
    form = EMPTY | {"models": []}
    for name, value in items:
        if name == "model":
            form["models"].append(value)
        else:
            form[name] = value
    return form


def description(form: Form) -> dict[str, Any]:
    """What the form says of a key; null where it says nothing. Raises InvalidField."""
    more = json_object(form["more"], "more")
    for name in more:
        if name not in _MORE:
            raise InvalidField(f"{name}: no such field; there are {', '.join(_MORE)}", param="more")
    ends = form["ends"]
    # `30d` is a length of time, `2027-01-31` an end.
    end = {"expires_at" if "-" in ends else "duration": ends} if ends else {"expires_at": None}
    return {
        **{name: form[name] or None for name in _TEXT},
        **{name: _number(form, name, int) for name in _WHOLE},
        **{name: _number(form, name, float) for name in _MONEY},
        "tags": listed(form["tags"]),
        "models": [*form["models"], *listed(form["patterns"])],
        **end,
        **more,
    }


def changes(form: Form, key: Key) -> dict[str, Any]:
    """The merge patch that makes the key what the form says. Raises InvalidField."""
    said = description(form)
    for name in _MORE:
        old: Mapping[str, Any] = getattr(key, name)
        new = said.get(name)
        if isinstance(new, Mapping | None):
            said[name] = {other: None for other in old if other not in (new or {})} | dict(
                new or {}
            )
    return said


def place(error: InvalidField) -> str:
    """The field of the form where an error belongs."""
    name = (error.param or "").split(".")[0]
    if name in ("duration", "expires_at"):
        return "ends"
    if name == "models":
        return "patterns"
    return name if name in EMPTY else "more"


def _number(form: Form, name: str, kind: type[int] | type[float]) -> float | None:
    text = str(form[name]).replace(",", "").removeprefix("$").strip()
    if not text:
        return None
    try:
        return kind(text) if len(text) <= 20 else int("too long")
    except ValueError:
        takes = "a whole number" if kind is int else "an amount in dollars"
        raise InvalidField(f"{name} takes {takes}, or nothing for no limit", param=name) from None
