"""Rows of the ledger for tests."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from gateway.records import LedgerRow

_numbers = itertools.count(1)


def ledger_row(at: str | int = "2026-11-20T12:00:00", **fields: Any) -> LedgerRow:
    """A row like any other, with an id of its own, that started at `at`: UTC, or milliseconds."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "id": f"call-{number}",
        "request_id": f"request-{number}",
        "started_ms": milliseconds(at) if isinstance(at, str) else at,
        "key_id": "key_a",
        "team_id": None,
        "operation": "/chat/completions",
        "model": "gpt",
        "served_model": "gpt",
        "deployment_id": "model_gpt",
        "provider": "openai",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "estimated": False,
        "cost": 1000,
        "latency_ms": 100,
        "first_token_ms": None,
        "status": 200,
        "error": None,
        "outcome": "complete",
        "stream": False,
        "end_user": None,
        "tags": (),
    }
    return LedgerRow(**defaults | fields)


def milliseconds(at: str) -> int:
    """Of an ISO 8601 time in UTC."""
    return round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000)
