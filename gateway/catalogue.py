"""The registered models by the names that callers may use. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, repeat

from gateway.records import Model

STAR = "*"
# What callers may put into the provider's name of a model, which some providers have in their URLs.
_FILLING = re.compile(r"(?!.*\.\.)[\w.@:+-]+(?:/[\w.@:+-]+)*", re.ASCII)
_LONGEST_FILLING = 200


@dataclass(frozen=True, slots=True)
class Group:
    """The deployments that serve a name."""

    name: str
    deployments: tuple[Model, ...]


class Catalogue:
    """Attributes:
    groups: By registered name, patterns among them.
    aliases: Further names, each with a registered one.
    deployments: By id.
    """

    def __init__(self, models: Iterable[Model], aliases: Mapping[str, str]) -> None:
        by_name: dict[str, list[Model]] = defaultdict(list)
        for model in models:
            by_name[model.name].append(model)
        self.groups = {name: Group(name, tuple(found)) for name, found in by_name.items()}
        self.aliases = aliases
        self.deployments = {model.id: model for found in by_name.values() for model in found}
        self._patterns = sorted(filter(is_pattern, self.groups), key=_specificity)

    def find(self, name: str) -> Group | None:
        """What serves a name: one registered so, or under what it is an alias of, or else the most
        specific pattern that it fits."""
        meant = name if name in self.groups else self.aliases.get(name, name)
        if meant in self.groups and not is_pattern(meant):
            return self.groups[meant]
        for pattern in self._patterns:
            texts = captured(pattern, meant)
            if texts is not None and all(map(_fills, texts)):
                deployments = self.groups[pattern].deployments
                return Group(meant, tuple(_made(model, meant, texts) for model in deployments))
        return None


def is_pattern(name: str) -> bool:
    return STAR in name


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether a pattern is the name; `*` in it stands for any text, `all-proxy-models` for `*`.

    >>> matches(["openai/*"], "openai/gpt-4o")
    True
    """
    return any(
        pattern in (name, "all-proxy-models")
        or (is_pattern(pattern) and captured(pattern, name) is not None)
        for pattern in patterns
    )


def captured(pattern: str, name: str) -> list[str] | None:
    """What each `*` of the pattern stands for, or None where the name does not fit.

    >>> captured("openai/*", "openai/gpt-4o"), captured("openai/*", "azure/gpt-4o")
    (['gpt-4o'], None)
    """
    # No regular expression: one of many stars takes for ever on a name that nearly fits.
    first, *parts = pattern.split(STAR)
    if not parts:
        return [] if pattern == name else None
    last = parts.pop()
    position, end = len(first), len(name) - len(last)
    if position > end or not name.startswith(first) or not name.endswith(last):
        return None
    texts = []
    for part in parts:
        found = name.find(part, position, end)
        if found < 0:
            return None
        texts.append(name[position:found])
        position = found + len(part)
    return [*texts, name[position:end]]


def stand_in(model: Model) -> Model | None:
    """The model itself; of a pattern, one of those that it stands for, to be tried in its place.

    That is the one which `model_info.health_check_model` (LiteLLM's name) says, by the provider's
    name of it; None where it has to be said and is not.
    """
    if not is_pattern(model.name):
        return model
    texts: list[str] | None = []
    if is_pattern(model.upstream_model):
        named = str(model.info.get("health_check_model") or "")
        texts = captured(model.upstream_model, named.removeprefix(f"{model.provider}/"))
    if texts is None or not all(map(_fills, texts)):
        return None
    return _made(model, _filled(model.name, texts, "any"), texts)


def _specificity(pattern: str) -> tuple[int, int, str]:
    stars = pattern.count(STAR)
    return stars - len(pattern), stars, pattern


def _made(model: Model, name: str, texts: list[str]) -> Model:
    """The deployment of a pattern, for one of its names."""
    # A pattern may have more stars than what it stands for, and the other way round.
    upstream = _filled(model.upstream_model, texts, STAR)
    return dataclasses.replace(model, name=name, upstream_model=upstream)


def _filled(pattern: str, texts: Iterable[str], rest: str) -> str:
    """The pattern with a text in place of each `*`, and `rest` where there are fewer texts."""
    first, *parts = pattern.split(STAR)
    filling = zip(chain(texts, repeat(rest)), parts, strict=False)
    return first + "".join(text + part for text, part in filling)


def _fills(text: str) -> bool:
    return len(text) <= _LONGEST_FILLING and _FILLING.fullmatch(text) is not None
