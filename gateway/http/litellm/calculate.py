"""LiteLLM's `/spend/calculate`: what a call would cost, or did.

Fields and wordings are LiteLLM 1.106's (proxy/spend_tracking/spend_management_endpoints.py). What
differs is meant so: the tokens of messages are an estimate, made without a tokenizer, and an answer
without a usage is refused; LiteLLM counts its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import InvalidField, ModelDenied, UnknownModel
from gateway.http.litellm.errors import BadRequest, litellm_route
from gateway.http.requests import caller, json_response, read_object, services
from gateway.money import dollars
from gateway.price_table import table
from gateway.pricing import Prices, prices_of
from gateway.providers import split_model
from gateway.records import Call, Key, Model, Operation, Usage
from gateway.resolve import callable_models, resolve
from gateway.tokens import likely_prompt_tokens
from gateway.upstream.usage import is_report, read_usage, service_tier


async def calculate(request: Request) -> Response:
    """`{"cost": dollars}` of a prompt (`model`, `messages`), or of a `completion_response`."""
    key = caller(request)
    body = await read_object(request)
    model = _typed(body, "model", str, "text")
    messages = _typed(body, "messages", list, "a list of messages")
    response = _typed(body, "completion_response", dict, "an answer of a model")
    if model is not None:
        if messages is None:
            raise BadRequest("Bad Request - messages must be provided if 'model' is provided")
        made = Call(Operation.CHAT, key, {"messages": messages}, request.state.request_id)
        usage = Usage(prompt_tokens=likely_prompt_tokens(made), estimated=True)
    elif response is not None:
        model = str(response.get("model") or "")
        usage = _usage(response)
    else:
        raise BadRequest("Bad Request - Either 'model' or 'completion_response' must be provided")
    prices = _prices(request, key, model)
    cost = prices.cost(usage) if prices else None
    if cost is None:
        raise BadRequest(
            f"No price is known of the model {model!r}: it is neither registered with one nor in "
            "litellm's table",
            param="model",
        )
    return json_response({"cost": dollars(cost)})


def _typed(body: Mapping[str, Any], name: str, expected: type, what: str) -> Any:
    """Raises InvalidField."""
    value = body.get(name)
    if value is not None and not isinstance(value, expected):
        raise InvalidField(f"{name} takes {what}", param=name)
    return value


def _usage(response: Mapping[str, Any]) -> Usage:
    """Raises BadRequest."""
    raw = response.get("usage")
    if not isinstance(raw, Mapping) or not is_report(raw):
        raise BadRequest(
            "Bad Request - completion_response has no usage to reckon with",
            param="completion_response",
        )
    return read_usage(raw, service_tier(response.get("service_tier"), None))


def _prices(request: Request, key: Key, name: str) -> Prices | None:
    """Of the model that the key calls so, or that its provider does, or of litellm's table."""
    registry = services(request).registry
    try:
        group = resolve(registry.catalogue, key, name, Operation.CHAT)
    except (ModelDenied, UnknownModel):
        groups = callable_models(registry.catalogue, key).values()
        models = [model for group in groups for model in group.deployments]
        named = [model for model in models if model.upstream_model == name]
        return registry.prices(named[0]) if named else prices_of(_unregistered(name))
    # The first that has any: a deployment is chosen for each call.
    return next(filter(None, map(registry.prices, group.deployments)), None)


def _unregistered(name: str) -> Model:
    provider, upstream_model = split_model(name)
    if provider is None:
        provider = str(table().get(name.lower(), {}).get("litellm_provider", ""))
    return Model(
        id="",
        name=name,
        provider=provider,
        upstream_model=upstream_model,
        base_url=None,
        api_version=None,
        params={},
        secrets={},
        info={},
        created_at=0,
        updated_at=0,
    )


ROUTES = [Route("/spend/calculate", litellm_route(calculate), methods=["POST"])]
