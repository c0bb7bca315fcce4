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
from gateway.http.requests import caller, json_response, read_object, services, unless_gone
from gateway.http.sse import EventStream
from gateway.records import Call, Key, Model, Operation

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


def call(operation: Operation) -> Endpoint:
    """The handler of an operation's route."""

    async def endpoint(request: Request) -> ASGIApp:
        key = caller(request)
        body = validate(operation, await read_object(request))
        pipeline = services(request).pipeline
        made = Call(operation, key, body, request.state.request_id)
        if made.streams:
            stream = await unless_gone(request.receive, pipeline.stream(made))
            return EventStream(stream)
        answer = await unless_gone(request.receive, pipeline.complete(made))
        return json_response(answer.body, headers=answer.headers)

    return endpoint


async def list_models(request: Request) -> Response:
    """OpenAI's list; for an admin with what is registered."""
    key = caller(request)
    models = services(request).registry.models.values()
    return json_response({"object": "list", "data": [_entry(model, key) for model in models]})


async def get_model(request: Request) -> Response:
    """OpenAI's model object; for an admin with what is registered."""
    key = caller(request)
    name = request.path_params["name"]
    model = services(request).registry.models.get(name)
    if model is None:
        raise NotFound(f"The model '{name}' does not exist", param="model", code="model_not_found")
    return json_response(_entry(model, key))


def _entry(model: Model, key: Key) -> dict[str, Any]:
    entry = {
        "id": model.name,
        "object": "model",
        "created": model.created_at,
        "owned_by": model.provider,
    }
    return entry | model_view(model) if key.is_admin else entry
