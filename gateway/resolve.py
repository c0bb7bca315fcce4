"""From the name a caller asks for to the model that serves it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.errors import ModelDenied, UnknownModel
from gateway.records import Key, Model, Operation


def resolve(models: Mapping[str, Model], key: Key, name: str, operation: Operation) -> Model:
    """The model that the key means by `name`.

    Raises:
        ModelDenied: The key may not call it.
        UnknownModel: Nothing is registered under the name.
    """
    if not _allowed(key, name):
        raise ModelDenied(name)
    model = _meant(models, key, name)
    if model is None:
        raise UnknownModel(operation.value, name)
    return model


def callable_models(models: Mapping[str, Model], key: Key) -> dict[str, Model]:
    """The models that `resolve` finds for the key, by every name that it finds them under."""
    return {
        name: model
        for name in sorted({*models, *key.aliases})
        if _allowed(key, name) and (model := _meant(models, key, name)) is not None
    }


def _allowed(key: Key, name: str) -> bool:
    return may_call(key, name) or may_call(key, key.aliases.get(name, name))


def _meant(models: Mapping[str, Model], key: Key, name: str) -> Model | None:
    return models.get(key.aliases.get(name, name))


def may_call(key: Key, name: str) -> bool:
    """Whether the key's list of models has the name; admin keys and empty lists have all."""
    return key.is_admin or not key.models or matches(key.models, name)


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether a pattern is the name; `*` in it stands for any text, `all-proxy-models` for `*`.

    >>> matches(["openai/*"], "openai/gpt-4o")
    True
    """
    return any(
        pattern in (name, "all-proxy-models") or ("*" in pattern and _fits(pattern, name))
        for pattern in patterns
    )


def _fits(pattern: str, name: str) -> bool:
    # No regular expression: one of many stars takes for ever on a name that nearly fits.
    first, *parts, last = pattern.split("*")
    position, end = len(first), len(name) - len(last)
    if position > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in parts:
        found = name.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
