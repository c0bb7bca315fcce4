"""Texts of forms, read as what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.errors import InvalidField


def json_value(text: str, name: str) -> Any:
    """The JSON in a field. Raises InvalidField."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidField(
            f"{name} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            param=name,
        ) from None


def json_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object in a field; an empty field is an empty one. Raises InvalidField."""
    if not text:
        return {}
    value = json_value(text, name)
    if not isinstance(value, dict):
        raise InvalidField(f'{name} takes a JSON object, such as {{"name": 30}}', param=name)
    return value


def json_text(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if value else ""


def listed(text: str) -> list[str]:
    """What stands between commas."""
    return [each.strip() for each in text.split(",") if each.strip()]
