"""One real call to a model, and what its outcome means to an operator."""

from __future__ import annotations

import time
from typing import Any

from gateway.errors import GatewayError, Misconfigured
from gateway.records import Call, Model, Operation
from gateway.specs import key_record
from gateway.store import Store
from gateway.upstream.litellm_lane import LitellmLane

_GREETING = "Say hello in one word."
_MOST_TOKENS = 16


async def attempt(store: Store, name: str) -> dict[str, Any]:
    """Call the model once, without a gateway.

    Returns:
        `{"ok": True, "model_name", "answer", "tokens", "seconds"}`, or
        `{"ok": False, "model_name", "status", "problem", "remedy"}`.

    Raises:
        NotFound: No such model.
    """
    model = await store.models.get(name)
    settings = await store.settings.get()
    lane = LitellmLane()
    lane.start()
    try:
        await lane.wait()
        started = time.perf_counter()
        body = await lane.complete(_call(model), model, settings)
        seconds = time.perf_counter() - started
    except GatewayError as error:
        problem = str(error.__cause__) if isinstance(error, Misconfigured) else str(error)
        return {
            "ok": False,
            "model_name": name,
            "status": error.status,
            "problem": problem,
            "remedy": _remedy(model, error),
        }
    finally:
        await lane.aclose()
    return {
        "ok": True,
        "model_name": name,
        "answer": _said(body),
        "tokens": (body.get("usage") or {}).get("total_tokens", 0),
        "seconds": round(seconds, 3),
    }


def _call(model: Model) -> Call:
    nobody = key_record("", "", 0)
    body: dict[str, Any] = {"model": model.name}
    match model.info.get("mode"):
        case "embedding":
            return Call(Operation.EMBEDDING, nobody, body | {"input": _GREETING}, "test")
        case "completion":
            body |= {"prompt": _GREETING, "max_tokens": _MOST_TOKENS}
            return Call(Operation.COMPLETION, nobody, body, "test")
        case _:
            messages = [{"role": "user", "content": _GREETING}]
            body |= {"messages": messages, "max_tokens": _MOST_TOKENS}
            return Call(Operation.CHAT, nobody, body, "test")


def _said(body: dict[str, Any]) -> str:
    if body["object"] == "list":
        return f"a vector of {len(body['data'][0]['embedding'])} numbers"
    choice = body["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return str(text or "(an answer without text)")


def _remedy(model: Model, error: GatewayError) -> str:
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
