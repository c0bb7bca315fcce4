"""Counts by name in fixed windows of a minute, each opened by its first count.

Not by the `limits` package: its storage in memory takes ten times as long for a count, and grows
with every new name.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

WINDOW_SECONDS = 60


@dataclass(slots=True)
class _Window:
    ends: float
    count: int


class Windows:
    def __init__(self, most: int | None = None) -> None:
        """At most so many are open: another one closes the oldest."""
        self._most = most
        # All are equally long, so that those that were opened first end first.
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def get(self, name: str) -> int:
        """The count of the window that is open now."""
        window = self._windows.get(name)
        return window.count if window is not None and window.ends > time.monotonic() else 0

    def add(self, name: str, amount: int = 1) -> int:
        """Returns the new count."""
        now = time.monotonic()
        while self._windows and next(iter(self._windows.values())).ends <= now:
            self._windows.popitem(last=False)
        window = self._windows.get(name)
        if window is None:
            if len(self._windows) == self._most:
                self._windows.popitem(last=False)
            window = self._windows[name] = _Window(now + WINDOW_SECONDS, 0)
        window.count += amount
        return window.count

    def seconds_left(self, name: str) -> float:
        """Until the open window ends; 0 where none is open."""
        window = self._windows.get(name)
        return max(0.0, window.ends - time.monotonic()) if window is not None else 0.0
