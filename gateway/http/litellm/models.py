"""LiteLLM's routes for models: `/model/new`, `/model/update`, `/v1/model/info`, ….

Statuses, fields and wordings are LiteLLM 1.106's (management_endpoints/
model_management_endpoints.py, proxy_server.py). What differs is meant so:

- A secret is never returned. LiteLLM answers `/model/new` with all parameters encrypted; here a
  secret is `[hidden]` and the rest is plain. `/model/info` leaves secrets out, as LiteLLM does.
- A gateway key learns of the models it may call, by every name it may use, and not where they are.
- What cannot be done is refused, not passed over: pausing a model, models that belong to teams.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.display import model_view, timestamp
from gateway.errors import InvalidField, NotFound
from gateway.fields import holds_secret, is_secret
from gateway.http.litellm.errors import BadRequest, litellm_route
from gateway.http.litellm.queries import whole_number
from gateway.http.requests import actor, caller, json_response, read_object, services
from gateway.litellm_names import is_price
from gateway.price_table import listed, mode_of
from gateway.pricing import Prices, prices_of
from gateway.records import Actor, Key, Model
from gateway.resolve import callable_models
from gateway.specs import model_spec, patched
from gateway.store.audit import AuditFilter

Json = dict[str, Any]

# Of model_info: what the server says, which clients send back with everything else.
_SERVERS_OWN = ("db_model", "blocked", "created_at", "created_by", "updated_at", "updated_by")
_FEATURES = ("parallel_function_calling", "vision", "web_search", "url_context", "reasoning",
             "function_calling", "fast_mode")  # fmt: skip
_OF_A_GROUP = ("max_input_tokens", "max_output_tokens", "input_cost_per_token",
               "output_cost_per_token", "input_cost_per_pixel")  # fmt: skip
_TO_SORT_BY = ("model_name", "created_at", "updated_at")
_UNFILTERED = {
    "teamId": "no team owns models here",
    "access_group": "models have no access groups here",
    "user_models_only": "models do not belong to users here",
}


async def new_model(request: Request) -> Response:
    by = actor(request)
    body = await read_object(request)
    params = body.get("litellm_params")
    if params is None:
        raise InvalidField("litellm_params: field required", param="litellm_params", code="missing")
    if isinstance(params, Mapping) and params.get("model") is None:
        field = "litellm_params.model"
        raise InvalidField(f"{field}: field required", param=field, code="missing")
    model = model_spec(_accepted(body)).record(None, None, int(time.time()))
    await services(request).store.models.add(model, by)
    return json_response(_row(model, by.id, by.id))


async def update_model(request: Request) -> Response:
    """Merge a model's new fields into it; null leaves a field as it is.

    The model is named by `model_info.id`, or by `id`, as LiteLLM's client does.
    """
    by = actor(request)
    body = await read_object(request)
    info = body.get("model_info")
    given = {
        "id": body.pop("id", None),
        "model_info.id": info.get("id") if isinstance(info, Mapping) else None,
    }
    ids = {field: value for field, value in given.items() if value is not None}
    for field, value in ids.items():
        if not isinstance(value, str):
            raise InvalidField(f"{field}: takes text", param=field)
    if not ids:
        raise InvalidField(
            "model_info.id is missing: give the id of the model to change", param="model_info.id"
        )
    if len(set(ids.values())) > 1:
        raise InvalidField("id and model_info.id say different things", param="id")
    model_id = next(iter(ids.values()))
    patch = _accepted(body)
    for name in ("litellm_params", "model_info"):
        if isinstance(patch.get(name), Mapping):
            patch[name] = _without_nulls(patch[name])
    try:
        return await _changed(request, model_id, patch, by)
    except NotFound:
        raise _unknown_id(model_id) from None


async def patch_model(request: Request) -> Response:
    """Merge a model's new fields into it; null takes a price away and leaves all else as it is."""
    by = actor(request)
    patch = _accepted(await read_object(request))
    parts = {
        name: patch[name]
        for name in ("litellm_params", "model_info")
        if isinstance(patch.get(name), Mapping)
    }
    # A price may be in either, and is shown in model_info: it goes from both.
    cleared = {
        name: None
        for part in parts.values()
        for name, value in part.items()
        if value is None and is_price(name)
    }
    patch |= {name: _without_nulls(part) | cleared for name, part in parts.items()}
    if cleared:
        patch = {"litellm_params": cleared, "model_info": cleared} | patch
    model_id = request.path_params["id"]
    try:
        return await _changed(request, model_id, patch, by)
    except NotFound:
        raise NotFound(f"Model {model_id} not found on proxy.", param="id") from None


