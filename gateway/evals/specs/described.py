"""Descriptions as models of pydantic read them, and errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from gateway.errors import InvalidField
from gateway.fields import WrongField
from gateway.litellm_names import nearest

Model = TypeVar("Model", bound=BaseModel)


def described(model: type[Model], data: object, what: str) -> Model:
    """The description that the data is. Raises InvalidField, which names `what` it is of."""
    if not isinstance(data, Mapping):
        raise InvalidField(f"{what} is described by a JSON object")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _shown(error, model, data) from None


def meant(name: object, known: Sequence[str]) -> str:
    """A hint at what somebody wanted who wrote `name`: the nearest, or all there are."""
    folded = {other.lower(): other for other in known}
    found = nearest(str(name).lower(), folded)
    return f"did you mean {folded[found]}?" if found else f"there are {', '.join(known)}"


def _shown(error: ValidationError, model: type[BaseModel], data: Mapping[str, Any]) -> InvalidField:
    errors = error.errors(include_url=False)
    # Of a field that may be of several types, what is wrong with the one that it has.
    first = max(
        (other for other in errors if other["loc"][:1] == errors[0]["loc"][:1]),
        key=lambda other: (
            not other["type"].endswith("_type"),
            len(_location(other["loc"], other["type"], data)),
        ),
    )
    wrong = first.get("ctx", {}).get("error")
    if isinstance(wrong, WrongField):
        return wrong.shown()
    field = ".".join(str(part) for part in _location(first["loc"], first["type"], data))
    if first["type"] == "extra_forbidden":
        hint = meant(first["loc"][-1], _names(model, first["loc"][:-1]))
        return InvalidField(f"{field}: no such field; {hint}", param=field)
    if first["type"] == "literal_error":
        known = get_args(model.model_fields[str(first["loc"][0])].annotation)
        hint = meant(first["input"], known)
        return InvalidField(f"{field}: {first['input']!r} is none; {hint}", param=field)
    message = first["msg"].removeprefix("Value error, ")
    return InvalidField(f"{field}: {message[0].lower()}{message[1:]}", param=field)


def _location(loc: Sequence[str | int], kind: str, data: Any) -> list[str | int]:
    """Where in the data it is: pydantic also names the types that it tried."""
    parts: list[str | int] = []
    for position, part in enumerate(loc):
        if _holds(data, part):
            data = data[part]
        elif kind != "missing" or position < len(loc) - 1:
            continue
        parts.append(part)
    return parts


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, Mapping) and part in data


def _names(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The fields of the description at a place within another."""
    for part in loc:
        annotation = model.model_fields[str(part)].annotation
        model = next(one for one in get_args(annotation) if hasattr(one, "model_fields"))
    return [info.alias or name for name, info in model.model_fields.items()]
