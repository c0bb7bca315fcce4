"""Entries in the memory of one process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

# What an entry takes besides its bytes: its key, its number, its place in the order.
_BESIDES = 300
_SWEEP_SECONDS = 60.0


class MemoryPlace:
    """Up to `most` bytes, of which those go first that were not asked for longest."""

    def __init__(self, most: int, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._swept = clock()
        self.size = 0
        """In bytes, of all entries."""

    async def get(self, key: str) -> bytes | None:
        found = self._entries.get(key)
        if found is None:
            return None
        data, expires_at = found
        if expires_at <= self._clock():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return data

    async def put(self, key: str, data: bytes, ttl: float) -> None:
        now = self._clock()
        self._remove(key)
        self._entries[key] = data, now + ttl
        self.size += len(data) + _BESIDES
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            for old in [old for old, (_, at) in self._entries.items() if at <= now]:
                self._remove(old)
        while self.size > self._most:
            self._remove(next(iter(self._entries)))

    async def aclose(self) -> None:
        self._entries.clear()
        self.size = 0

    def _remove(self, key: str) -> None:
        removed = self._entries.pop(key, None)
        if removed is not None:
            self.size -= len(removed[0]) + _BESIDES
