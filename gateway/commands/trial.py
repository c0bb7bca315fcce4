"""One real call to a model, without a gateway."""

from __future__ import annotations

import time
from typing import Any

from gateway.errors import GatewayError
from gateway.specs import key_record
from gateway.store import Store
from gateway.trial import NotTried, problem, remedy, said, trial_call, tried_model
from gateway.upstream.lanes import Lanes


async def attempt(store: Store, name: str) -> dict[str, Any]:
    """Call the model with this name, or the deployment with this id, once.

    Returns:
        `{"ok": True, "model_name", "answer", "tokens", "seconds"}`, or
        `{"ok": False, "model_name", "status", "problem", "remedy"}`, or
        `{"ok": None, "model_name", "not_tried"}`, which says why.

    Raises:
        NotFound: No such model.
        Conflict: It has several deployments, whose ids are to be given.
    """
    model = await store.models.get(name)
    nobody = key_record("", "", 0)
    try:
        model = tried_model(model)
        call = trial_call(model, nobody, "test")
    except NotTried as reason:
        return {"ok": None, "model_name": name, "not_tried": str(reason)}
    settings = await store.settings.get()
    lanes = Lanes()
    lanes.start()
    try:
        await lanes.litellm.wait()
        started = time.perf_counter()
        body, usage, _ = await lanes.of(call, model).complete(call, model, settings)
        seconds = time.perf_counter() - started
    except GatewayError as error:
        return {
            "ok": False,
            "model_name": name,
            "status": error.status,
            "problem": problem(error),
            "remedy": remedy(model, error, name),
        }
    finally:
        await lanes.aclose()
    return {
        "ok": True,
        "model_name": name,
        "answer": said(body),
        "tokens": usage.total_tokens if usage else 0,
        "seconds": round(seconds, 3),
    }
