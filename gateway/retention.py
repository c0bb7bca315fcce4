"""Throwing away the ledger's rows, and the transcripts with them, when they are old enough.

The sums by day stay for ever. Rows go in small batches with pauses between, so that a request's
row never waits long for the database; several processes may do so at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from gateway import periods
from gateway.records import CallSettings
from gateway.registry import Registry
from gateway.specs.settings import FOREVER, SHORTEST_RETENTION
from gateway.store import Store

BATCH = 500
PAUSE_SECONDS = 0.05
EVERY_SECONDS = 3600.0

log = logging.getLogger(__name__)


class Retention:
    """Keeps the database to what `maximum_spend_logs_retention_period` says."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    async def run(self) -> None:
        """Remove what is too old, at once and then every hour, until cancelled."""
        while True:
            try:
                await self.once(time.time())
            except Exception:
                log.exception("Old rows of the ledger cannot be removed; trying again in an hour")
            await asyncio.sleep(EVERY_SECONDS)

    async def once(self, now: float) -> int:
        """Remove what is too old by now; say how many rows that were."""
        before = kept_since(self._registry.settings, now)
        if before is None:
            return 0
        removed = await in_batches(self._store.ledger.remove_before, before)
        if removed:
            log.info("Removed %d row(s) of the ledger from before %s", removed, _shown(before))
        return removed


def kept_since(settings: CallSettings, now: float) -> int | None:
    """The time, in seconds, from which on rows are kept; None where all are.

    It is never so late that a budget period that still runs is missing a row.
    """
    length = settings.maximum_spend_logs_retention_period
    if length == FOREVER:
        return None
    return int(now) - max(periods.seconds(length), SHORTEST_RETENTION)


async def in_batches(remove: Callable[[int, int], Awaitable[int]], before: int) -> int:
    """Have `remove(started_ms, limit)` remove all from before then; say how many that were."""
    removed = 0
    while True:
        gone = await remove(before * 1000, BATCH)
        removed += gone
        if gone < BATCH:
            return removed
        await asyncio.sleep(PAUSE_SECONDS)


def _shown(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
