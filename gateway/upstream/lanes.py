"""Which way a call goes to its provider."""

from __future__ import annotations

from gateway.providers import DIRECT
from gateway.records import Call, Model
from gateway.settings import DEFAULT_MAX_ANSWER_BYTES
from gateway.upstream.direct_lane import DirectLane
from gateway.upstream.lane import Lane
from gateway.upstream.litellm_lane import LitellmLane


class Lanes:
    """Attributes:
    litellm: Which takes seconds to import what it needs.
    """

    def __init__(self, max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES) -> None:
        self.litellm = LitellmLane(max_answer_bytes)
        self._direct = DirectLane(self.litellm.refused, max_answer_bytes)

    def start(self) -> None:
        """To be called in the event loop."""
        self.litellm.start()
        self._direct.start()

    def of(self, call: Call, model: Model) -> Lane:
        """The way that the model is registered for, where the call needs no translation."""
        wants_direct = model.params.get("lane") == "direct"
        if wants_direct and call.operation in DIRECT.get(model.provider, ()):
            return self._direct
        return self.litellm

    async def aclose(self) -> None:
        """Close every connection."""
        await self._direct.aclose()
        await self.litellm.aclose()
