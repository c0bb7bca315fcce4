"""What an operator may set of retries, fallbacks, strategies and aliases, checked.

Shapes are LiteLLM's (router.py and types/router.py of 1.106.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from gateway.catalogue import STAR, Catalogue, is_pattern
from gateway.errors import InvalidField
from gateway.fields import WrongField, check_json
from gateway.litellm_names import RETRY_POLICY, nearest
from gateway.records import RoutingStrategy
from gateway.specs.shared import Name

FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
STRATEGIES: tuple[str, ...] = get_args(RoutingStrategy)
MOST_RETRIES = 10
MOST_FALLBACKS = 100
MOST_FAILS = 1_000_000

_USAGE = (
    "is not supported; a deployment's rpm and tpm are kept to whatever the strategy, and with "
    "simple-shuffle they are its share as well"
)
_OTHER_STRATEGIES = {
    "usage-based-routing": _USAGE,
    "usage-based-routing-v2": _USAGE,
    "provider-budget-routing": "is not supported; budgets are those of keys and teams",
}
_FINAL = "a request that the provider finds fault with is never tried again"
_OTHER_POLICIES = {
    "BadRequestErrorRetries": _FINAL,
    "ContentPolicyViolationErrorRetries": _FINAL,
    "DefaultRetries": "num_retries holds for all that the policy does not name",
    "ServiceUnavailableErrorRetries": "InternalServerErrorRetries holds for every status from 500",
}
_NAME: TypeAdapter[str] = TypeAdapter(Name)

Place = tuple[str | int, ...]


class Unsupported(InvalidField):
    """Something of LiteLLM's that the gateway has not.

    Attributes:
        place: Where it is inside the setting's value.
    """

    def __init__(self, setting: str, place: Place, message: str) -> None:
        super().__init__(message, param=_path(setting, place))
        self.place = place


def strategy(name: str, value: object) -> str:
    """Raises InvalidField, as all of these do; `param` is the setting's name and what is in it."""
    given = value.strip() if isinstance(value, str) else ""
    if given in STRATEGIES:
        return given
    if given in _OTHER_STRATEGIES:
        raise Unsupported(name, (), f"{given} {_OTHER_STRATEGIES[given]}")
    meant = nearest(given, STRATEGIES)
    hint = f"; did you mean {meant}?" if meant else ""
    raise InvalidField(f"takes one of {', '.join(STRATEGIES)}{hint}", param=name)


def whole_number(name: str, value: object, most: int, place: Place = ()) -> int:
    """A number from 0 to `most`, perhaps as text."""
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
        raise InvalidField(f"takes a whole number from 0 to {most}", param=_path(name, place))
    return number


def retry_policy(name: str, value: object) -> dict[str, int]:
    """Numbers of retries by LiteLLM's names of what went wrong."""
    policy = {}
    for kind, given in _mapping(name, _parsed(name, value)).items():
        if given is None or (given == 0 and _OTHER_POLICIES.get(kind) == _FINAL):
            continue
        if kind in _OTHER_POLICIES:
            raise Unsupported(name, (kind,), f"is not supported: {_OTHER_POLICIES[kind]}")
        if kind not in RETRY_POLICY:
            meant = nearest(kind, RETRY_POLICY)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(RETRY_POLICY)}"
            raise InvalidField(f"is not known; {hint}", param=_path(name, (kind,)))
        policy[kind] = whole_number(name, given, MOST_RETRIES, (kind,))
    return policy


def fallbacks(name: str, value: object) -> dict[str, list[str]]:
    """`[{"a": ["b", "c"]}]`, LiteLLM's shape, or `{"a": ["b", "c"]}`; `*` stands for any model."""
    given = _parsed(name, value)
    parts = given if isinstance(given, list) else [given]
    chains: dict[str, list[str]] = {}
    for position, part in enumerate(parts):
        place: Place = (position,) if isinstance(given, list) else ()
        for model, chain in _mapping(name, part, place).items():
            inner = (*place, model)
            failing = _model_name(name, model, inner)
            if failing in chains:
                raise InvalidField(
                    f"{failing!r} has fallbacks already; put them into one list",
                    param=_path(name, inner),
                )
            chains[failing] = _names(name, chain, inner)
    return {model: chain for model, chain in chains.items() if chain}


