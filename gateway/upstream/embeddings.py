"""Embeddings by way of litellm."""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any

from gateway.records import Call, Usage
from gateway.upstream import reports, wire
from gateway.upstream.reports import Witness

Json = dict[str, Any]


def whole(answer: Any, call: Call, witness: Witness) -> tuple[Json, Usage | None]:
    """The list of vectors, as numbers or in base64, as the caller wants them."""
    body = wire.embeddings(answer, call.model_name)
    if call.body.get("encoding_format") == "base64":
        for item in body["data"]:
            item["embedding"] = _base64(item["embedding"])
    return body, reports.of_answer(answer, witness)


def _base64(vector: list[float]) -> str:
    """Little-endian 32-bit floats, as OpenAI sends them (and its SDKs ask for)."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
