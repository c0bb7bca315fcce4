"""Where entries are kept: what a place does, and how it fails without harm."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

# What a call waits for its cache at most. Another try is made after the pause.
PATIENCE_SECONDS = 1.0
PAUSE_SECONDS = 30.0

log = logging.getLogger(__name__)


class Place(Protocol):
    """Keeps bytes by key, for a time and in a bounded space. Any method may raise anything."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, data: bytes, ttl: float) -> None:
        """Keep the bytes for `ttl` seconds, or shorter where there is no room."""

    async def aclose(self) -> None: ...


class Guarded:
    """A place that never fails a call: what it cannot give is not there.

    After a failure it is left alone for a while, so that calls do not wait for it one by one.
    """

    def __init__(
        self, place: Place, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`name` says in the log which place it is."""
        self._place = place
        self._name = name
        self._clock = clock
        self._failing = False
        self._left_until = 0.0

    async def get(self, key: str) -> bytes | None:
        return await self._attempt(lambda: self._place.get(key))

    async def put(self, key: str, data: bytes, ttl: float) -> None:
        await self._attempt(lambda: self._place.put(key, data, ttl))

    async def aclose(self) -> None:
        # Also while it is left alone.
        self._left_until = 0.0
        await self._attempt(self._place.aclose)

    async def _attempt(self, work: Callable[[], Awaitable[T]]) -> T | None:
        if self._clock() < self._left_until:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                result = await work()
        except Exception as error:
            if not self._failing:
                log.warning(
                    "The response cache (%s) fails; calls go on without it: %s: %s",
                    self._name,
                    type(error).__name__,
                    error,
                )
            self._failing = True
            self._left_until = self._clock() + PAUSE_SECONDS
            return None
        if self._failing:
            log.warning("The response cache (%s) works again", self._name)
        self._failing = False
        return result
