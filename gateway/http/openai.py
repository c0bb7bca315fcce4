"""Calls to models in all formats, and the list of models to call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.display import model_view
from gateway.errors import ModelDenied, NotFound, UnknownModel
from gateway.http import anthropic
from gateway.http.bodies import FORMS, validate
from gateway.http.cache_control import take_cache_control
from gateway.http.multipart import read_form
from gateway.http.requests import (
    as_object,
    caller,
    headers_of,
    json_response,
    read_body,
    services,
    unless_gone,
    whole_response,
)
from gateway.http.sse import EventStream
from gateway.http.tags import take_tags
from gateway.records import Call, Model, Operation
from gateway.resolve import callable_models, resolve

Endpoint = Callable[[Request], Awaitable[ASGIApp]]

MODEL = "model"
"""The parameter of a path that names a model."""


def call(operation: Operation) -> Endpoint:
    """The handler of an operation's route."""

    async def endpoint(request: Request) -> ASGIApp:
        made = await read_call(request, operation)
        pipeline = services(request).pipeline
        if made.streams:
            return EventStream(pipeline, made)
        answer = await unless_gone(request.receive, pipeline.complete(made))
        return whole_response(answer)

    return endpoint


async def read_call(request: Request, operation: Operation) -> Call:
    """The caller's call, authenticated and validated. A model in its path goes before the
    body's."""
    key = caller(request)
    raw: bytes | None = None
    if operation in FORMS:
        body = await read_form(request)
    else:
        raw = await read_body(request)
        body = as_object(raw)
    sent = dict(body)
    if MODEL in request.path_params:
        body["model"] = request.path_params[MODEL]
    headers = headers_of(request)
    tags = take_tags(headers, body)
    cache = take_cache_control(headers, body)
    taken = validate(operation, body)
    return Call(
        operation,
        key,
        taken,
        request.state.request_id,
        tags,
        anthropic.passed_headers(operation, request),
        cache=cache,
        trace=_trace(headers),
        raw=raw if taken == sent else None,
    )


def _trace(headers: Mapping[str, str]) -> Mapping[str, str]:
    """https://www.w3.org/TR/trace-context/"""
    return {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}


async def list_models(request: Request) -> Response:
    """OpenAI's list of what the key may call, its aliases too; for an admin, of what is registered
    with how that is reached. Anthropic's clients get theirs."""
    listed = _listed(request).values()
    if anthropic.is_meant(request.scope):
        entries = {each["id"]: each["created"] for each in listed}
        models = [anthropic.model_object(name, created) for name, created in entries.items()]
        return json_response(anthropic.models_page(models, request.query_params))
    return json_response({"object": "list", "data": list(listed)})


async def get_model(request: Request) -> Response:
    """One entry of that list, or a model that is called by way of a pattern. For an admin, the
    first deployment of a name, or the one of an id."""
    name = request.path_params["name"]
    listed = _listed(request)
    entry = next((entry for entry in listed.values() if entry["id"] == name), listed.get(name))
    if entry is None:
        catalogue = services(request).registry.catalogue
        try:
            group = resolve(catalogue, caller(request), name, Operation.CHAT)
        except (ModelDenied, UnknownModel):
            raise NotFound(
                f"The model '{name}' does not exist", param="model", code="model_not_found"
            ) from None
        entry = _entry(name, group.deployments[0])
    if anthropic.is_meant(request.scope):
        return json_response(anthropic.model_object(name, entry["created"]))
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
