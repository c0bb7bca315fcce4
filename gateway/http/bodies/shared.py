"""What bodies have in common: types of fields, and errors worded as OpenAI's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationError

from gateway.errors import InvalidRequest

CLOSED = ConfigDict(strict=True, extra="forbid")
OPEN = ConfigDict(strict=True, extra="allow")

# Tags of unions appear in pydantic's locations; the brackets tell them from the caller's fields.
_TAG = re.compile("<[a-z_]+>")
ANY = "<any>"


def by_type(value: object) -> str | None:
    tags: dict[type, str] = {str: "<text>", list: "<list>", dict: "<object>"}
    return tags.get(type(value))


def _by_items(value: object) -> str | None:
    if not isinstance(value, list) or not value:
        return by_type(value)
    tags: dict[type, str] = {str: "<list>", int: "<tokens>", list: "<batch>"}
    return tags.get(type(value[0]))


def one_of(expected: str, tell: Callable[[object], str | None] = by_type) -> Discriminator:
    """Tell the members of a union apart by `tell`, or say what was expected."""
    return Discriminator(
        tell, custom_error_type="union_type", custom_error_message=f"expected {expected}"
    )


ModelName = Annotated[str, Field(min_length=1)]
Strings = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[str], Tag("<list>")],
    one_of("a string or an array of strings"),
]
TextOrObject = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[dict[str, Any], Tag("<object>")],
    one_of("a string or an object"),
]
Input = Annotated[
    Annotated[str, Tag("<text>")]
    | Annotated[list[str], Field(min_length=1), Tag("<list>")]
    | Annotated[list[int], Tag("<tokens>")]
    | Annotated[list[list[int]], Tag("<batch>")],
    one_of("a string, an array of strings, or arrays of token numbers", _by_items),
]


def invalid_request(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False)[0]
    param = _param(first["loc"])
    message = first["msg"][0].lower() + first["msg"][1:].replace(" after validation", "")
    match first["type"]:
        case "role":
            param += ".role"
            return InvalidRequest(
                f"Invalid value for '{param}': {message}.", param=param, code="invalid_value"
            )
        case "missing":
            return InvalidRequest(
                f"Missing required parameter: '{param}'.",
                param=param,
                code="missing_required_parameter",
            )
        case "extra_forbidden":
            return InvalidRequest(
                f"Unrecognized request argument supplied: {param}. The gateway passes on OpenAI's "
                "parameters and a few of other providers; an operator can set any other for all "
                "calls in the model's litellm_params.",
                param=param,
                code="unknown_parameter",
            )
        case kind if kind.endswith(("_type", "_parsing")):
            return InvalidRequest(
                f"Invalid type for '{param}': {message}.", param=param, code="invalid_type"
            )
        case _:
            return InvalidRequest(
                f"Invalid value for '{param}': {message}.", param=param, code="invalid_value"
            )


def _param(location: tuple[int | str, ...]) -> str:
    """`messages[0].content`, as OpenAI writes it.

    >>> _param(("messages", 0, "<prompt>", "content"))
    'messages[0].content'
    """
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        # The first is the caller's own, whatever it looks like.
        elif not name or not _TAG.fullmatch(part):
            name += f".{part}" if name else part or '""'
    return name