def model_names(name: str, value: object) -> tuple[str, ...]:
    """A list of models; as text, with commas between them or as JSON."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        value = [each for each in value.split(",") if each.strip()]
    given = list(value) if isinstance(value, tuple) else value
    return tuple(_names(name, _parsed(name, given), ()))


def aliases(name: str, value: object) -> dict[str, str]:
    """`{"alias": "model"}`, or LiteLLM's `{"alias": {"model": "model", "hidden": false}}`."""
    found = {}
    for alias, given in _mapping(name, _parsed(name, value)).items():
        place: Place = (alias,)
        target = given
        if isinstance(given, Mapping):
            target = given.get("model")
            if unknown := sorted(set(given) - {"model", "hidden"}):
                raise InvalidField(
                    "no such field; there are model and hidden",
                    param=_path(name, (alias, unknown[0])),
                )
            if given.get("hidden"):
                raise Unsupported(
                    name,
                    (alias, "hidden"),
                    "is not supported: an alias is in the list of models; let keys have aliases "
                    "of their own, or lists of models",
                )
        found[_model_name(name, alias, place)] = _model_name(name, target, place)
    return found


def loose_ends(settings: Mapping[str, Any], catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Settings that have no effect, as they name what is no model, each with what is the matter."""
    for setting in FALLBACKS:
        for failing, chain in settings.get(setting, {}).items():
            if failing != STAR and (problem := _never_fails(failing, catalogue)):
                yield setting, problem
            yield from _missing(setting, chain, catalogue)
    yield from _missing("default_fallbacks", settings.get("default_fallbacks", ()), catalogue)
    for alias, meant in settings.get("model_group_alias", {}).items():
        if alias in catalogue.groups:
            yield "model_group_alias", f"the alias {alias!r} has no effect: a model has this name"
        elif catalogue.find(alias) is None:
            why = "is an alias itself" if meant in catalogue.aliases else "is no model here"
            yield "model_group_alias", f"{meant!r}, which {alias!r} stands for, {why}"


def _never_fails(name: str, catalogue: Catalogue) -> str | None:
    """Why the fallbacks of a name are never turned to, if they are not."""
    if is_pattern(name):
        return f"{name!r} has no fallbacks: of patterns, only * alone can have any"
    found = catalogue.find(name)
    if found is None:
        return f"{name!r} has fallbacks, and is no model here"
    if found.name != name:
        return f"{name!r} has no fallbacks as it is an alias; give {found.name!r} some"
    return None


def _missing(setting: str, chain: Sequence[str], catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for name in chain:
        if catalogue.find(name) is None:
            yield setting, f"the fallback {name!r} is no model here, and is passed over"


def _names(name: str, value: object, place: Place) -> list[str]:
    # LiteLLM's documentation has one name without its list in places.
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or len(given) > MOST_FALLBACKS:
        raise InvalidField(
            f"takes a list of up to {MOST_FALLBACKS} names of models", param=_path(name, place)
        )
    found = []
    for position, each in enumerate(given):
        inner = (*place, position)
        if isinstance(each, Mapping):
            message = "is not supported: a fallback is the name of a model, without parameters"
            raise Unsupported(name, inner, message)
        found.append(_model_name(name, each, inner))
    return found


def _model_name(name: str, value: object, place: Place) -> str:
    try:
        return _NAME.validate_python(value, strict=True)
    except ValidationError:
        raise InvalidField("takes the name of a model", param=_path(name, place)) from None


def _mapping(name: str, value: object, place: Place = ()) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidField("takes names with values", param=_path(name, place))
    return value


def _parsed(name: str, value: object) -> object:
    """The value, read as JSON where it is text: of a variable, or a command's option."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidField("takes JSON where it is given as text", param=name) from None
    try:
        check_json(value)
    except WrongField as wrong:
        inner = f"{name}.{wrong.field}" if wrong.field else name
        raise InvalidField(str(wrong), param=inner) from None
    return value


def _path(name: str, place: Place) -> str:
    return ".".join([name, *map(str, place)])
