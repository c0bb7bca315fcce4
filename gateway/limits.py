"""Requests and tokens a minute, by key: asked for before the call, settled after it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from limits.aio.storage import MemoryStorage

from gateway.errors import RateLimited
from gateway.records import Key

_WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Admission:
    """Leave for one call."""

    key: Key
    headers: dict[str, str]
    """LiteLLM's `x-ratelimit-*`, for the limits that the key has."""


class Limiter:
    """Fixed windows of a minute, each opened by its first request, counted in this process.

    A count belongs to the key alone, so a new limit holds for what was used already.
    """

    def __init__(self) -> None:
        self._counts = MemoryStorage()

    async def admit(self, key: Key) -> Admission:
        """Count a request in.

        Raises:
            RateLimited: With `retry-after`; the call must not be made.
        """
        headers: dict[str, str] = {}
        # Tokens first: a request refused for its key's tokens is not counted as one.
        if key.tpm_limit is not None:
            used = await self._counts.get(_counter("tokens", key))
            if used >= key.tpm_limit:
                raise await self._limited(key, "tokens", key.tpm_limit)
            headers |= _headers("tokens", key.tpm_limit, key.tpm_limit - used)
        if key.rpm_limit is not None:
            used = await self._counts.incr(_counter("requests", key), _WINDOW_SECONDS)
            if used > key.rpm_limit:
                raise await self._limited(key, "requests", key.rpm_limit)
            headers |= _headers("requests", key.rpm_limit, key.rpm_limit - used)
        return Admission(key, headers)

    async def settle(self, admission: Admission, tokens: int) -> None:
        """Count the tokens that the call used."""
        key = admission.key
        if key.tpm_limit is not None and tokens > 0:
            await self._counts.incr(_counter("tokens", key), _WINDOW_SECONDS, tokens)

    async def _limited(self, key: Key, unit: str, limit: int) -> RateLimited:
        return _limited(key, unit, limit, await self._counts.get_expiry(_counter(unit, key)))


def _counter(unit: str, key: Key) -> str:
    return f"{unit}/{key.id}"


def _headers(unit: str, limit: int, remaining: int) -> dict[str, str]:
    return {
        f"x-ratelimit-{scope}{what}-{unit}": str(number)
        for scope in ("", "api_key-")
        for what, number in (("limit", limit), ("remaining", remaining))
    }


def _limited(key: Key, unit: str, limit: int, resets: float) -> RateLimited:
    resets_at = datetime.fromtimestamp(math.ceil(resets), UTC)
    return RateLimited(
        f"Rate limit exceeded for api_key: {key.secret_hash}. Limit type: {unit}. "
        f"Current limit: {limit}, Remaining: 0. "
        f"Limit resets at: {resets_at:%Y-%m-%d %H:%M:%S} UTC",
        headers={
            **_headers(unit, limit, 0),
            "retry-after": str(max(1, math.ceil(resets - time.time()))),
            "rate_limit_type": unit,
            "reset_at": str(math.ceil(resets)),
        },
    )
