"""`/metrics`, for Prometheus."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from gateway.auth import credential
from gateway.deployments import Deployments
from gateway.errors import NotAuthenticated
from gateway.http.requests import admin, headers_of, services
from gateway.ledger import Ledger
from gateway.registry import Registry


async def show(request: Request) -> Response:
    """All of it, in OpenMetrics for whoever asks for that. For an admin, and for
    `GATEWAY_METRICS_KEY`."""
    if not _has_metrics_key(request):
        admin(request)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    registry: CollectorRegistry = services(request).metrics.registry
    # A thousand models come to 60,000 lines.
    text = await asyncio.to_thread(encode, registry)
    return Response(text, media_type=media_type)


def _has_metrics_key(request: Request) -> bool:
    known = services(request).settings.metrics_key
    if known is None:
        return False
    try:
        given = credential(headers_of(request))
    except NotAuthenticated:
        return False
    return hmac.compare_digest(given.encode(), known.encode())


class State(Collector):
    """What is looked at when it is asked for, and not counted."""

    def __init__(self, registry: Registry, ledger: Ledger, deployments: Deployments) -> None:
        self._registry = registry
        self._ledger = ledger
        self._deployments = deployments

    def describe(self) -> Iterator[Metric]:
        """Nothing: Prometheus' library would else look for the names by a first `collect`."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        for name, told, value in (
            ("gateway_calls_in_progress", "Calls to models that run.", self._ledger.running),
            (
                "gateway_ledger_rows_waiting",
                "Rows of the ledger that are not in the database yet.",
                len(self._ledger.waiting),
            ),
            ("gateway_keys", "Keys that are not revoked.", self._registry.key_count),
            ("gateway_models", "Deployments of models.", len(self._registry.catalogue.deployments)),
        ):
            yield GaugeMetricFamily(name, told, value)
        cooling = GaugeMetricFamily(
            "gateway_deployments_cooling_down",
            "Deployments of a model that get no calls for a while, as they failed.",
            labels=("model",),
        )
        for model, count in self._cooling().items():
            cooling.add_metric((model,), count)
        yield cooling

    def _cooling(self) -> Counter[str]:
        deployments = self._registry.catalogue.deployments
        ids = self._deployments.cooling()
        return Counter(deployments[each].name for each in ids if each in deployments)
