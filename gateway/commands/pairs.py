"""Options that name something and say what it is: `--param NAME=VALUE`, repeated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.errors import InvalidField


def pairs(option: str, given: Iterable[str] | None, empty: str | None = None) -> dict[str, Any]:
    """`NAME=VALUE` words as a mapping; a value that is not JSON is text, one left out `empty`.

    Raises InvalidField.
    """
    return {
        name: _json_or_text(text) if text else empty
        for name, text in _split(option, given, "VALUE")
    }


def names(option: str, given: Iterable[str] | None) -> dict[str, str | None]:
    """`NAME=MODEL` words likewise. Raises InvalidField."""
    return {name: text or None for name, text in _split(option, given, "MODEL")}


def numbers(option: str, given: Iterable[str] | None) -> dict[str, int | None]:
    """`NAME=N` words likewise, with whole numbers. Raises InvalidField."""
    found: dict[str, int | None] = {}
    for name, text in _split(option, given, "N"):
        try:
            found[name] = int(text) if text else None
        except ValueError:
            raise InvalidField(f"{option} takes NAME=N, not {f'{name}={text}'!r}") from None
    return found


def _split(option: str, given: Iterable[str] | None, value: str) -> Iterator[tuple[str, str]]:
    for pair in given or ():
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidField(f"{option} takes NAME={value}, not {pair!r}")
        yield name, text


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
