"""How fast rows of the ledger are stored, and what a row takes, in SQLite and in PostgreSQL.

    .venv/bin/python -m benchmarks.ledger_rate [--url postgresql://USER@HOST/NAME] [--rows 100000]

Stores that many rows through the gateway's own store, as gateways under full load do: in batches of
500, by one process and then by two at once, into a new SQLite file and, with `--url`, into an empty
database of PostgreSQL's, which is emptied afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event, Semaphore
from typing import NamedTuple

from sqlalchemy import text

from benchmarks.ledger_size import batches, rows_of
from gateway.settings import Settings
from gateway.store import Store

_BATCH = 500
_SECRET_KEY = "bm8tc2VjcmV0LWJ1dC0zMi1ieXRlcy1vZi1hbnkta2k="


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ledger_rate")
    parser.add_argument("--url", help="an empty database of PostgreSQL's")
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        urls = {"SQLite": f"sqlite:///{directory}/gateway.db"}
        if given.url:
            urls["PostgreSQL"] = given.url
        print("| | rows a second | CPU of the gateway, ms a row | bytes a row |\n|---|---|---|---|")
        for name, url in urls.items():
            for writers in (1, 2):
                found = _measured(url, given.rows, writers)
                print(f"| {name}, {writers} writer{'s' * (writers > 1)} | {found} |", flush=True)


class _Race(NamedTuple):
    """What writers tell the one who measures, and what tells them to begin."""

    ready: Semaphore
    go: Event
    spent: Queue[float]


def _measured(url: str, rows: int, writers: int) -> str:
    settings = Settings(database_url=url, secret_key=_SECRET_KEY)
    before = asyncio.run(_size(settings))
    context = multiprocessing.get_context("spawn")
    race = _Race(context.Semaphore(0), context.Event(), context.Queue())
    arguments = [(settings, rows // writers, f"node{n}", race) for n in range(writers)]
    processes = [context.Process(target=_write, args=each) for each in arguments]
    for process in processes:
        process.start()
    for _ in processes:
        race.ready.acquire()
    began = time.perf_counter()
    race.go.set()
    cpu = sum(race.spent.get() for _ in processes)
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    after = asyncio.run(_size(settings))
    asyncio.run(_empty(settings))
    return f"{rows / seconds:,.0f} | {1000 * cpu / rows:.3f} | {(after - before) / rows:.0f}"


def _write(settings: Settings, rows: int, node: str, race: _Race) -> None:
    asyncio.run(_write_all(settings, rows, node, race))


async def _write_all(settings: Settings, rows: int, node: str, race: _Race) -> None:
    made = list(batches(rows_of(rows, int(time.time())), _BATCH))
    async with Store.open(settings) as store:
        race.ready.release()
        race.go.wait()
        began = time.process_time()
        for batch in made:
            await store.ledger.write(batch, [], node)
        race.spent.put(time.process_time() - began)


async def _size(settings: Settings) -> int:
    async with Store.open(settings) as store:
        return await store.database.size()


async def _empty(settings: Settings) -> None:
    async with Store.open(settings) as store:
        emptied = "TRUNCATE" if settings.database_path is None else "DELETE FROM"
        async with store.database.append() as connection:
            for table in ("ledger", "daily"):
                await connection.execute(text(f"{emptied} {table}"))
        await store.database.vacuum()


if __name__ == "__main__":
    main()
