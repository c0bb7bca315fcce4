"""How large the ledger gets, and what removing old rows costs; the figures of docs/storage.md.

Run it on an idle machine with 3 GB of free disk:
`.venv/bin/python benchmarks/ledger_size.py [ROWS]`. It writes ROWS requests (a million unless
given) of 180 days through the gateway's own store, then keeps 90 days of them, while this process
and another one go on writing a row every 20 ms.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import random
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.retention import BATCH, PAUSE_SECONDS, in_batches
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.ledger import Transcript

DAYS = 180
KEPT_DAYS = 90
KEYS = 100
TEAMS = 10
TRANSCRIPTS = 10_000
FLUSH = 500
MODELS = [
    (name, f"model_{number:012x}00000000", provider)
    for number, (name, provider) in enumerate(
        [
            ("gpt-4o", "openai"),
            ("gpt-4o-mini", "openai"),
            ("claude-sonnet-4-5", "anthropic"),
            ("gemini-2.5-flash", "gemini"),
            ("mistral-large-latest", "mistral"),
            ("llama3.2", "ollama"),
            ("text-embedding-3-small", "openai"),
            ("gpt-4o-eu", "azure"),
        ]
    )
]


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_measure(Path(directory) / "gateway.db", rows))


async def _measure(path: Path, count: int) -> None:
    now = int(time.time())
    async with Store.open(_settings(path)) as store:
        empty = _size(path)
        started = time.perf_counter()
        for batch in batches(rows_of(count, now), FLUSH):
            await store.ledger.write(batch, [])
        seconds = time.perf_counter() - started
        print(f"SQLite {sqlite3.sqlite_version}, {count:,} rows of {DAYS} days, {KEYS} keys")
        print(f"written in {seconds:.0f} s, {count / seconds:,.0f} rows/s")
        _print_sizes(path, empty)

        before = now - KEPT_DAYS * DAY
        holds: list[float] = []

        async def remove(started_ms: int, limit: int) -> int:
            began = time.perf_counter()
            gone = await store.ledger.remove_before(started_ms, limit)
            holds.append(time.perf_counter() - began)
            return gone

        async with _Writers(store, path) as writers:
            await asyncio.sleep(3)
            writers.report("nothing else going on")
            started = time.perf_counter()
            gone = await in_batches(remove, before)
            seconds = time.perf_counter() - started
            print(f"{gone:,} rows removed in {seconds:.0f} s, {BATCH} at a time, ", end="")
            print(f"{PAUSE_SECONDS * 1000:.0f} ms between")
            _print_spread("  one batch", holds)
            writers.report("while rows are removed")
            # Not here: a writer of this process may hold the lock that this waits for.
            size = await asyncio.to_thread(_size, path)
            print(f"the file after that: {size / 1e6:.0f} MB")
            started = time.perf_counter()
            await store.database.vacuum()
            seconds = time.perf_counter() - started
            size = await asyncio.to_thread(_size, path)
            print(f"VACUUM: {seconds:.1f} s, {size / 1e6:.0f} MB")
            await asyncio.sleep(1)
            writers.report("during VACUUM")
        await _transcripts(store, path, now)


async def _transcripts(store: Store, path: Path, now: int) -> None:
    """What prompts and answers add."""
    size = _size(path)
    words = ["the", "gateway", "keeps", "what", "was", "asked", "and", "answered", "beside"]
    content = 0
    for batch in batches(rows_of(TRANSCRIPTS, now), FLUSH):
        kept = []
        for row in batch:
            text = " ".join(random.choices(words, k=random.randint(100, 1000)))
            asked = json.dumps({"messages": [{"role": "user", "content": text}]})
            answer = json.dumps({"choices": [{"message": {"content": text[: len(text) // 3]}}]})
            content += len(asked) + len(answer)
            kept.append(Transcript(row.id, row.started_ms, asked, answer))
        await store.ledger.write(batch, kept)
    grown = (_size(path) - size) / TRANSCRIPTS
    print(f"with a transcript of {content / TRANSCRIPTS:,.0f} bytes: {grown:,.0f} bytes a row")


def rows_of(count: int, now: int) -> Iterator[LedgerRow]:
    """So many requests of the last 180 days."""
    random.seed(1)
    keys = [(f"key_{number:020x}", f"team-{number % TEAMS}") for number in range(KEYS)]
    span = DAYS * DAY * 1000
    for number in range(count):
        key, team = random.choice(keys)
        model, deployment, provider = MODELS[
            (int(key[-2:], 16) + random.choice((0, 0, 0, 0, 1, 1, 2))) % len(MODELS)
        ]
        prompt, completion = random.randint(20, 8000), random.randint(1, 1500)
        yield LedgerRow(
            id=uuid.uuid4().hex,
            request_id=uuid.uuid4().hex,
            started_ms=now * 1000 - span + span * number // count,
            key_id=key,
            team_id=team,
            operation="/chat/completions",
            model=model,
            served_model=model,
            deployment_id=deployment,
            provider=provider,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=prompt // 2,
            cache_write_tokens=0,
            reasoning_tokens=0,
            estimated=False,
            cost=prompt * 2500 + completion * 10_000,
            latency_ms=random.randint(300, 20_000),
            first_token_ms=random.randint(200, 2000),
            status=200,
            error=None,
            outcome="complete",
            stream=True,
            end_user=f"user-{random.randint(1, 5000)}" if number % 2 else None,
            tags=("production",),
        )


def batches(rows: Iterator[LedgerRow], size: int) -> Iterator[list[LedgerRow]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch


class _Writers:
    """One row every 20 ms from this process, and from another; how long each takes."""

    def __init__(self, store: Store, path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._store = store
        self._here: list[float] = []
        self._there: Queue[float] = context.Queue()
        self._stop = context.Event()
        self._process = context.Process(target=_write, args=(path, self._there, self._stop))

    async def __aenter__(self) -> _Writers:
        self._process.start()
        self._there.get(timeout=60)
        self._task = asyncio.create_task(_write_until(self._store, self._here.append, self._stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._task
        while self._process.is_alive():
            self._drain()
            await asyncio.sleep(0.01)

    def report(self, meanwhile: str) -> None:
        print(f"a row of another request, {meanwhile}:")
        _print_spread("  from this process", self._here)
        _print_spread("  from another process", self._drain())
        self._here.clear()

    def _drain(self) -> list[float]:
        found = []
        while not self._there.empty():
            found.append(self._there.get())
        return found


def _write(path: Path, took: Queue[float], stop: Event) -> None:
    async def run() -> None:
        async with Store.open(_settings(path)) as store:
            await _write_until(store, took.put, stop)

    asyncio.run(run())


async def _write_until(store: Store, took: Callable[[float], object], stop: Event) -> None:
    while not stop.is_set():
        row = next(rows_of(1, int(time.time()) + DAYS * DAY))
        started = time.perf_counter()
        await store.ledger.write([row], [])
        took(time.perf_counter() - started)
        await asyncio.sleep(0.02)


def _settings(path: Path) -> Settings:
    return Settings(database_url=f"sqlite:///{path}")


def _size(path: Path) -> int:
    """With what is still in the write-ahead log."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(FULL)")
    connection.close()
    return path.stat().st_size


def _print_sizes(path: Path, empty: int) -> None:
    size = _size(path)
    connection = sqlite3.connect(path)
    counts = {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        for name in ("ledger", "daily")
    }
    try:
        parts = connection.execute(
            "SELECT m.tbl_name, m.name, sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m "
            "ON m.name = s.name WHERE m.tbl_name IN ('ledger', 'daily') GROUP BY 1, 2 ORDER BY 1, 3"
        ).fetchall()
    except sqlite3.OperationalError:  # built without dbstat
        parts = []
    connection.close()
    print(f"the file: {size / 1e6:.0f} MB; empty it is {empty / 1e6:.2f} MB")
    for name, rows in counts.items():
        own = {part: size / rows for table, part, size in parts if table == name}
        shown = ", ".join(f"{part} {size:.0f}" for part, size in own.items())
        print(f"{name}: {rows:,} rows, {sum(own.values()):.0f} bytes each: {shown}")


def _print_spread(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds) or [0.0]
    median, last = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    print(f"{what}: median {median * 1000:.1f} ms, ", end="")
    print(f"99 % {last * 1000:.1f} ms, longest {ordered[-1] * 1000:.1f} ms, of {len(seconds):,}")


if __name__ == "__main__":
    main()
