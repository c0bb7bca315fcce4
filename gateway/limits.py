"""Requests and tokens a minute, by key: asked for before the call, settled after it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from gateway.errors import RateLimited
from gateway.records import Key


@dataclass(frozen=True, slots=True)
class Admission:
    """Leave for one call."""

    key: Key
    headers: dict[str, str]
    """LiteLLM's `x-ratelimit-*`, for the limits that the key has."""


class Limiter:
    """Fixed windows of a minute, each opened by its first request, counted in this process."""

    def __init__(self) -> None:
        self._windows = FixedWindowRateLimiter(MemoryStorage())

    async def admit(self, key: Key) -> Admission:
        """Count a request in.

        Raises:
            RateLimited: With `retry-after`; the call must not be made.
        """
        headers: dict[str, str] = {}
        # Tokens first: a request refused for its key's tokens is not counted as one.
        if key.tpm_limit is not None:
            item = RateLimitItemPerMinute(key.tpm_limit, namespace="tokens")
            remaining, resets = await self._window(item, key)
            if remaining <= 0:
                raise _limited(key, "tokens", key.tpm_limit, resets)
            headers |= _headers("tokens", key.tpm_limit, remaining)
        if key.rpm_limit is not None:
            item = RateLimitItemPerMinute(key.rpm_limit, namespace="requests")
            admitted = await self._windows.hit(item, key.id)
            remaining, resets = await self._window(item, key)
            if not admitted:
                raise _limited(key, "requests", key.rpm_limit, resets)
            headers |= _headers("requests", key.rpm_limit, remaining)
        return Admission(key, headers)

    async def settle(self, admission: Admission, tokens: int) -> None:
        """Count the tokens that the call used."""
        limit = admission.key.tpm_limit
        if limit is not None and tokens > 0:
            item = RateLimitItemPerMinute(limit, namespace="tokens")
            await self._windows.hit(item, admission.key.id, cost=tokens)

    async def _window(self, item: RateLimitItem, key: Key) -> tuple[int, float]:
        stats = await self._windows.get_window_stats(item, key.id)
        return stats.remaining, stats.reset_time


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
