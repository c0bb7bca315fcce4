"""Telling what a provider reported of a call from what litellm counted in its place.

The attributes that are read here are those of litellm 1.106.2; tests/upstream/test_usage.py shows
what each is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from gateway.records import Operation, Usage
from gateway.upstream.usage import is_report, read_usage, service_tier

_Json = dict[str, Any]

# litellm counts for these where they do not report, and does not say so; and what of their answers
# is the report.
_COUNTED = {
    ("ollama", Operation.CHAT): "prompt_eval_count",
    ("ollama", Operation.COMPLETION): "prompt_eval_count",
    ("ollama", Operation.MESSAGES): "prompt_eval_count",
    ("ollama", Operation.RESPONSES): "prompt_eval_count",
    ("ollama_chat", Operation.CHAT): "prompt_eval_count",
    ("ollama_chat", Operation.MESSAGES): "prompt_eval_count",
    ("ollama_chat", Operation.RESPONSES): "prompt_eval_count",
    ("gemini", Operation.EMBEDDING): "usageMetadata",
    ("nvidia_nim", Operation.RERANK): "usage",
}
# For these it always counts.
_NEVER_REPORT = frozenset({"petals", "replicate", "sagemaker"})
_NEVER_REPORT_SEARCHES = frozenset({"bedrock", "huggingface", "vertex_ai", "vertex_ai_beta"})


class Witness:
    """Sees a provider's answer as it was, where that must be known to believe litellm.

    Attributes:
        tier: The service tier that was asked for.
    """

    def __init__(self, provider: str, operation: Operation, tier: object = None) -> None:
        self.tier = tier
        self._expected = _COUNTED.get((provider, operation))
        self._never = provider in _NEVER_REPORT or (
            operation is Operation.RERANK and provider in _NEVER_REPORT_SEARCHES
        )
        self._answer: object = None

    @property
    def arguments(self) -> dict[str, Callable[[Mapping[str, Any]], None]]:
        """What litellm is to be called with besides."""
        return {"logger_fn": self._see} if self._expected else {}

    def _see(self, details: Mapping[str, Any]) -> None:
        # Called before the request too, when it is not there yet.
        self._answer = details.get("original_response", self._answer)

    @property
    def believes(self) -> bool:
        """Whether the answer held a report."""
        if self._never or self._expected is None:
            return not self._never
        try:
            answer = orjson.loads(self._answer) if isinstance(self._answer, str) else self._answer
        except orjson.JSONDecodeError:
            return False
        return isinstance(answer, Mapping) and answer.get(self._expected) is not None


def of_answer(answer: Any, witness: Witness) -> Usage | None:
    """The reported usage of a whole answer of litellm's."""
    raw = _dump(getattr(answer, "usage", None))
    if not is_report(raw) or not witness.believes:
        return None
    return read_usage(raw, service_tier(_served_tier(answer, raw), witness.tier))


def of_stream(piece: Any, stream: Any, witness: Witness) -> Usage | None:
    """The reported usage of a stream of litellm's, whose last piece has the sum of its reports.

    Without any it has litellm's own count; the stream's chunks are as the provider sent them.
    """
    reports = (_dump(getattr(chunk, "usage", None)) for chunk in reversed(_chunks(stream)))
    last = next((report for report in reports if is_report(report)), None)
    if last is None:
        return None
    raw = last | _dump(piece.usage)
    # litellm's total is its own sum, in which there are no thoughts that only a total has.
    if all(raw[name] == last[name] for name in ("prompt_tokens", "completion_tokens")):
        raw["total_tokens"] = last["total_tokens"]
    return read_usage(raw, service_tier(_served_tier(piece, last), witness.tier))


def innermost(stream: Any) -> Any:
    """The stream itself; a text completion's is a generator, or two, around the one meant here."""
    while frame := getattr(stream, "ag_frame", None):
        stream = frame.f_locals.get("streamwrapper") or frame.f_locals.get("response")
    return stream


def _chunks(stream: Any) -> Sequence[Any]:
    return getattr(innermost(stream), "chunks", ())


def _served_tier(answer: Any, raw: Mapping[str, Any]) -> object:
    """By the answer (OpenAI, Bedrock, Gemini), its usage (Anthropic), or Google's traffic type."""
    hidden = getattr(answer, "_hidden_params", None) or {}
    specific = hidden.get("provider_specific_fields") or {}
    return (
        getattr(answer, "service_tier", None)
        or raw.get("service_tier")
        or specific.get("traffic_type")
    )


def _dump(usage: Any) -> _Json:
    return usage.model_dump() if hasattr(usage, "model_dump") else {}