async def delete_model(request: Request) -> Response:
    by = actor(request)
    body = await read_object(request)
    model_id = body.pop("id", None)
    if model_id is None:
        raise InvalidField("id: field required", param="id", code="missing")
    if not isinstance(model_id, str):
        raise InvalidField("id: takes text", param="id")
    for field in body:
        raise InvalidField(f"{field}: no such field", param=field)
    try:
        await services(request).store.models.remove_by_id(model_id, by)
    except NotFound:
        raise _unknown_id(model_id) from None
    return json_response({"message": f"Model: {model_id} deleted successfully"})


async def list_info(request: Request) -> Response:
    """Every model that the key may call, or the one whose id is `?litellm_model_id=`."""
    key = caller(request)
    _check_filters(request)
    models = _callable(request, key)
    wanted = request.query_params.get("litellm_model_id")
    if wanted is not None:
        models = [(name, model) for name, model in models if model.id == wanted]
        if not models:
            raise BadRequest(
                f"Model id = {wanted} not found on litellm proxy",
                param="id",
                type="invalid_request_error",
            )
    data = [_entry(request, name, model, key) for name, model in models]
    return json_response({"data": data})


async def page_info(request: Request) -> Response:
    """A page of the models: `?model=`, `?modelId=`, `?search=`, `?sortBy=`, `?page=`, `?size=`."""
    key = caller(request)
    _check_filters(request)
    query = request.query_params
    page, size = whole_number(request, "page", 1), whole_number(request, "size", 50)
    sort_by, order = query.get("sortBy", "model_name"), query.get("sortOrder", "asc").lower()
    if sort_by not in _TO_SORT_BY:
        raise InvalidField(f"sortBy takes one of {', '.join(_TO_SORT_BY)}", param="sortBy")
    if order not in ("asc", "desc"):
        raise BadRequest(f"Invalid sortOrder: {order}. Must be 'asc' or 'desc'", param="sortOrder")
    found = [
        (0 if sort_by == "model_name" else getattr(model, sort_by), name, model)
        for name, model in _callable(request, key)
        if query.get("model") in (None, name)
        and query.get("modelId") in (None, model.id)
        and query.get("search", "").strip().lower() in name.lower()
    ]
    found.sort(key=lambda each: each[:2], reverse=order == "desc")
    shown = found[(page - 1) * size : page * size]
    return json_response(
        {
            "data": [_entry(request, name, model, key) for _, name, model in shown],
            "total_count": len(found),
            "current_page": page,
            "total_pages": -(-len(found) // size),
            "size": size,
        }
    )


async def list_groups(request: Request) -> Response:
    """Every name that the key may call, or the one that `?model_group=` says."""
    key = caller(request)
    wanted = request.query_params.get("model_group")
    groups: dict[str, list[Model]] = defaultdict(list)
    for name, model in _callable(request, key):
        if wanted in (None, name):
            groups[name].append(model)
    data = [_group(request, name, models) for name, models in groups.items()]
    return json_response({"data": data})


def _accepted(body: Json) -> Json:
    """The body without what it only repeats from the server. Raises InvalidField."""
    given = {name: value for name, value in body.items() if value is not None}
    info = given.get("model_info")
    parts: dict[str, Mapping[str, Any]] = {"blocked": given}
    if isinstance(info, Mapping):
        parts["model_info.blocked"] = info
        given["model_info"] = {
            name: value for name, value in info.items() if name not in _SERVERS_OWN
        }
    for field, part in parts.items():
        if part.get("blocked"):
            raise InvalidField(
                f"{field}: this gateway cannot pause a model; delete it, or take it from the "
                "models of the keys that shall not call it",
                param=field,
            )
    given.pop("blocked", None)
    return given


def _without_nulls(part: Mapping[str, Any]) -> Json:
    return {name: value for name, value in part.items() if value is not None}


async def _changed(request: Request, model_id: str, patch: Json, by: Actor) -> Response:
    """Raises NotFound, and what `patched` raises."""

    def change(model: Model) -> Model:
        info = patch.get("model_info")
        if not isinstance(info, Mapping):
            return patched(model, patch, int(time.time()))
        # A client that sends back what it was shown does not mean to pin litellm's prices.
        shown = _info(model, prices_of(model))
        echoed = {
            name for name in shown if name not in model.info and info.get(name) == shown[name]
        }
        said = {name: value for name, value in info.items() if name not in echoed}
        return patched(model, patch | {"model_info": said}, int(time.time()))

    store = services(request).store
    model = await store.models.change_by_id(model_id, change, by)
    added, _ = await store.audit.page(1, wanted=AuditFilter(target=model.id, action="model.add"))
    return json_response(_row(model, added[0].actor.id if added else None, by.id))


def _row(model: Model, created_by: str | None, updated_by: str) -> Json:
    """LiteLLM's row of its table of models."""
    return {
        "model_id": model.id,
        "model_name": model.name,
        "litellm_params": _params(model),
        "model_info": {"id": model.id, "db_model": True, **_told(model)},
        "blocked": False,
        "created_at": timestamp(model.created_at),
        "created_by": created_by,
        "updated_at": timestamp(model.updated_at),
        "updated_by": updated_by,
    }


def _callable(request: Request, key: Key) -> list[tuple[str, Model]]:
    """The deployments, each with a name under which the key may call it."""
    catalogue = services(request).registry.catalogue
    groups = catalogue.groups if key.is_admin else callable_models(catalogue, key)
    return [(name, model) for name, group in groups.items() for model in group.deployments]


def _entry(request: Request, name: str, model: Model, key: Key) -> Json:
    if key.is_admin:
        params = {
            field: value for field, value in _params(model).items() if field not in model.secrets
        }
    else:
        params = {"model": f"{model.provider}/{model.upstream_model}"}
    info = _info(model, services(request).registry.prices(model))
    return {"model_name": name, "litellm_params": params, "model_info": info}


def _params(model: Model) -> Json:
    """`litellm_params` as LiteLLM has them: with the provider, its address and its key."""
    view = model_view(model)
    params = {
        **view["litellm_params"],
        "model": f"{model.provider}/{model.upstream_model}",
        "api_key": view["api_key"],
        "api_base": view["base_url"],
        "api_version": view["api_version"],
    }
    return _without_nulls(params)


def _info(model: Model, prices: Prices | None) -> Json:
    """`model_info`: what litellm's table says of the model, and over it what the operator says."""
    name, entry = listed(model) or (None, {})
    features = {name: value for name, value in entry.items() if name.startswith("supports_")}
    return {
        "id": model.id,
        "db_model": True,
        "created_at": timestamp(model.created_at),
        "updated_at": timestamp(model.updated_at),
        "key": name,
        "litellm_provider": model.provider,
        "mode": mode_of(model),
        "max_input_tokens": prices.max_input_tokens if prices else None,
        "max_output_tokens": prices.max_output_tokens if prices else None,
        "input_cost_per_token": None,
        "output_cost_per_token": None,
        **features,
        **_told(model),
        # Last: a price in litellm_params goes before one in model_info.
        **(prices.by_name if prices else {}),
    }


def _told(model: Model) -> Json:
    """The operator's own `model_info`, but for what looks like a secret."""
    return {
        name: value
        for name, value in model.info.items()
        if not is_secret(name) and not holds_secret(value)
    }


def _group(request: Request, name: str, models: Sequence[Model]) -> Json:
    """As LiteLLM has it: the most that a deployment can do and cost, and all that they can take."""
    registry = services(request).registry
    infos = [_info(model, registry.prices(model)) for model in models]
    most = {field: max(_numbers(infos, field), default=None) for field in _OF_A_GROUP}
    told = [info | dict(model.params) for info, model in zip(infos, models, strict=True)]
    limits = {field: sum(_numbers(told, field)) or None for field in ("tpm", "rpm")}
    return {
        "model_group": name,
        "providers": list(dict.fromkeys(model.provider for model in models)),
        **most,
        "mode": infos[0].get("mode"),
        **limits,
        **{
            f"supports_{what}": any(info.get(f"supports_{what}") is True for info in infos)
            for what in _FEATURES
        },
        "is_public_model_group": False,
    }


def _numbers(values: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    found = (each.get(name) for each in values)
    return [v for v in found if isinstance(v, int | float) and not isinstance(v, bool)]


def _check_filters(request: Request) -> None:
    """Raises InvalidField for a filter that would have to be passed over."""
    for name, why in _UNFILTERED.items():
        if request.query_params.get(name, "").strip().lower() not in ("", "false"):
            raise InvalidField(f"{name}: {why}", param=name)


def _unknown_id(model_id: str) -> BadRequest:
    # LiteLLM's client looks for the words `not found`.
    return BadRequest(f"Model with id={model_id} not found in db", param="id", type="auth_error")


ROUTES = [
    Route("/model/new", litellm_route(new_model), methods=["POST"]),
    Route("/model/update", litellm_route(update_model), methods=["POST"]),
    # An id of the operator's own may hold slashes.
    Route("/model/{id:path}/update", litellm_route(patch_model), methods=["PATCH"]),
    Route("/model/delete", litellm_route(delete_model), methods=["POST"]),
    Route("/model/info", litellm_route(list_info), methods=["GET"]),
    Route("/v1/model/info", litellm_route(list_info), methods=["GET"]),
    Route("/v2/model/info", litellm_route(page_info), methods=["GET"]),
    Route("/model_group/info", litellm_route(list_groups), methods=["GET"]),
]
