"""Health: probes without a key, and trials of the models for an admin. Texts are LiteLLM's.

LiteLLM's `/health/services` (its callbacks), `/health/history` and `/health/latest` (checks that
it keeps in its database) are left out: the gateway has neither.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from importlib import metadata
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway import __version__
from gateway.errors import (
    MethodNotAllowed,
    Misconfigured,
    NoDeployment,
    NotFound,
    UnknownModel,
    UpstreamError,
)
from gateway.http.requests import admin, json_response, services, unless_gone
from gateway.http.trials import cli_name, trial_of
from gateway.price_table import mode_of
from gateway.records import Key, Model
from gateway.trial import NotTried, problem, remedy

Json = dict[str, Any]

_AT_ONCE = 10
_SECONDS_EACH = 30
_SECONDS_IN_ALL = 120
_PROBED = {"allow": "GET, HEAD, OPTIONS"}


async def liveness(request: Request) -> Response:
    """The process answers."""
    if request.method == "OPTIONS":
        return Response(headers=_PROBED)
    return PlainTextResponse('"I\'m alive!"', media_type="application/json")


async def readiness(request: Request) -> Response:
    """Calls will be answered at once: litellm is imported, and what is known of the database is not
    too old. Whether that can be read is told apart: calls go on for a while where it cannot."""
    if request.method == "OPTIONS":
        return Response(headers=_PROBED)
    state, status = _state(request)
    return json_response(state, status)


async def readiness_details(request: Request) -> Response:
    """The same with versions, for an admin."""
    admin(request, however_old=True)
    state, status = _state(request)
    settings = services(request).registry.settings
    level = logging.getLogger("gateway").getEffectiveLevel()
    details: Json = {
        "cache": settings.cache_params.get("type", "local") if settings.cache else None,
        # What LiteLLM would report of callbacks: the gateway has none.
        "success_callbacks": [],
        "litellm_version": metadata.version("litellm"),
        "gateway_version": __version__,
        "log_level": logging.getLevelName(level),
        "is_detailed_debug": level <= logging.DEBUG,
    }
    return json_response(state | details, status)


async def check_models(request: Request) -> Response:
    """Call every model once, or those that `?model=` or `?model_id=` names.

    503 where one was named and does not work. A trial is a call as any other, of the admin's key
    but without its limits. What would cost too much to try is told apart.
    """
    key = admin(request)
    if request.method == "HEAD":
        # It would call every provider to answer with nothing.
        raise MethodNotAllowed(
            "HEAD /health: no such method here; probe /health/readiness", headers={"allow": "GET"}
        )
    models = _targets(request)
    unlimited = _without_limits(key)
    turn = asyncio.Semaphore(_AT_ONCE)
    deadline = asyncio.get_running_loop().time() + _SECONDS_IN_ALL
    trials = [_trial(request, model, unlimited, turn, deadline) for model in models]
    # All are waited for, so that none runs on where another shows the gateway itself at fault.
    ended = await unless_gone(request.receive, asyncio.gather(*trials, return_exceptions=True))
    healthy: list[Json] = []
    unhealthy: list[Json] = []
    untried: list[Json] = []
    for entry in ended:
        if isinstance(entry, BaseException):
            raise entry
        (untried if "not_tried" in entry else unhealthy if "error" in entry else healthy).append(
            entry
        )
    body: Json = {
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
        "healthy_count": len(healthy),
        "unhealthy_count": len(unhealthy),
    }
    if untried:
        body["untried_endpoints"] = untried
    named = {"model", "model_id"} & set(request.query_params)
    return json_response(body, 503 if named and not (healthy or untried) else 200)


def _state(request: Request) -> tuple[Json, int]:
    # The database is not asked here: there is no end to probes.
    registry, link = services(request).registry, services(request).link
    ready = services(request).lane.ready
    state = {
        "status": "healthy" if ready else "starting",
        "db": "connected" if registry.readable else "Not connected",
    }
    if link:
        # No reason to leave the process out: no other reaches it either, and most calls go on.
        state["redis"] = "connected" if link.reached() else "Not connected"
    if registry.stale:
        return state | {"status": "unhealthy"}, 503
    return state, 200 if ready else 503


def _targets(request: Request) -> list[Model]:
    """The models to try; a name may also be the provider's. Raises NotFound."""
    models = list(services(request).registry.catalogue.deployments.values())
    model_id, name = (request.query_params.get(field) for field in ("model_id", "model"))
    if model_id is not None:
        found = [model for model in models if model.id == model_id]
        if not found:
            raise NotFound(f"Model with ID {model_id} not found", param="model_id")
        return found
    if name is not None:
        found = [model for model in models if model.name == name]
        found = found or [model for model in models if _upstream(model) == name]
        if not found:
            raise NotFound(f"Model {name} not found", param="model")
        return found
    return models


def _without_limits(key: Key) -> Key:
    """The key, as far as the ledger is concerned; a limit of its own says nothing of a model."""
    return dataclasses.replace(
        key,
        aliases={},
        rpm_limit=None,
        tpm_limit=None,
        model_rpm_limit={},
        model_tpm_limit={},
        max_parallel_requests=None,
        max_budget=None,
        soft_budget=None,
    )


async def _trial(
    request: Request, model: Model, key: Key, turn: asyncio.Semaphore, deadline: float
) -> Json:
    """What the model is, and `error` where it does not work."""
    entry: Json = {
        "model": _upstream(model),
        "model_name": model.name,
        "model_id": model.id,
        "custom_llm_provider": model.provider,
        "api_base": model.base_url,
        "api_version": model.api_version,
        "mode": mode_of(model),
    }
    entry = {name: value for name, value in entry.items() if value is not None}
    try:
        call = trial_of(request, model, key)
    except NotTried as reason:
        return entry | {"not_tried": str(reason)}
    started: float | None = None
    try:
        async with asyncio.timeout_at(deadline), turn:
            started = time.perf_counter()
            async with asyncio.timeout(_SECONDS_EACH):
                await services(request).pipeline.complete(call)
    except TimeoutError:
        return entry | _late(cli_name(request, model), tried=started is not None)
    except NoDeployment:
        return entry | {"not_tried": "its own rpm or tpm is used up for this minute"}
    except (Misconfigured, UnknownModel, UpstreamError) as error:
        return entry | {
            "error": problem(error),
            "exception_status": error.status,
            "remedy": remedy(model, error, cli_name(request, model)),
        }
    return entry | {"response_time_ms": round((time.perf_counter() - started) * 1000)}


def _late(named: str, *, tried: bool) -> Json:
    ended = "No answer in time" if tried else "Not tried"
    return {
        "error": f"{ended}: a check has {_SECONDS_EACH} s a model, {_SECONDS_IN_ALL} s in all",
        "exception_status": 408,
        "remedy": f"try it alone: gateway models test {named}",
    }


def _upstream(model: Model) -> str:
    return f"{model.provider}/{model.upstream_model}"


ROUTES = [
    Route("/health", check_models, methods=["GET"]),
    Route("/health/liveliness", liveness, methods=["GET", "OPTIONS"]),
    Route("/health/liveness", liveness, methods=["GET", "OPTIONS"]),
    Route("/health/readiness", readiness, methods=["GET", "OPTIONS"]),
    Route("/health/readiness/details", readiness_details, methods=["GET"]),
]
