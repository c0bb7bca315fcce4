"""What routes of evaluations read from their query."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.requests import Request

from gateway.errors import InvalidField

_POSITION = re.compile(r"[0-9]{1,9}")


def parameters(request: Request, known: Sequence[str]) -> dict[str, str]:
    """What the query says, once each. Raises InvalidField."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            there_are = f"there are {', '.join(sorted(known))}" if known else "there are none here"
            raise InvalidField(f"{name}: no such parameter; {there_are}", param=name)
        if name in given:
            raise InvalidField(f"{name} is given more than once", param=name)
        given[name] = value
    return given


def position(given: str | None) -> int:
    """Where a page begins: past this position. Raises InvalidField."""
    if given is None:
        return -1
    if not _POSITION.fullmatch(given):
        raise InvalidField("after takes the last position of the page before", param="after")
    return int(given)


def one_of(given: str | None, name: str, known: Sequence[str]) -> str | None:
    """Raises InvalidField."""
    if given is not None and given not in known:
        raise InvalidField(f"{name} takes one of {', '.join(known)}", param=name)
    return given
