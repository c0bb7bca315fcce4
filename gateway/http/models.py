"""Managing models: POST, PATCH and DELETE under `/api/v1/gateway/models`."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.display import model_view
from gateway.errors import InvalidField
from gateway.http.requests import actor, json_response, read_object, services
from gateway.records import Model
from gateway.specs import model_spec, patched


async def add_model(request: Request) -> Response:
    by = actor(request)
    spec = model_spec(await read_object(request))
    model = spec.record(None, None, int(time.time()))
    await services(request).store.models.add(model, by)
    return json_response(_object(model), 201)


async def patch_model(request: Request) -> Response:
    """Change the fields that the body names; null takes one away (RFC 7396)."""
    by = actor(request)
    patch = await read_object(request)
    name = _named(request, {})
    model = await services(request).store.models.change(
        name, lambda model: patched(model, patch, int(time.time())), by
    )
    return json_response(_object(model))


async def delete_model(request: Request) -> Response:
    by = actor(request)
    body = await read_object(request, optional=True)
    unknown = sorted(set(body) - {"model_name"})
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    name = _named(request, body)
    model_id = await services(request).store.models.remove(name, by)
    return json_response({"id": model_id, "model_name": name, "object": "model", "deleted": True})


def _object(model: Model) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": model.created_at} | model_view(model)


def _named(request: Request, body: dict[str, Any]) -> str:
    """The model's name, from the path, the query or the body. Raises InvalidField."""
    name = (
        request.path_params.get("name")
        or request.query_params.get("name")
        or body.get("model_name")
    )
    if not isinstance(name, str) or not name:
        raise InvalidField(
            "model_name is missing: name the model in the path, as ?name= or in the body",
            param="model_name",
        )
    return name
