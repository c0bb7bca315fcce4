"""A small real call to a model, and what its outcome means to an operator."""

from __future__ import annotations

from typing import Any

from gateway.errors import GatewayError, Misconfigured
from gateway.price_table import listed
from gateway.records import Call, Content, Key, Model, Operation

_GREETING = "Say hello in one word."
_MOST_TOKENS = 16


def trial_call(model: Model, key: Key, request_id: str) -> Call:
    """The call that tries a model, of the kind that its mode asks for."""
    body: dict[str, Any] = {"model": model.name}
    match mode_of(model):
        case "embedding":
            operation = Operation.EMBEDDING
            body |= {"input": _GREETING}
        case "completion":
            operation = Operation.COMPLETION
            body |= {"prompt": _GREETING, "max_tokens": _MOST_TOKENS}
        case _:
            operation = Operation.CHAT
            messages = [{"role": "user", "content": _GREETING}]
            body |= {"messages": messages, "max_tokens": _MOST_TOKENS}
    return Call(operation, key, body, request_id, deployment_id=model.id, once=True)


def mode_of(model: Model) -> object:
    """`chat`, `embedding`, …: what the operator says, or else litellm's table; None if neither."""
    given = model.info.get("mode")
    if given is not None:
        return given
    found = listed(model)
    return found[1].get("mode") if found else None


def said(body: dict[str, Any] | Content) -> str:
    """The text of the answer to a trial."""
    if isinstance(body, Content):
        return f"{len(body.data):,} bytes of {body.media_type}"
    if body["object"] == "list":
        return f"a vector of {len(body['data'][0]['embedding'])} numbers"
    choice = body["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return str(text or "(an answer without text)")


def problem(error: GatewayError) -> str:
    """What is wrong, for operators alone: it may name a variable of the environment."""
    return str(error.__cause__ if isinstance(error, Misconfigured) else error)


def remedy(model: Model, error: GatewayError) -> str:
    """What to do about it."""
    update = f"gateway models update {model.name}"
    if isinstance(error, Misconfigured):
        return "set the variable where the gateway runs, or store the key: " + (
            f"{update} --api-key-stdin"
        )
    match error.status:
        case 401 | 403:
            return f"give it a key that the provider accepts: {update} --api-key-stdin"
        case 404:
            return (
                f"check the provider's name for the model ({model.upstream_model!r}) and the base "
                f"URL ({model.base_url or 'the public one'}): {update} --model NAME --base-url URL"
            )
        case 408 | 504:
            return f"give it more time (seconds): {update} --param timeout=600"
        case 429:
            return "the provider works, and limits this key: wait, or raise the limit there"
        case 400 | 422:
            return (
                "the provider refused the request: check its parameters "
                f"(gateway models show {model.name}), and for an embedding model: "
                f"{update} --info mode=embedding"
            )
        case _:
            return (
                f"check that the provider is up and the base URL ({model.base_url or 'public'}) "
                f"is right: {update} --base-url URL"
            )
