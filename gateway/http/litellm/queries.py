"""What LiteLLM's lists take in their query, and how they answer a page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

from gateway.errors import InvalidField
from gateway.http.litellm.errors import BadRequest

_MOST = 100
_NUMBER = re.compile(r"[0-9]{1,9}")
# What pydantic takes for a boolean in a query.
_TRUE = ("1", "true", "t", "yes", "y", "on")
_FALSE = ("0", "false", "f", "no", "n", "off")


@dataclass(frozen=True, slots=True)
class Page:
    """`?page=`, counted from 1, and how many things are on one."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size

    def of(self, total: int) -> int:
        """How many pages there are."""
        return -(-total // self.size)


def page(request: Request, size_name: str, size: int) -> Page:
    """The page that is asked for, by default of `size`. Raises InvalidField."""
    return Page(whole_number(request, "page", 1), whole_number(request, size_name, size, _MOST))


def whole_number(request: Request, name: str, default: int, most: int | None = None) -> int:
    """Raises InvalidField."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or int(text) < 1 or (most is not None and int(text) > most):
        span = "from 1" if most is None else f"from 1 to {most}"
        raise InvalidField(f"{name} takes a whole number {span}", param=name)
    return int(text)


def flag(request: Request, name: str) -> bool:
    """Whether `?name=true`. Raises InvalidField."""
    text = request.query_params.get(name, "false").lower()
    if text not in _TRUE + _FALSE:
        raise InvalidField(f"{name} takes true or false", param=name)
    return text in _TRUE


def given(request: Request, name: str) -> str | None:
    """A parameter's text; an empty one counts as left out, as it does for LiteLLM."""
    return request.query_params.get(name) or None


def descending(request: Request, default: str) -> bool:
    """Whether `?sort_order=desc`. Raises BadRequest."""
    order = request.query_params.get("sort_order", default).lower()
    if order not in ("asc", "desc"):
        raise BadRequest("Invalid sort order. Must be 'asc' or 'desc'", param="sort_order")
    return order == "desc"
