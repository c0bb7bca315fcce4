"""From the name a caller asks for to the deployments that can serve it. Pure."""

from __future__ import annotations

from gateway.catalogue import Catalogue, Group, is_pattern, matches
from gateway.errors import ModelDenied, UnknownModel
from gateway.records import Key, Operation


def resolve(catalogue: Catalogue, key: Key, name: str, operation: Operation) -> Group:
    """The deployments that the key means by `name`.

    Raises:
        ModelDenied: The key may not call it.
        UnknownModel: Nothing is registered under the name.
    """
    if not _allowed(catalogue, key, name):
        raise ModelDenied(name)
    group = catalogue.find(key.aliases.get(name, name))
    if group is None:
        raise UnknownModel(operation.value, name)
    return group


def callable_models(catalogue: Catalogue, key: Key) -> dict[str, Group]:
    """What `resolve` finds for the key, by every name that it has for it, patterns left out."""
    names = {*catalogue.groups, *catalogue.aliases, *key.aliases}
    return {
        name: group
        for name in sorted(names)
        if not is_pattern(name)
        and _allowed(catalogue, key, name)
        and (group := catalogue.find(key.aliases.get(name, name))) is not None
    }


def _allowed(catalogue: Catalogue, key: Key, name: str) -> bool:
    """A key that may call a model may call it by its other names, and by a name of its own."""
    meant = key.aliases.get(name, name)
    return any(may_call(key, each) for each in (name, meant, catalogue.aliases.get(meant, meant)))


def may_call(key: Key, name: str) -> bool:
    """Whether the key's list of models has the name; admin keys and empty lists have all."""
    return key.is_admin or not key.models or matches(key.models, name)
