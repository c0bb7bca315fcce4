"""A span for each call to a model, by OpenTelemetry's conventions for generative AI.

Where to and how is said by OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT` and
others). No prompt and no answer is in a span.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.records import Call, LedgerRow, Operation
from gateway.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_NAMES: Mapping[str, str] = {
    Operation.CHAT: "chat",
    Operation.MESSAGES: "chat",
    Operation.RESPONSES: "chat",
    Operation.COMPLETION: "text_completion",
    Operation.EMBEDDING: "embeddings",
}
"""What the conventions have a name for; other operations have their own."""
_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""The conventions' names of providers that are not litellm's."""
_FAULTS = ("cut", "failed", "refused")

Trace = Callable[[Call, LedgerRow], None]
"""Tells of a call that has ended."""


@asynccontextmanager
async def tracing(wanted: bool) -> AsyncIterator[Trace | None]:
    """Export spans where that is wanted; at the end, also those that wait.

    Raises:
        SettingsError: The packages are missing.
    """
    if not wanted:
        yield None
        return
    if find_spec("opentelemetry.exporter") is None or find_spec("opentelemetry.sdk") is None:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs packages: pip install 'litellm-gateway[otel]'"
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own = Resource({"service.name": "litellm-gateway", "service.version": __version__})
    provider = TracerProvider(
        # What the environment says of the service goes before.
        resource=own.merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("gateway", __version__)
    try:
        yield lambda call, row: _tell(tracer, call, row)
    finally:
        await asyncio.to_thread(provider.shutdown)


def _tell(tracer: Tracer, call: Call, row: LedgerRow) -> None:
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    name = _NAMES.get(row.operation, row.operation.strip("/").replace("/", "_"))
    attributes: dict[str, str | int | float | bool | None] = {
        "gen_ai.operation.name": name,
        "gen_ai.provider.name": _PROVIDERS.get(row.provider or "", row.provider),
        "gen_ai.request.model": row.model,
        "gen_ai.request.stream": row.stream or None,
        "gen_ai.usage.input_tokens": row.prompt_tokens,
        "gen_ai.usage.output_tokens": row.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": row.cached_tokens or None,
        "gen_ai.usage.cache_creation.input_tokens": row.cache_write_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": row.reasoning_tokens or None,
        "gen_ai.response.time_to_first_chunk": _seconds(row.first_token_ms),
        "error.type": row.error,
        "http.response.status_code": row.status,
        "enduser.id": row.end_user,
        "gateway.call.id": row.id,
        "gateway.request.id": row.request_id,
        "gateway.key.id": row.key_id,
        "gateway.team.id": row.team_id,
        "gateway.model": row.served_model,
        "gateway.deployment.id": row.deployment_id,
        "gateway.outcome": row.outcome,
        "gateway.cost_usd": None if row.cost is None else row.cost / 1e9,
        "gateway.retries": row.retries or None,
        "gateway.fallbacks": row.fallbacks or None,
        "gateway.cache_hit": row.cache_hit or None,
    }
    started = row.started_ms * 1_000_000
    span = tracer.start_span(
        f"{name} {row.model}",
        context=TraceContextTextMapPropagator().extract(call.trace),
        kind=SpanKind.CLIENT,
        attributes={key: value for key, value in attributes.items() if value is not None},
        start_time=started,
    )
    if row.outcome in _FAULTS:
        span.set_status(Status(StatusCode.ERROR))
    span.end(started + row.latency_ms * 1_000_000)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
