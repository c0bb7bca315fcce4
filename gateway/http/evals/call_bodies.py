"""The bodies of the calls that evaluations make: held to the same rules as those of callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.http.bodies import validate
from gateway.http.cache_control import take_cache_control
from gateway.records import CacheControl, Operation


def read_call(operation: Operation, body: Mapping[str, Any]) -> tuple[dict[str, Any], CacheControl]:
    """The body as the pipeline takes it, and what it wants of the cache: nothing, unless it says
    so in LiteLLM's field `cache`, for one answer given several times would be no repeat.

    Raises:
        InvalidRequest: `param` names the first parameter at fault.
    """
    given = dict(body)
    asked = given.get("cache") is not None
    cache = take_cache_control({}, given) if asked else CacheControl(use=False)
    return validate(operation, given), cache
