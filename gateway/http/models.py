"""Managing models: POST, PATCH and DELETE under `/api/v1/gateway/models`.

A model is named by its name or, where several deployments have that, by the id of one: in the path,
as `?name=` or, to delete, as `model_name` in the body. `?id=`, and `id` in the body, is the id
alone.
"""

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
    """Register a model; of a name that there is, one more deployment."""
    by = actor(request)
    spec = model_spec(await read_object(request))
    model = spec.record(None, None, int(time.time()))
    await services(request).store.models.add(model, by)
    return json_response(_object(model), 201)


async def patch_model(request: Request) -> Response:
    """Change the fields that the body names; null takes one away (RFC 7396)."""
    by = actor(request)
    patch = await read_object(request)
    models = services(request).store.models

    def change(model: Model) -> Model:
        return patched(model, patch, int(time.time()))

    field, which = _which(request, {})
    if field == "id":
        return json_response(_object(await models.change_by_id(which, change, by)))
    return json_response(_object(await models.change(which, change, by)))


async def delete_model(request: Request) -> Response:
    by = actor(request)
    body = await read_object(request, optional=True)
    unknown = sorted(set(body) - {"id", "model_name"})
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    models = services(request).store.models
    field, which = _which(request, body)
    if field == "id":
        gone = await models.remove_by_id(which, by)
    else:
        gone = await models.remove(which, by)
    return json_response(
        {"id": gone.id, "model_name": gone.name, "object": "model", "deleted": True}
    )


def _object(model: Model) -> dict[str, Any]:
    return {"id": model.name, "object": "model", "created": model.created_at} | model_view(model)


def _which(request: Request, body: dict[str, Any]) -> tuple[str, str]:
    """`model_name` or `id`, and what that is. Raises InvalidField."""
    query = request.query_params
    given = [
        ("model_name", request.path_params.get("name")),
        ("id", query.get("id")),
        ("model_name", query.get("name")),
        ("id", body.get("id")),
        ("model_name", body.get("model_name")),
    ]
    said = [(field, value) for field, value in given if value]
    for field, value in said:
        if not isinstance(value, str):
            raise InvalidField(f"{field} takes text", param=field)
    if not said:
        raise InvalidField(
            "model_name is missing: name the model in the path, as ?name= or in the body; or give "
            "the id of one of its deployments, as ?id=",
            param="model_name",
        )
    if len(said) > 1:
        raise InvalidField("the model is named more than once", param=said[1][0])
    return said[0]
