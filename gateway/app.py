"""The ASGI app: routes, wiring, start and end. The only place where parts are put together."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from gateway.accounting import Accounting
from gateway.budgets import BudgetKeeper, Budgets
from gateway.cache import ResponseCache
from gateway.config.seed import ensure_admin_key
from gateway.deployments import Deployments
from gateway.evals.service import RunService
from gateway.failover import Failover
from gateway.gauges import Gauges
from gateway.http import (
    anthropic,
    audit,
    console,
    keys,
    models,
    openai,
    responses,
    teams,
    transcripts,
    usage,
)
from gateway.http import settings as settings_routes
from gateway.http.calls import Calls
from gateway.http.evals import openai_evals
from gateway.http.evals.call_bodies import read_call
from gateway.http.evals.routes import routes as evals_routes
from gateway.http.litellm import calculate as litellm_calculate
from gateway.http.litellm import health as litellm_health
from gateway.http.litellm import keys as litellm_keys
from gateway.http.litellm import models as litellm_models
from gateway.http.litellm import spend as litellm_spend
from gateway.http.litellm import teams as litellm_teams
from gateway.http.metrics import show as show_metrics
from gateway.http.middleware import Boundary, unrouted
from gateway.http.new_keys import NewKeys
from gateway.http.openapi import Document
from gateway.http.requests import Services
from gateway.ledger import Ledger
from gateway.limits import Limiter, LimitKeeper
from gateway.metrics import Metrics
from gateway.pipeline import Pipeline
from gateway.records import Operation
from gateway.registry import Registry
from gateway.retention import Retention
from gateway.settings import Settings
from gateway.shared import Link, Outage, SharedBudgets, SharedLimiter
from gateway.store import Store
from gateway.traces import tracing
from gateway.upstream.formats import FORMATS
from gateway.upstream.lanes import Lanes
from gateway.vault import check_strength

API = "/api/v1/gateway"
# The same calls at the gateway's own address, OpenAI's and LiteLLM's.
CALL_PREFIXES = (API, "/v1", "")
# OpenAI's first way to name a model, and what it knew.
ENGINES = (Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING)
# Azure's. Its newer calls have the model in the body.
DEPLOYMENTS = (
    *ENGINES,
    Operation.MODERATION,
    Operation.IMAGE,
    Operation.IMAGE_EDIT,
    Operation.SPEECH,
    Operation.TRANSCRIPTION,
    Operation.RERANK,
)


def create_app(settings: Settings) -> Starlette:
    """The gateway as an ASGI app. Opens its database on start-up and closes it on shutdown."""
    app = _App(routes=list(_routes()), lifespan=lambda app: _lifespan(app, settings))
    # Its redirects would be built from the Host header, which is the caller's to choose.
    app.router.redirect_slashes = False
    return app


class _App(Starlette):
    def build_middleware_stack(self) -> ASGIApp:
        # Starlette's outermost layer would answer what `Boundary` answers.
        routed = ExceptionMiddleware(self.router, {HTTPException: unrouted})
        return Boundary(NewKeys(Calls(routed, self.routes)), self._count)

    def _count(self, method: str, route: str | None, status: int, seconds: float) -> None:
        found: Services | None = getattr(self.state, "services", None)
        # The document can be had of an app that has not been started.
        if found is not None:
            found.metrics.request(method, route, status, seconds)


def _routes() -> Iterator[BaseRoute]:
    yield Route("/", anthropic.answer_probe, methods=["GET"])
    yield Route("/openapi.json", Document().answer, methods=["GET"])
    yield Route("/metrics", show_metrics, methods=["GET"])
    # A name may hold slashes, escaped or not.
    one_model = f"{API}/models/{{name:path}}"
    yield Route(f"{API}/models", models.add_model, methods=["POST"])
    yield Route(f"{API}/models", models.patch_model, methods=["PATCH"])
    yield Route(f"{API}/models", models.delete_model, methods=["DELETE"])
    yield Route(one_model, models.patch_model, methods=["PATCH"])
    yield Route(one_model, models.delete_model, methods=["DELETE"])
    yield Route(f"{API}/keys", keys.list_keys, methods=["GET"])
    yield Route(f"{API}/keys", keys.issue_key, methods=["POST"])
    yield Route(f"{API}/keys/{{id}}", keys.get_key, methods=["GET"])
    yield Route(f"{API}/keys/{{id}}", keys.patch_key, methods=["PATCH"])
    yield Route(f"{API}/keys/{{id}}", keys.revoke_key, methods=["DELETE"])
    yield Route(f"{API}/keys/{{id}}/rotate", keys.rotate_key, methods=["POST"])
    yield Route(f"{API}/keys/{{id}}/block", keys.block_key, methods=["POST"])
    yield Route(f"{API}/keys/{{id}}/unblock", keys.unblock_key, methods=["POST"])
    yield Route(f"{API}/teams", teams.list_teams, methods=["GET"])
    yield Route(f"{API}/teams", teams.add_team, methods=["POST"])
    yield Route(f"{API}/teams/{{id}}", teams.get_team, methods=["GET"])
    yield Route(f"{API}/teams/{{id}}", teams.patch_team, methods=["PATCH"])
    yield Route(f"{API}/teams/{{id}}", teams.delete_team, methods=["DELETE"])
    yield Route(f"{API}/teams/{{id}}/block", teams.block_team, methods=["POST"])
    yield Route(f"{API}/teams/{{id}}/unblock", teams.unblock_team, methods=["POST"])
    yield Route(f"{API}/audit", audit.list_changes, methods=["GET"])
    yield Route(f"{API}/usage", usage.report, methods=["GET"])
    yield Route(f"{API}/usage/requests", usage.list_requests, methods=["GET"])
    yield Route(f"{API}/usage/requests/{{id}}", usage.get_request, methods=["GET"])
    one_transcript = f"{API}/usage/requests/{{id}}/transcript"
    yield Route(one_transcript, transcripts.get_transcript, methods=["GET"])
    yield Route(f"{API}/settings", settings_routes.get_settings, methods=["GET"])
    yield Route(f"{API}/settings", settings_routes.patch_settings, methods=["PATCH"])
    yield from evals_routes(f"{API}/evals")
    yield from openai_evals.routes("/v1")
    for prefix in CALL_PREFIXES:
        for operation in FORMATS:
            if operation is not Operation.RESPONSES:
                yield _call(prefix + operation, operation)
        yield from responses.routes(prefix)
        yield Route(f"{prefix}/models", openai.list_models, methods=["GET"])
        yield Route(f"{prefix}/models/{{name:path}}", openai.get_model, methods=["GET"])
    yield from litellm_keys.ROUTES
    yield from litellm_models.ROUTES
    yield from litellm_teams.ROUTES
    yield from litellm_spend.ROUTES
    yield from litellm_calculate.ROUTES
    yield from litellm_health.ROUTES
    yield from console.routes()
    # Last: a request is held against each route in turn, and most are none of these.
    yield _call(f"/v2{Operation.RERANK}", Operation.RERANK)
    yield from responses.routes("/openai/v1")
    yield from _aliases("engines", ENGINES)
    yield from _aliases("openai/deployments", DEPLOYMENTS)


def _aliases(under: str, operations: Sequence[Operation]) -> Iterator[BaseRoute]:
    """Routes whose paths name the model."""
    for prefix in CALL_PREFIXES:
        for operation in operations:
            # A name may hold slashes: the longer route comes first, `…/chat/completions`.
            path = f"{prefix}/{under}/{{{openai.MODEL}:path}}{operation}"
            yield _call(path, operation)


def _call(path: str, operation: Operation) -> BaseRoute:
    # By its name, gateway.http.openapi knows what it is.
    return Route(path, openai.call(operation), methods=["POST"], name=operation)


async def prepare(settings: Settings) -> None:
    """Make what the first start makes, for processes that are to start at the same time.

    Raises what would stop each of them.
    """
    async with Store.open(settings) as store:
        await _ensure_keys(store, settings)
        await Registry(store).refresh()


async def _ensure_keys(store: Store, settings: Settings) -> None:
    """Raises WeakKey, and what `ensure_admin_key` raises."""
    if settings.metrics_key is not None:
        check_strength(settings.metrics_key, "GATEWAY_METRICS_KEY")
    made = await ensure_admin_key(store, settings.admin_key)
    if made:
        print(f"Admin key, shown this once: {made}", file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette, settings: Settings) -> AsyncIterator[None]:
    async with Store.open(settings) as store:
        await _ensure_keys(store, settings)
        async with in_operation(settings, store) as services:
            app.state.services = services
            yield


@contextlib.asynccontextmanager
async def in_operation(
    settings: Settings, store: Store, *, allow_python: bool = False
) -> AsyncIterator[Services]:
    """All that takes calls, on an open store; also for commands that make calls themselves.

    `allow_python` says whether evaluators may be code of the operator's.
    """
    async with tracing(settings.traces) as trace:
        registry = Registry(store, settings.max_stale_seconds)
        await registry.refresh()
        # Names this process among those that share the database.
        node = secrets.token_hex(4)
        ledger = Ledger(store.ledger, store.files, node, settings.spool_bytes)
        own = Budgets(store.ledger, ledger, node, registry.knows, binding=not settings.redis_url)
        metrics = Metrics(registry.model_name)
        async with _linked(settings, store, node, metrics) as link:
            limiter, budgets = _keepers(link, store, ledger, own)
            await ledger.start()
            lanes = Lanes(settings.max_answer_bytes)
            lanes.start()
            deployments = Deployments()
            failover = Failover(registry, deployments, limiter)
            cached = store.files.with_name(f"{store.files.name}.cache")
            cache = ResponseCache(cached, settings.redis_url)
            reached = link.reached if link else None
            gauges = Gauges(metrics, registry, ledger, deployments, reached)
            watchers = [metrics.call, trace] if trace else [metrics.call]
            accounting = Accounting(limiter, budgets, ledger, watchers)
            pipeline = Pipeline(registry, accounting, failover, lanes, cache)
            runs = RunService(
                store.evals,
                registry,
                pipeline,
                node,
                read_call,
                allow_python=allow_python,
            )
            services = Services(
                settings,
                store,
                registry,
                lanes.litellm,
                ledger,
                own,
                pipeline,
                metrics,
                gauges,
                deployments,
                runs,
                link,
            )
            retention = Retention(store, registry)
            running = [
                asyncio.create_task(work)
                for work in (registry.watch(), own.watch(), retention.run(), gauges.watch())
            ]
            try:
                yield services
            finally:
                await runs.aclose()
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                await lanes.aclose()
                await cache.aclose()
                await ledger.aclose()


@contextlib.asynccontextmanager
async def _linked(
    settings: Settings, store: Store, node: str, metrics: Metrics
) -> AsyncIterator[Link | None]:
    """The way to the Redis where all count limits and budgets, if there is one."""
    if settings.redis_url is None:
        yield None
        return
    outage = Outage(settings.redis_down_limits, settings.redis_down_budgets, metrics.without_redis)
    database = await store.database.identity()
    # Its end comes after the ledger's, whose last rows are told to the others.
    async with Link(settings.redis_url, database, node, outage) as link:
        yield link


def _keepers(
    link: Link | None, store: Store, ledger: Ledger, own: Budgets
) -> tuple[LimitKeeper, BudgetKeeper]:
    """What keeps to limits and budgets: this process alone, or all at one Redis together."""
    if link is None:
        return Limiter(), own
    return SharedLimiter(link), SharedBudgets(link, own, store.ledger, ledger)
