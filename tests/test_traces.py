"""Spans, as a collector gets them over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.app import create_app
from gateway.settings import Settings, SettingsError
from tests.servers import (
    FakeProvider,
    Gateway,
    answer,
    chunks,
    completion,
    http_client,
    serving,
    usage,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Collector:
    """What takes spans by OTLP over HTTP."""

    exports: list[ExportTraceServiceRequest] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for export in self.exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def service(self) -> dict[str, Any]:
        return attributes(self.exports[0].resource_spans[0].resource)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.exports.append(ExportTraceServiceRequest.FromString(await request.body()))
        return Response(media_type="application/x-protobuf")


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    made = Collector()
    async with serving(made.app()) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        yield made


@asynccontextmanager
async def traced(settings: Settings, provider: FakeProvider) -> AsyncIterator[Gateway]:
    """A gateway that exports; all spans have come at its end."""
    app = create_app(replace(settings, traces=True))
    async with serving(app) as url, http_client() as http:
        gateway = Gateway(url, str(settings.admin_key), provider, app, http)
        await gateway.try_once()
        yield gateway


async def test_a_call_is_a_span_of_the_callers_trace(
    settings: Settings, provider: FakeProvider, collector: Collector
) -> None:
    async with traced(settings, provider) as gateway:
        prices = {"input_cost_per_token": 1e-3, "output_cost_per_token": 2e-3}
        await gateway.add_model(litellm_params=prices)
        issued = await gateway.issue_key()
        counts = usage() | {"prompt_tokens_details": {"cached_tokens": 4}}
        provider.does(answer(completion("Hi") | {"usage": counts}))
        body = {"model": "gpt", "messages": [{"role": "user", "content": "secret prompt"}]}
        got = await gateway.request(
            "POST", "/v1/chat/completions", issued["key"], body, {"traceparent": PARENT}
        )
        assert got.status_code == 200
        [row] = await gateway.rows(issued["id"])
    [span] = collector.spans
    assert span.name == "chat gpt"
    assert span.kind == Span.SPAN_KIND_CLIENT
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert span.start_time_unix_nano == row.started_ms * 1_000_000
    assert span.end_time_unix_nano == (row.started_ms + row.latency_ms) * 1_000_000
    assert attributes(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 6,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "http.response.status_code": 200,
        "gateway.call.id": row.id,
        "gateway.request.id": row.request_id,
        "gateway.key.id": issued["id"],
        "gateway.model": "gpt",
        "gateway.deployment.id": row.deployment_id,
        "gateway.outcome": "complete",
        "gateway.cost_usd": (row.cost or 0) / 1e9,
    }
    assert collector.service["service.name"] == "litellm-gateway"
    assert b"secret prompt" not in collector.exports[0].SerializeToString()


async def test_streams_and_failures_are_spans_too(
    settings: Settings, provider: FakeProvider, collector: Collector
) -> None:
    async with traced(settings, provider) as gateway:
        await gateway.add_model()
        key = str((await gateway.issue_key())["key"])
        provider.streams(chunks())
        assert (await gateway.chat(key, stream=True)).status_code == 200
        provider.does(answer({"error": {"message": "no"}}, 400))
        assert (await gateway.chat(key)).status_code == 400
        assert (await gateway.chat(key, "unknown")).status_code == 400
    streamed, failed, refused = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    assert attributes(streamed)["gen_ai.request.stream"] is True
    assert attributes(streamed)["gen_ai.response.time_to_first_chunk"] > 0
    assert failed.status.code == refused.status.code == Status.STATUS_CODE_ERROR
    assert attributes(failed)["error.type"] == "invalid_request_error"
    assert attributes(refused)["gateway.outcome"] == "refused"
    assert not failed.parent_span_id
    assert len({span.trace_id for span in collector.spans}) == 3


async def test_what_the_environment_says_of_the_service_goes_before(
    settings: Settings,
    provider: FakeProvider,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    async with traced(settings, provider) as gateway:
        await gateway.chat(str((await gateway.issue_key())["key"]))
    assert collector.service["service.name"] == "mine"


async def test_a_collector_that_is_gone_stops_no_call(
    settings: Settings, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    async with traced(settings, provider) as gateway:
        await gateway.add_model()
        key = str((await gateway.issue_key())["key"])
        assert (await gateway.chat(key)).status_code == 200


async def test_missing_packages_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.traces.find_spec", lambda _name: None)
    app = create_app(replace(settings, traces=True))
    with pytest.raises(SettingsError, match=r"pip install 'litellm-gateway\[otel\]'"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
    ],
)
def test_opentelemetrys_variables_turn_it_on(environ: dict[str, str], wanted: bool) -> None:
    assert Settings.from_env(environ).traces is wanted
