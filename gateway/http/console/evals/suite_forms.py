"""The form of a suite: what it holds, as a suite's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.errors import InvalidField
from gateway.evals.records import Suite
from gateway.evals.specs import suite_description
from gateway.http.console.fields import json_object, json_text, json_value, listed

Form = Mapping[str, Any]

_TEXTS = ("name", "dataset", "baseline")
_WHOLE = ("repeat", "concurrency")
_GATE_NUMBERS = ("pass_rate", "max_error_rate", "max_cost")
_GATE = (*_GATE_NUMBERS, "no_regression_vs")
EMPTY: Mapping[str, Any] = dict.fromkeys(
    (*_TEXTS, "further_models", "messages", "params", "max_cost", *(f"gate_{n}" for n in _GATE)), ""
) | {"repeat": "1", "concurrency": "4", "models": [], "evaluators": []}
# Lists, each of ticks.
_MANY = {"model": "models", "evaluator": "evaluators"}


def form_of(suite: Suite, names: Iterable[str]) -> dict[str, Any]:
    """What the form shows of a suite, where the models with these names can be ticked."""
    given = suite_description(suite)
    gate, known = given.get("gate", {}), set(names)
    return {
        **EMPTY,
        **{name: given.get(name, "") for name in (*_TEXTS, "max_cost")},
        **{f"gate_{name}": gate.get(name, "") for name in _GATE},
        "models": [name for name in suite.models if name in known],
        "further_models": ", ".join(name for name in suite.models if name not in known),
        "evaluators": list(suite.evaluators),
        "messages": _pretty(given["messages"]) if suite.messages else "",
        "params": json_text(suite.params),
        "repeat": suite.repeat,
        "concurrency": suite.concurrency,
    }


def sent(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The form as it was sent."""
    form = {**EMPTY, "models": [], "evaluators": []}
    for name, value in items:
        if name in _MANY:
            form[_MANY[name]].append(value)
        else:
            form[name] = value
    return form


def description(form: Form) -> dict[str, Any]:
    """What the form says of a suite. Raises InvalidField."""
    messages = json_value(form["messages"], "messages") if form["messages"] else []
    gate: dict[str, Any] = {
        name: number(form[f"gate_{name}"], f"gate.{name}") for name in _GATE_NUMBERS
    }
    gate["no_regression_vs"] = form["gate_no_regression_vs"] or None
    given = {
        "name": form["name"],
        "dataset": form["dataset"],
        "models": [*form["models"], *listed(form["further_models"])],
        "evaluators": list(form["evaluators"]),
        "messages": messages,
        "params": json_object(form["params"], "params"),
        "max_cost": number(form["max_cost"], "max_cost"),
        "gate": {name: value for name, value in gate.items() if value is not None} or None,
        "baseline": form["baseline"] or None,
    }
    whole = {name: _whole(form[name], name) for name in _WHOLE if form[name]}
    return {name: value for name, value in (given | whole).items() if value is not None}


def place(error_param: str | None) -> str:
    """The field of the form where an error belongs."""
    param = error_param or "name"
    if param.startswith("gate."):
        return f"gate_{param.removeprefix('gate.')}"
    first = param.partition(".")[0]
    if first in ("rows", "run_id"):
        return "baseline" if first == "run_id" else "dataset"
    return {"evaluator": "evaluators", "model": "models", "suite": "name"}.get(first, first)


def number(text: str, name: str) -> float | None:
    """The number in a field; None where it is empty. Raises InvalidField."""
    if not text:
        return None
    try:
        return float(text.replace(",", "").removeprefix("$"))
    except ValueError:
        raise InvalidField(f"{name} takes a number, not {text!r}", param=name) from None


def _whole(text: str, name: str) -> int:
    """Raises InvalidField."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidField(f"{name} takes a whole number, not {text!r}", param=name)
    return int(text)


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
