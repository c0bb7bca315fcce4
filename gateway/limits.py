"""Requests and tokens a minute, and requests at once, by key and by deployment: asked for before
the call, settled after it.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple, Protocol

from gateway.errors import RateLimited
from gateway.records import Key, Model
from gateway.windows import Windows


class Limit(NamedTuple):
    unit: str
    most: int
    counter: str
    scope: str
    """In headers: `api_key`, or `model_per_key` for a limit of one model."""


class Admission(NamedTuple):
    """Leave for one call, which must be settled."""

    key: Key
    limits: Sequence[Limit]
    headers: dict[str, str]
    """LiteLLM's `x-ratelimit-*`, for the limits that the key has."""


class LimitKeeper(Protocol):
    """Fixed windows of a minute, each opened by its first request.

    A count belongs to the key alone, so a new limit holds for what was used already.
    """

    async def admit(self, key: Key, model_name: str) -> Admission:
        """Count a request in; `model_name` is the registered model's.

        Raises:
            RateLimited: With `retry-after`; the call must not be made, and is not counted.
            NotReady: Nobody can tell whether there is room.
        """

    def settle(self, admission: Admission, tokens: int) -> Awaitable[object] | None:
        """Count the tokens that the call used, and that it has ended.

        Returns what comes once every process knows, if that takes time.
        """

    async def enter(self, model: Model) -> float:
        """Count a request in at a deployment, where the limits of its own leave room.

        Returns 0.0; or, and it is not counted, the seconds until they do. Raises NotReady.
        """

    def use(self, model: Model, tokens: int) -> None:
        """Count the tokens that a deployment has used."""


class Limiter:
    """Keeps to the limits of this process's own requests; see `LimitKeeper`."""

    def __init__(self) -> None:
        self._counts = Windows()
        self._running: Counter[str] = Counter()

    async def admit(self, key: Key, model_name: str) -> Admission:
        limits = list(limits_of_key(key, model_name))
        headers: dict[str, str] = {}
        for limit in limits:
            used = self._counts.get(limit.counter)
            if used >= limit.most:
                raise self._limited(key, limit)
            headers |= headers_of(limit, used)
        most = key.max_parallel_requests
        if most is not None and self._running[key.id] >= most:
            raise too_many_at_once(key)
        # No await before it is counted: nobody else comes in after the look.
        self.begin(key, limits)
        return Admission(key, limits, headers)

    def settle(self, admission: Admission, tokens: int) -> None:
        self.end(admission.key, admission.limits, tokens)

    async def enter(self, model: Model) -> float:
        limits = list(limits_of_model(model))
        for limit in limits:
            if self._counts.get(limit.counter) >= limit.most:
                return self._seconds_left(limit)
        self.count(limits, "requests", 1)
        return 0.0

    def use(self, model: Model, tokens: int) -> None:
        self.count(limits_of_model(model), "tokens", tokens)

    # --- Without asking ---

    def begin(self, key: Key, limits: Iterable[Limit]) -> None:
        """Count a request in, whatever these limits of its say."""
        self._running[key.id] += 1
        self.count(limits, "requests", 1)

    def end(self, key: Key, limits: Iterable[Limit], tokens: int) -> None:
        self._running[key.id] -= 1
        if not self._running[key.id]:
            del self._running[key.id]
        self.count(limits, "tokens", tokens)

    def count(self, limits: Iterable[Limit], unit: str, amount: int) -> None:
        """Count what was used of the limits that are of this unit."""
        for limit in limits:
            if limit.unit == unit and amount > 0:
                self._counts.add(limit.counter, amount)

    def _seconds_left(self, limit: Limit) -> float:
        return max(0.001, self._counts.seconds_left(limit.counter))

    def _limited(self, key: Key, limit: Limit) -> RateLimited:
        now = time.time()
        return too_many(key, limit, now + self._counts.seconds_left(limit.counter), now)


def too_many(key: Key, limit: Limit, resets: float, now: float) -> RateLimited:
    """The refusal of a call beyond a limit, whose window ends then; in seconds since the epoch."""
    resets_at = datetime.fromtimestamp(math.ceil(resets), UTC)
    whose = f"{limit.scope}: {key.secret_hash}"
    return RateLimited(
        f"Rate limit exceeded for {whose}. Limit type: {limit.unit}. "
        f"Current limit: {limit.most}, Remaining: 0. "
        f"Limit resets at: {resets_at:%Y-%m-%d %H:%M:%S} UTC",
        headers={
            **_headers(limit, 0),
            "retry-after": str(max(1, math.ceil(resets - now))),
            "rate_limit_type": limit.unit,
            "reset_at": str(math.ceil(resets)),
        },
    )


def too_many_at_once(key: Key) -> RateLimited:
    return RateLimited(
        f"Rate limit exceeded for api_key: {key.secret_hash}. Limit type: "
        f"max_parallel_requests. Current limit: {key.max_parallel_requests}, Remaining: 0. "
        "Try again when a request has ended.",
        headers={"retry-after": "1", "rate_limit_type": "max_parallel_requests"},
    )


def limits_of_key(key: Key, model_name: str) -> Iterator[Limit]:
    """In the order in which they are looked at."""
    per_model = "model_per_key"
    for unit, most, of_model in (
        # Tokens first: a request refused for its tokens tells so rather than the other.
        ("tokens", key.tpm_limit, key.model_tpm_limit.get(model_name)),
        ("requests", key.rpm_limit, key.model_rpm_limit.get(model_name)),
    ):
        if most is not None:
            yield Limit(unit, most, f"{unit}/{key.id}", "api_key")
        if of_model is not None:
            yield Limit(unit, of_model, f"{unit}/{key.id}/{model_name}", per_model)


def limits_of_model(model: Model) -> Iterator[Limit]:
    """Those of a deployment."""
    for unit, name in (("tokens", "tpm"), ("requests", "rpm")):
        most = model.params.get(name)
        if most is not None:
            yield Limit(unit, most, f"model/{unit}/{model.id}", "model")


def headers_of(limit: Limit, used: int) -> dict[str, str]:
    """What a call is told that was let in, where so much had been used before it."""
    return _headers(limit, limit.most - used - (limit.unit == "requests"))


def _headers(limit: Limit, remaining: int) -> dict[str, str]:
    most, left = _header_names(limit.scope, limit.unit)
    return dict.fromkeys(most, str(limit.most)) | dict.fromkeys(left, str(remaining))


@cache
def _header_names(scope: str, unit: str) -> list[list[str]]:
    """Those of what a limit is, and of what is left."""
    # What stands without a scope is the key's own limit, as in LiteLLM.
    scopes = ("", "api_key-") if scope == "api_key" else (f"{scope}-",)
    return [
        [f"x-ratelimit-{scope}{what}-{unit}" for scope in scopes] for what in ("limit", "remaining")
    ]
