"""OpenAI's routes: calls to models, and the list of models to call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.display import model_view
from gateway.errors import NotFound
from gateway.http.bodies import validate
from gateway.http.requests import (
    caller,
    json_response,
    read_object,
    services,
    unless_gone,
    whole_response,
)
from gateway.http.sse import EventStream
from gateway.http.tags import take_tags
from gateway.records import Call, Model, Operation
from gateway.resolve import callable_models

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


def call(operation: Operation) -> Endpoint:
    """The handler of an operation's route."""

    async def endpoint(request: Request) -> ASGIApp:
        key = caller(request)
        body = await read_object(request)
        tags = take_tags(request.headers, body)
        pipeline = services(request).pipeline
        made = Call(operation, key, validate(operation, body), request.state.request_id, tags)
        if made.streams:
            return EventStream(pipeline, made)
        answer = await unless_gone(request.receive, pipeline.complete(made))
        return whole_response(answer)

    return endpoint


async def list_models(request: Request) -> Response:
    """OpenAI's list of what the key may call, its aliases too; for an admin, of what is registered
    with how that is reached."""
    listed = _listed(request)
    return json_response({"object": "list", "data": list(listed.values())})


async def get_model(request: Request) -> Response:
    """One entry of that list."""
    name = request.path_params["name"]
    entry = next((entry for entry in _listed(request).values() if entry["id"] == name), None)
    if entry is None:
        raise NotFound(f"The model '{name}' does not exist", param="model", code="model_not_found")
    return json_response(entry)


def _listed(request: Request) -> dict[str, dict[str, Any]]:
    key = caller(request)
    catalogue = services(request).registry.catalogue
    if key.is_admin:
        return {
            model.id: _entry(model.name, model) | model_view(model)
            for model in catalogue.deployments.values()
        }
    found = callable_models(catalogue, key)
    return {name: _entry(name, group.deployments[0]) for name, group in found.items()}


def _entry(name: str, model: Model) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": model.created_at,
        "owned_by": model.provider,
    }
