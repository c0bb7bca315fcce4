"""`/metrics`, for Prometheus."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from gateway.auth import credential
from gateway.errors import NotAuthenticated
from gateway.http.requests import admin, headers_of, services
from gateway.metrics import Metrics


async def show(request: Request) -> Response:
    """All of it, in OpenMetrics for whoever asks for that. For an admin, and for
    `GATEWAY_METRICS_KEY`."""
    if not _has_metrics_key(request):
        # What is wrong is to be seen here, too.
        admin(request, however_old=True)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    services(request).gauges.look()
    # A thousand models come to 60,000 lines.
    text = await asyncio.to_thread(_encoded, encode, services(request).metrics)
    return Response(text, media_type=media_type)


def _encoded(encode: Callable[[CollectorRegistry], bytes], metrics: Metrics) -> bytes:
    return encode(metrics.collected())


def _has_metrics_key(request: Request) -> bool:
    known = services(request).settings.metrics_key
    if known is None:
        return False
    try:
        given = credential(headers_of(request))
    except NotAuthenticated:
        return False
    return hmac.compare_digest(given.encode(), known.encode())
