"""Types of fields, and what all descriptions share."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError

from gateway.errors import InvalidField
from gateway.fields import WrongField, check_json

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _none_is_empty(value: object) -> object:
    return {} if value is None else value


def _no_control(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("holds a control character")
    return text


def _ascii(text: str) -> str:
    if not text.isascii():
        raise ValueError("holds a character that no key has; was it copied where it is shortened?")
    return text


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2048),
    AfterValidator(_no_control),
]
OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]
ProviderKey = Annotated[
    Annotated[Text, AfterValidator(_ascii)] | None, BeforeValidator(_blank_is_none)
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=256),
    AfterValidator(_no_control),
]
Id = Annotated[
    str,
    # Not `\w`: of all scripts' letters, so often, pydantic makes a pattern of 12 MB.
    StringConstraints(strip_whitespace=True, pattern="^[A-Za-z0-9_.:@-]{1,128}$"),
]
Label = Annotated[
    Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        AfterValidator(_no_control),
    ]
    | None,
    BeforeValidator(_blank_is_none),
]
Object = Annotated[dict[str, Any], BeforeValidator(_none_is_empty)]
LARGEST_LIMIT = 2**53
Limit = Annotated[int, Field(gt=0, le=LARGEST_LIMIT)]


def new_id(prefix: str) -> str:
    """`prefix_` and 20 hexadecimal digits that sort by the time they were made."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"


def invalid_field(error: ValidationError, meant: Mapping[str, str]) -> InvalidField:
    """The first thing pydantic found wrong, as an error that names the field.

    `meant` has what people call a field that has another name, or another place, here.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    wrong = first.get("ctx", {}).get("error")
    if isinstance(wrong, WrongField):
        return wrong.shown()
    field = ".".join(str(part) for part in first["loc"])
    if not field:
        return InvalidField(message)
    if first["type"] == "extra_forbidden":
        return no_such_field(field, meant)
    return InvalidField(f"{field}: {message[0].lower()}{message[1:]}", param=field)


def check_patch(patch: object) -> Mapping[str, Any]:
    """The patch, where it is JSON of a depth that can be merged. Raises InvalidField."""
    if not isinstance(patch, Mapping):
        raise InvalidField("The body must be a JSON object")
    try:
        check_json(patch)
    except WrongField as wrong:
        raise wrong.shown() from None
    return patch


def no_such_field(field: str, meant: Mapping[str, str]) -> InvalidField:
    hint = f"; did you mean {meant[field]}?" if field in meant else ""
    return InvalidField(f"{field}: no such field{hint}", param=field)
