"""What the gateway counts of itself, for Prometheus.

Labels come from what the operator has registered and from the gateway's own routes, never from what
a caller may choose, so that there is an end to them.

Where several processes serve (`gateway serve --workers`), they count in files that they share, and
each can tell of all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gateway import __version__
from gateway.records import Call, LedgerRow

# From a cached answer to the longest of a thinking model.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
# Of models that have label values of their own. Each has some 60 series.
MOST_MODELS = 1000
OTHER = "(other)"
UNMATCHED = "(none)"
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_OF_MODEL = ("model", "provider")
# The library goes by it, too, once it is imported.
_SHARED = os.environ.get("PROMETHEUS_MULTIPROC_DIR")


class _Of(NamedTuple):
    """What is counted of calls that have the same labels."""

    calls: Counter
    seconds: Histogram
    first_token: Histogram
    prompt: Counter
    cached: Counter
    completion: Counter
    reasoning: Counter
    cost: Counter
    retries: Counter
    fallbacks: Counter


class Metrics:
    def __init__(self, name_of: Callable[[str], str | None]) -> None:
        """`name_of` is the name that a deployment, by its id, is registered under."""
        self._name_of = name_of
        self._models: set[str] = set()
        # The library's own way to what has given labels takes a lock each time.
        self._of: dict[tuple[str, str, str, str], _Of] = {}
        self._of_request: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        version = self.gauge("gateway_build_info", "The gateway's version.", "max", ("version",))
        version.labels(__version__).set(1)
        self._requests = self._counter(
            "gateway_http_requests",
            "HTTP requests that have ended; status 499: the client left first.",
            ("method", "route", "status"),
        )
        self._request_seconds = self._histogram(
            "gateway_http_request_duration_seconds",
            "From a request's head to the end of its answer.",
            ("method", "route"),
        )
        self._calls = self._counter(
            "gateway_calls",
            "Calls to models that have ended, by what became of them, as the ledger has it.",
            ("operation", *_OF_MODEL, "outcome"),
        )
        self._call_seconds = self._histogram(
            "gateway_call_duration_seconds",
            "From a call's start to its end, retries and fallbacks included.",
            ("operation", *_OF_MODEL),
        )
        self._first_token = self._histogram(
            "gateway_time_to_first_token_seconds",
            "From a streamed call's start to the first of its answer.",
            ("operation", *_OF_MODEL),
        )
        self._tokens = self._counter(
            "gateway_tokens",
            "Tokens used. cached is a part of input, reasoning one of output.",
            (*_OF_MODEL, "type"),
        )
        self._cost = self._counter(
            "gateway_cost_usd", "What calls have cost, where the price is known.", _OF_MODEL
        )
        self._retries = self._counter(
            "gateway_retries", "Tries of a call after its first.", _OF_MODEL
        )
        self._fallbacks = self._counter(
            "gateway_fallbacks", "Models that failed a call before this one had it.", _OF_MODEL
        )
        self._without_redis = self._counter(
            "gateway_decisions_without_redis",
            "Decisions on limits and budgets while Redis could not be reached: calls refused, or "
            "local, by what this process counts.",
            ("type", "outcome"),
        )

    def gauge(
        self,
        name: str,
        told: str,
        of_all: Literal["livemax", "livemin", "livesum", "max"],
        labels: tuple[str, ...] = (),
    ) -> Gauge:
        """What is set and not counted. `of_all` is what several processes' values come to."""
        return Gauge(name, told, labels, registry=self._registry, multiprocess_mode=of_all)

    def collected(self) -> CollectorRegistry:
        """All that Prometheus gets."""
        if _SHARED is None:
            return self._registry
        # What a process that has died was doing is done by nobody.
        for file in Path(_SHARED).glob("gauge_live*_*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not _lives(pid):
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
        collected = CollectorRegistry()
        MultiProcessCollector(collected)  # type: ignore[no-untyped-call]
        return collected

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count an HTTP request; `route` is the template of its path, if it has one."""
        # A client may send any word for a method.
        method = method if method in _METHODS else OTHER
        route = route or UNMATCHED
        counted = self._of_request.get((method, route, status))
        if counted is None:
            counted = self._of_request[method, route, status] = (
                self._requests.labels(method, route, status),
                self._request_seconds.labels(method, route),
            )
        counted[0].inc()
        counted[1].observe(seconds)

    def call(self, _call: Call, row: LedgerRow) -> None:
        """Count a call that has ended."""
        model, provider = self._labels(row)
        named = row.operation, model, provider, row.outcome
        counted = self._of.get(named)
        if counted is None:
            counted = self._of[named] = self._made(*named)
        counted.calls.inc()
        counted.seconds.observe(row.latency_ms / 1000)
        if row.first_token_ms is not None:
            counted.first_token.observe(row.first_token_ms / 1000)
        for counter, amount in (
            (counted.prompt, row.prompt_tokens),
            (counted.cached, row.cached_tokens),
            (counted.completion, row.completion_tokens),
            (counted.reasoning, row.reasoning_tokens),
            (counted.cost, (row.cost or 0) / 1e9),
            (counted.retries, row.retries),
            (counted.fallbacks, row.fallbacks),
        ):
            if amount:
                counter.inc(amount)

    def without_redis(self, kind: str, outcome: str) -> None:
        """Count a decision that was taken while Redis could not be reached."""
        self._without_redis.labels(kind, outcome).inc()

    def _labels(self, row: LedgerRow) -> tuple[str, str]:
        """The model and the provider; empty where there is none by the name that was asked for."""
        if row.deployment_id is None:
            return "", ""
        model = self._name_of(row.deployment_id)
        if model not in self._models:
            if model is None or len(self._models) >= MOST_MODELS:
                # Deleted since, or one of too many.
                return OTHER, OTHER
            self._models.add(model)
        return model, row.provider or ""

    def _made(self, operation: str, model: str, provider: str, outcome: str) -> _Of:
        of = model, provider
        return _Of(
            calls=self._calls.labels(operation, *of, outcome),
            seconds=self._call_seconds.labels(operation, *of),
            first_token=self._first_token.labels(operation, *of),
            prompt=self._tokens.labels(*of, "input"),
            cached=self._tokens.labels(*of, "cached"),
            completion=self._tokens.labels(*of, "output"),
            reasoning=self._tokens.labels(*of, "reasoning"),
            cost=self._cost.labels(*of),
            retries=self._retries.labels(*of),
            fallbacks=self._fallbacks.labels(*of),
        )

    def _counter(self, name: str, told: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, told, labels, registry=self._registry)

    def _histogram(self, name: str, told: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, told, labels, registry=self._registry, buckets=_SECONDS)


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
