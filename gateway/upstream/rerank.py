"""Rerankings by way of litellm, in Cohere's shape: https://docs.cohere.com/reference/rerank."""

from __future__ import annotations

from typing import Any

from gateway.records import Call, Usage
from gateway.upstream.reports import Witness
from gateway.upstream.usage import read_rerank_usage

Json = dict[str, Any]


def whole(answer: Any, _call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """The documents' places and scores, the best first."""
    raw = answer.model_dump(exclude_none=True, warnings=False)
    body = {"id": raw.get("id") or "", "results": raw.get("results") or []}
    meta = {name: value for name, value in (raw.get("meta") or {}).items() if value}
    if not witness.believes:
        # litellm counts for this provider, and does not say so.
        return body, None
    if meta:
        body["meta"] = meta
    return body, read_rerank_usage(meta)
