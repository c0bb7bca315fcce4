"""What Prometheus gets that is looked at, and not counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from gateway.deployments import Deployments
from gateway.ledger import Ledger
from gateway.metrics import Metrics
from gateway.registry import Registry

LOOK_SECONDS = 1.0


class Gauges:
    def __init__(
        self,
        metrics: Metrics,
        registry: Registry,
        ledger: Ledger,
        deployments: Deployments,
        redis_reached: Callable[[], bool] | None,
    ) -> None:
        """`redis_reached` is None where there is no Redis to reach."""
        self._registry = registry
        self._ledger = ledger
        self._deployments = deployments
        self._running = metrics.gauge(
            "gateway_calls_in_progress", "Calls to models that run.", "livesum"
        )
        self._waiting = metrics.gauge(
            "gateway_ledger_rows_waiting",
            "Rows of the ledger in memory that are not in the database yet.",
            "livesum",
        )
        self._spooled = metrics.gauge(
            "gateway_ledger_rows_spooled",
            "Rows of the ledger that wait on the disk for the database.",
            "livesum",
        )
        self._spool_bytes = metrics.gauge(
            "gateway_ledger_spool_bytes", "What they take there.", "livesum"
        )
        self._age = metrics.gauge(
            "gateway_database_age_seconds",
            "Since the database was last read; what is known is as old.",
            "livemax",
        )
        self._keys = metrics.gauge("gateway_keys", "Keys that are not revoked.", "livemax")
        self._models = metrics.gauge("gateway_models", "Deployments of models.", "livemax")
        self._cooling = metrics.gauge(
            "gateway_deployments_cooling_down",
            "Deployments of a model that get no calls for a while, as they failed.",
            "livemax",
            ("model",),
        )
        self._cooled: set[str] = set()
        self._redis_reached = redis_reached
        if redis_reached:
            self._redis = metrics.gauge(
                "gateway_redis_up",
                "Whether the Redis that limits and budgets are counted in is reached, by all.",
                "livemin",
            )

    def look(self) -> None:
        """Have what Prometheus gets be as it is now."""
        deployments = self._registry.catalogue.deployments
        self._running.set(self._ledger.running)
        self._waiting.set(len(self._ledger.waiting))
        self._spooled.set(self._ledger.spool.rows)
        self._spool_bytes.set(self._ledger.spool.size)
        self._age.set(self._registry.age)
        self._keys.set(self._registry.key_count)
        self._models.set(len(deployments))
        if self._redis_reached:
            self._redis.set(self._redis_reached())
        ids = self._deployments.cooling()
        cooling = Counter(deployments[each].name for each in ids if each in deployments)
        for name in self._cooled | cooling.keys():
            self._cooling.labels(name).set(cooling[name])
        # Among several processes, none can take back that it has said something.
        self._cooled = {model.name for model in deployments.values()} & (
            self._cooled | cooling.keys()
        )

    async def watch(self) -> None:
        """Look until cancelled, for other processes that are asked."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)
