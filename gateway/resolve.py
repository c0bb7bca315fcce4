"""From the name a caller asks for to the model that serves it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from gateway.errors import ModelDenied, UnknownModel
from gateway.records import Key, Model, Operation


def resolve(models: Mapping[str, Model], key: Key, name: str, operation: Operation) -> Model:
    """The model that the key means by `name`.

    Raises:
        ModelDenied: The key may not call it.
        UnknownModel: Nothing is registered under the name.
    """
    meant = key.aliases.get(name, name)
    if not may_call(key, meant) and not may_call(key, name):
        raise ModelDenied(name)
    model = models.get(meant)
    if model is None:
        raise UnknownModel(operation.value, name)
    return model


def may_call(key: Key, name: str) -> bool:
    """Whether the key's list of models has the name; admin keys and empty lists have all."""
    return key.is_admin or not key.models or matches(key.models, name)


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether a pattern is the name; `*` in it stands for any text, `all-proxy-models` for `*`.

    >>> matches(["openai/*"], "openai/gpt-4o")
    True
    """
    return any(
        pattern in (name, "all-proxy-models") or ("*" in pattern and _compiled(pattern)(name))
        for pattern in patterns
    )


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Callable[[str], object]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch
