"""What litellm is called with: the caller's parameters, the model's and the gateway's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.errors import Misconfigured
from gateway.litellm_names import ROUTING_PARAMS, is_price
from gateway.records import Call, CallSettings, Model, Operation
from gateway.upstream.formats import FORMATS
from gateway.upstream.openai_wire import pass_on
from gateway.vault import resolve_references

log = logging.getLogger(__name__)

# `ollama/` is Ollama's completion API, which has no tools; litellm has its chat API apart.
_CHAT_PROVIDERS = {"ollama": "ollama_chat"}
_OF_COMPLETIONS = (Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING)
_BETA = "anthropic-beta"
# What the lane itself says to litellm; never from a body.
_OWN = ("model", "stream", "stream_options", "encoding_format")


def arguments(call: Call, model: Model, settings: CallSettings) -> dict[str, Any]:
    """The keyword arguments of litellm's call. The caller's parameters win over the model's."""
    provider = model.provider
    if call.operation in (Operation.CHAT, Operation.RESPONSES, Operation.MESSAGES):
        provider = _CHAT_PROVIDERS.get(provider, provider)
    params = _params(model)
    # Named by the deployment, a model is still known to litellm by this.
    if base_model := model.info.get("base_model"):
        params["base_model"] = base_model
    params |= call.body
    for name in _OWN:
        params.pop(name, None)
    made = {
        # The openai package would retry by itself, hidden from limits and headers.
        "max_retries": 0,
        "drop_params": settings.drop_params,
        **params,
        **_address(model),
        "model": f"{provider}/{model.upstream_model}",
    }
    if call.headers:
        made["extra_headers"] = _joined(made.get("extra_headers", {}), call.headers)
    if call.streams:
        made["stream"] = True
    if call.operation in _OF_COMPLETIONS:
        pass_on(made, provider)
    return FORMATS[call.operation].arguments(made, call)


def reaching(model: Model) -> dict[str, Any]:
    """The arguments of litellm's that say where a model is, for its other functions."""
    named = {"model": f"{model.provider}/{model.upstream_model}"}
    return {**_params(model), **_address(model), **named}


def _params(model: Model) -> dict[str, Any]:
    return {
        name: value
        for name, value in model.params.items()
        # litellm would note a price for all models of this name.
        if not is_price(name) and name not in ROUTING_PARAMS
    }


def _address(model: Model) -> dict[str, Any]:
    given = {"api_base": model.base_url, "api_version": model.api_version}
    return {**model.secrets, **{name: value for name, value in given.items() if value}}


def _joined(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The operator's headers and the caller's; the betas of either, where both name some."""
    known = {name.lower(): value for name, value in given.items()}
    betas = [headers[_BETA] for headers in (known, own) if headers.get(_BETA)]
    return {**known, **own, **({_BETA: ",".join(betas)} if betas else {})}


def resolved(model: Model) -> Model:
    """The model with its references to environment variables replaced. Raises Misconfigured."""
    named = ("params", "secrets", "base_url", "api_version")
    try:
        values = {name: resolve_references(getattr(model, name), os.environ) for name in named}
    except Misconfigured as error:
        log.error("The model %r cannot be called: %s", model.name, error)
        # Which variable it is concerns the operator alone.
        raise Misconfigured(
            f"The model {model.name!r} is not set up completely; an operator can see what is "
            "missing with `gateway models test`"
        ) from error
    return replace(model, **values)
