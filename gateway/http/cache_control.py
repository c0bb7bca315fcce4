"""What a caller says of the cache: LiteLLM's field `cache`, or the header `cache-control`.

LiteLLM's field is in its types/caching.py (DynamicCacheControl); the header's directives for
requests are in RFC 9111, section 5.2.1.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.errors import InvalidRequest
from gateway.records import CacheControl
from gateway.specs.cache import LONGEST_TTL

FLAGS = {"use-cache": "use", "no-cache": "no_cache", "no-store": "no_store"}
# The shortest that each can be, in seconds.
TIMES = {"ttl": ("ttl", 0.001), "s-maxage": ("max_age", 0.0), "s-max-age": ("max_age", 0.0)}
_NAMES = (*FLAGS, *TIMES, "namespace")
_LONGEST_NAMESPACE = 64
_NOTHING_SAID = CacheControl()


def take_cache_control(headers: Mapping[str, str], body: dict[str, Any]) -> CacheControl:
    """What the request says; the field is removed from its body, as no provider knows it.

    What stands in both is as the field has it. The header cannot turn the cache on, and what is
    wrong with it is passed over, as HTTP wants it.

    Raises:
        InvalidRequest: The field is wrong; `param` says where.
    """
    given = body.pop("cache", None)
    header = headers.get("cache-control", "")
    if given is None and not header:
        return _NOTHING_SAID
    said = _from_header(header)
    if given is not None:
        if isinstance(given, str):
            # As a form has it.
            with contextlib.suppress(orjson.JSONDecodeError):
                given = orjson.loads(given)
        if not isinstance(given, Mapping):
            raise _wrong_type("cache", "an object")
        for name, value in given.items():
            if value is not None:
                said |= _field(name, value)
    return CacheControl(**said)


def _field(name: str, value: object) -> dict[str, Any]:
    where = f"cache.{name}"
    if name in FLAGS:
        if not isinstance(value, bool):
            raise _wrong_type(where, "a boolean")
        return {FLAGS[name]: value}
    if name in TIMES:
        field, least = TIMES[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(where, "a number of seconds")
        if not least <= value <= LONGEST_TTL:
            raise _wrong_value(where, f"expected from {least:g} to {LONGEST_TTL} seconds")
        return {field: float(value)}
    if name == "namespace":
        if not isinstance(value, str):
            raise _wrong_type(where, "a string")
        if not 0 < len(value) <= _LONGEST_NAMESPACE:
            raise _wrong_value(where, f"expected 1 to {_LONGEST_NAMESPACE} characters")
        return {name: value}
    raise InvalidRequest(
        f"Unrecognized request argument supplied: {where}. There are {', '.join(_NAMES)}.",
        param=where,
        code="unknown_parameter",
    )


def _from_header(text: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for directive in text.lower().split(","):
        name, _, value = (part.strip() for part in directive.partition("="))
        if name in ("no-cache", "no-store"):
            said[FLAGS[name]] = True
        elif name in ("max-age", "s-maxage") and value.isascii() and value.isdigit():
            said["max_age"] = min(said.get("max_age", math.inf), float(value[:18]))
    return said


def _wrong_type(where: str, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid type for '{where}': expected {expected}.", param=where, code="invalid_type"
    )


def _wrong_value(where: str, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value for '{where}': {expected}.", param=where, code="invalid_value"
    )
