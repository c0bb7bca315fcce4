"""One real call to a model, without a gateway."""

from __future__ import annotations

import time
from typing import Any

from gateway.errors import GatewayError
from gateway.specs import key_record
from gateway.store import Store
from gateway.trial import problem, remedy, said, trial_call
from gateway.upstream.litellm_lane import LitellmLane


async def attempt(store: Store, name: str) -> dict[str, Any]:
    """Call the model once.

    Returns:
        `{"ok": True, "model_name", "answer", "tokens", "seconds"}`, or
        `{"ok": False, "model_name", "status", "problem", "remedy"}`.

    Raises:
        NotFound: No such model.
    """
    model = await store.models.get(name)
    settings = await store.settings.get()
    nobody = key_record("", "", 0)
    lane = LitellmLane()
    lane.start()
    try:
        await lane.wait()
        started = time.perf_counter()
        body, usage = await lane.complete(trial_call(model, nobody, "test"), model, settings)
        seconds = time.perf_counter() - started
    except GatewayError as error:
        return {
            "ok": False,
            "model_name": name,
            "status": error.status,
            "problem": problem(error),
            "remedy": remedy(model, error),
        }
    finally:
        await lane.aclose()
    return {
        "ok": True,
        "model_name": name,
        "answer": said(body),
        "tokens": usage.total_tokens if usage else 0,
        "seconds": round(seconds, 3),
    }
