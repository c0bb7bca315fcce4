"""Databases of any size, made in bulk, as the gateway itself would have written them."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.peers.canned import MODEL
from gateway.money import NANO
from gateway.periods import DAY
from gateway.records import Key, Model
from gateway.settings import Settings
from gateway.store import Store, tables
from gateway.vault import hash_key, hint

# Less than what is kept: the gateway would remove the rest while it is measured.
DAYS = 80
_PLENTY = 10**9
_AT_ONCE = 5_000
# What was spent in them comes from the sums of this day, of all days, and from single requests.
_PERIODS = ("1d", None, "12h")
# Any two keys have the same share of all requests.
_LEDGER = f"""
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :rows)
INSERT INTO ledger (
    id, request_id, started_ms, key_id, operation, model, served_model, deployment_id, provider,
    prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    estimated, cost, latency_ms, first_token_ms, status, outcome, stream, end_user, tags, node
)
SELECT
    lower(hex(randomblob(16))), lower(hex(randomblob(16))),
    (:now - {DAYS * DAY}) * 1000 + n * {DAYS * DAY * 1000} / :rows, printf('key_%020x', n % :keys),
    '/chat/completions', 'model-' || n % :models, 'model-' || n % :models,
    printf('model_%020x', n % :models), 'openai', 20 + n * 7919 % 7980, 1 + n * 104729 % 1500,
    10, 0, 0, 0, (20 + n * 7919 % 7980) * 2500 + (1 + n * 104729 % 1500) * 10000,
    300 + n * 15485863 % 19700, 200 + n * 32452843 % 1800, 200, 'complete', 1,
    'user-' || n % 5000, '["production"]', 'made'
FROM numbers
"""
_DAILY = """
INSERT INTO daily (
    day, key_id, team_id, model, provider, tags, requests, errors, estimated, unpriced,
    cache_hits, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens,
    reasoning_tokens, cost, latency_ms
)
SELECT
    date(started_ms / 1000, 'unixepoch'), key_id, '', served_model, provider, tags, count(*), 0, 0,
    0, 0, sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), 0, 0, sum(cost),
    sum(latency_ms)
FROM ledger GROUP BY 1, 2, 4
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything a database holds, besides what the first start adds.

    Attributes:
        rows: Of the ledger, over 80 days.
    """

    models: int = 1
    keys: int = 1
    rows: int = 0


def secret(number: int) -> str:
    """Of the key with this number."""
    return f"sk-growth-{number:032x}"


def model_name(number: int) -> str:
    return f"model-{number}"


async def make(path: Path, size: Size, upstream: str) -> None:
    """Write a database, with the file of its secret key beside it.

    Args:
        upstream: The models' base URL.
    """
    now = int(time.time())
    async with Store.open(Settings(database_url=f"sqlite:///{path}")) as store:
        async with store.database.write("models") as write:
            for batch in _batches(_models(store, size.models, upstream, now)):
                await write.connection.execute(insert(tables.models), batch)
        async with store.database.write("keys") as write:
            for batch in _batches(_keys(size, now)):
                rows = [row | {"stamp": write.stamp} for row in batch]
                await write.connection.execute(insert(tables.keys), rows)
    if size.rows:
        _fill_ledger(path, size, now)


def _models(store: Store, count: int, upstream: str, now: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        model = Model(
            id=f"model_{number:020x}",
            name=model_name(number),
            provider="openai",
            upstream_model=MODEL,
            base_url=upstream,
            api_version=None,
            params={"lane": "direct"},
            secrets={},
            info={},
            created_at=now,
            updated_at=now,
        )
        row = asdict(model)
        del row["secrets"]
        sealed = store.vault.seal(json.dumps({"api_key": f"sk-none-{number:032x}"}))
        yield row | {"sealed_secrets": sealed}


def _keys(size: Size, now: int) -> Iterator[dict[str, Any]]:
    for number in range(size.keys):
        key = Key(
            id=f"key_{number:020x}",
            kind="gateway",
            label=f"key {number}",
            secret_hash=hash_key(secret(number)),
            hint=hint(secret(number)),
            rpm_limit=_PLENTY,
            tpm_limit=_PLENTY,
            max_budget=10**6 * NANO,
            budget_duration=_PERIODS[number % len(_PERIODS)],
            created_at=now - DAYS * DAY,
            updated_at=now,
        )
        yield asdict(key)


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(itertools.islice(rows, _AT_ONCE)):
        yield batch


def _fill_ledger(path: Path, size: Size, now: int) -> None:
    # Through `LedgerStore.write`, five million rows would take a quarter of an hour.
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        numbers = {"rows": size.rows, "keys": size.keys, "models": size.models, "now": now}
        with connection:
            connection.execute(_LEDGER, numbers)
            connection.execute(_DAILY)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
