"""What an operator may set for all calls, checked."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gateway import periods
from gateway.errors import InvalidField
from gateway.fields import WrongField, check_json
from gateway.litellm_names import nearest
from gateway.records import CallSettings
from gateway.redaction import BUILT_IN, check_pattern
from gateway.specs import routing
from gateway.specs.cache import cache_params

SETTINGS = tuple(field.name for field in dataclasses.fields(CallSettings))
FOREVER = "forever"
# Budget periods of less than a day are reckoned from the ledger's rows.
SHORTEST_RETENTION = 2 * periods.DAY

_BOOLEANS = {"true": True, "false": False}
_MOST_RULES = 50


def setting(name: str, value: object) -> Any:
    """The value of the setting `name`, from JSON, a file or the text of a variable.

    Raises:
        InvalidField: It is none; `param` is the name, or `name.2.pattern` for a rule in a list.
    """
    return _CHECKS.get(name, _seconds)(name, value)


def patched_settings(settings: CallSettings, patch: object) -> CallSettings:
    """The settings with those that `patch` names; null gives one its default.

    Raises:
        InvalidField: The patch cannot be.
    """
    if not isinstance(patch, Mapping):
        raise InvalidField("The body must be a JSON object")
    default = CallSettings()
    changes = {}
    for name, value in patch.items():
        if name not in SETTINGS:
            meant = nearest(name, SETTINGS)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(SETTINGS)}"
            raise InvalidField(f"{name}: no such setting; {hint}", param=name)
        try:
            changes[name] = getattr(default, name) if value is None else setting(name, value)
        except InvalidField as error:
            raise InvalidField(f"{error.param} {error.message}", param=error.param) from None
    return dataclasses.replace(settings, **changes)


def _boolean(name: str, value: object) -> bool:
    boolean = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(boolean, bool):
        raise InvalidField("takes true or false", param=name)
    return boolean


def _seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Of a time above 0, or of none at all."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not (0 < number < math.inf or (zero and number == 0)):
        least = "from 0 on" if zero else "above 0"
        raise InvalidField(f"takes a number of seconds {least}", param=name)
    return number


def _retention(name: str, value: object) -> str:
    # A number is one of days for LiteLLM (db_transaction_queue/spend_log_cleanup.py).
    days = isinstance(value, int) and not isinstance(value, bool)
    text = f"{value}d" if days else value.strip() if isinstance(value, str) else ""
    if text == FOREVER:
        return text
    try:
        length = periods.seconds(text)
    except ValueError:
        raise InvalidField(
            f"takes a length of time such as 30d or 6mo, or {FOREVER}", param=name
        ) from None
    if length < SHORTEST_RETENTION:
        raise InvalidField(
            "takes 2d or more, since budgets by the hour are counted from the rows", param=name
        )
    return text


def _rules(name: str, value: object) -> tuple[str | Mapping[str, str], ...]:
    if isinstance(value, str):
        value = _listed(value)
    if not isinstance(value, list | tuple) or len(value) > _MOST_RULES:
        raise InvalidField(
            f"takes a list of up to {_MOST_RULES} rules: {', '.join(BUILT_IN)}, or "
            '{"pattern": …, "replacement": …}',
            param=name,
        )
    return tuple(_rule(f"{name}.{position}", rule) for position, rule in enumerate(value))


def _listed(text: str) -> object:
    """The list that a variable or an option holds: as JSON, or names between commas."""
    if not text.lstrip().startswith("["):
        return [name.strip() for name in text.split(",") if name.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _rule(where: str, rule: object) -> str | Mapping[str, str]:
    if isinstance(rule, str):
        if rule not in BUILT_IN:
            meant = nearest(rule, BUILT_IN)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(BUILT_IN)}"
            raise InvalidField(f"is no rule; {hint}", param=where)
        return rule
    if not isinstance(rule, Mapping) or "pattern" not in rule:
        raise InvalidField(
            "takes the name of a rule, or a pattern with its replacement", param=where
        )
    for field, given in rule.items():
        inner = f"{where}.{field}"
        if field not in ("pattern", "replacement"):
            raise InvalidField("no such field; it takes pattern and replacement", param=inner)
        if not isinstance(given, str):
            raise InvalidField("takes text", param=inner)
    try:
        check_json(rule)
        check_pattern(rule["pattern"])
    except WrongField as wrong:
        raise InvalidField(str(wrong), param=f"{where}.{wrong.field}") from None
    except ValueError as error:
        raise InvalidField(str(error), param=f"{where}.pattern") from None
    return dict(rule)


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "allowed_fails": partial(routing.whole_number, most=routing.MOST_FAILS),
    "cache": _boolean,
    "cache_params": cache_params,
    "default_fallbacks": routing.model_names,
    "drop_params": _boolean,
    "maximum_spend_logs_retention_period": _retention,
    "max_fallbacks": partial(routing.whole_number, most=routing.MOST_FALLBACKS),
    "model_group_alias": routing.aliases,
    "num_retries": partial(routing.whole_number, most=routing.MOST_RETRIES),
    "redact_stored_prompts": _rules,
    "retry_after": partial(_seconds, zero=True),
    "retry_policy": routing.retry_policy,
    "routing_strategy": routing.strategy,
    "store_prompts_in_spend_logs": _boolean,
    **dict.fromkeys(routing.FALLBACKS, routing.fallbacks),
}
"""By setting. All others are seconds."""
