"""What litellm is called with: the caller's parameters, the model's and the gateway's own."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import Any

from gateway.errors import Misconfigured
from gateway.litellm_names import ROUTING_PARAMS, is_price
from gateway.records import Call, CallSettings, Model, Operation
from gateway.upstream.formats import FORMATS
from gateway.vault import resolve_references

log = logging.getLogger(__name__)

# `ollama/` is Ollama's completion API, which has no tools; litellm has its chat API apart.
_CHAT_PROVIDERS = {"ollama": "ollama_chat"}
_OPENAI_WIRE = ("openai", "azure", "hosted_vllm")
# To litellm these are arguments of its own; they go to OpenAI-like providers in the raw body.
_RAW = ("metadata", "prompt_cache_retention")
_OF_COMPLETIONS = (Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING)
# What litellm refuses for models whose names it does not know, though their servers may well take
# it. It translates none of these.
_NOT_ITS_TO_JUDGE = frozenset(
    {
        "audio",
        "dimensions",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    }
)
# What the lane itself says to litellm; never from a body.
_OWN = ("model", "stream", "stream_options", "encoding_format")


def arguments(call: Call, model: Model, settings: CallSettings) -> dict[str, Any]:
    """The keyword arguments of litellm's call. The caller's parameters win over the model's."""
    provider = model.provider
    if call.operation is Operation.CHAT:
        provider = _CHAT_PROVIDERS.get(provider, provider)
    params = {
        name: value
        for name, value in model.params.items()
        # litellm would note a price for all models of this name.
        if not is_price(name) and name not in ROUTING_PARAMS
    }
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
        **model.secrets,
        "model": f"{provider}/{model.upstream_model}",
    }
    if model.base_url:
        made["api_base"] = model.base_url
    if model.api_version:
        made["api_version"] = model.api_version
    if call.headers:
        made["extra_headers"] = {**made.get("extra_headers", {}), **call.headers}
    if call.streams:
        made["stream"] = True
    if call.operation in _OF_COMPLETIONS:
        _pass_on(made, provider)
    return FORMATS[call.operation].arguments(made, call)


def _pass_on(made: dict[str, Any], provider: str) -> None:
    """Have litellm pass on to OpenAI-like providers what it would keep or refuse."""
    raw = {name: made.pop(name) for name in _RAW if name in made}
    if provider not in _OPENAI_WIRE:
        return
    if raw:
        made["extra_body"] = {**made.get("extra_body", {}), **raw}
    if not made["drop_params"]:
        made["allowed_openai_params"] = [
            *made.get("allowed_openai_params", ()),
            *(name for name in made if name in _NOT_ITS_TO_JUDGE),
        ]


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
