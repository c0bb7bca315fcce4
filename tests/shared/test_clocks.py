"""Two gateways whose clocks are ten minutes apart, as processes, count as two do whose are not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.money import dollars
from tests.commands.test_serve import add_model, chat, manage
from tests.conftest import ADMIN_KEY
from tests.http.evals.conftest import EXACT, ROWS, SUITE
from tests.processes import Server, serve
from tests.redises import RedisServer
from tests.servers import FakeProvider, http_client

AWAY_SECONDS = 300
# Python imports it before anything else.
SITE = """
import os
import time

away = int(os.environ["CLOCK_AWAY_SECONDS"])
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() + away
time.time_ns = lambda: nanoseconds() + away * 10**9
"""


@dataclass
class Clocks:
    """Gateways at one database and one Redis."""

    directory: Path
    ahead: Server
    behind: Server

    @property
    def both(self) -> tuple[Server, Server]:
        return self.ahead, self.behind

    def ledger(self) -> list[tuple[str, str, int, int]]:
        """Of each row the key, the outcome, its cost, and when it began in ms, in that order."""
        with contextlib.closing(sqlite3.connect(self.directory / "gateway.db")) as database:
            return database.execute(
                "SELECT key_id, outcome, cost, started_ms FROM ledger ORDER BY started_ms"
            ).fetchall()


def at(
    directory: Path, redis_server: RedisServer, away: int
) -> contextlib.AbstractAsyncContextManager[Server]:
    """A gateway whose clock is so many seconds off."""
    site = directory / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE)
    return serve(
        directory,
        GATEWAY_ADMIN_KEY=ADMIN_KEY,
        GATEWAY_REDIS_URL=redis_server.url,
        PYTHONPATH=os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]),
        CLOCK_AWAY_SECONDS=str(away),
    )


@pytest.fixture
async def clocks(
    tmp_path: Path, provider: FakeProvider, redis_server: RedisServer
) -> AsyncIterator[Clocks]:
    async with (
        at(tmp_path, redis_server, AWAY_SECONDS) as ahead,
        at(tmp_path, redis_server, -AWAY_SECONDS) as behind,
    ):
        await add_model(ahead, provider)
        yield Clocks(tmp_path, ahead, behind)


async def test_limits_are_exact_and_periods_of_budgets_may_differ(clocks: Clocks) -> None:
    key = await manage(clocks.behind, "/keys", {"rpm_limit": 30, "max_parallel_requests": 100})
    got = await asyncio.gather(*(chat(clocks.both[n % 2], key["key"]) for n in range(80)))
    assert Counter(each.status_code for each in got) == {200: 30, 429: 50}
    assert {each.headers["rate_limit_type"] for each in got if each.status_code == 429} == {
        "requests"
    }
    for each in got:
        if each.status_code == 429:
            # By Redis' clock, at both.
            assert 1 <= int(each.headers["retry-after"]) <= 60
            assert -1 <= int(each.headers["reset_at"]) - time.time() <= 61
    async with asyncio.timeout(10):
        while len(clocks.ledger()) < 80:
            await asyncio.sleep(0.1)
    # For one of them it is two periods later: each asks for an account of its own.
    key = await manage(clocks.behind, "/keys", {"max_budget": 1, "budget_duration": "5m"})
    calls = (chat(clocks.both[n % 2], key["key"], max_tokens=6) for n in range(40))
    got = await asyncio.gather(*calls)
    assert Counter(each.status_code for each in got) == {200: 40}
    started = [row[3] / 1000 for row in clocks.ledger()]
    assert started[0] < time.time() - AWAY_SECONDS + 60, "one's clock is behind"
    assert started[-1] > time.time() + AWAY_SECONDS - 60, "one's clock is ahead"


async def test_what_is_held_is_given_back_once_its_process_is_dead_and_no_sooner(
    clocks: Clocks, provider: FakeProvider, redis_server: RedisServer
) -> None:
    """Killed, taken for dead, and started again, which books what it had running."""
    placed = await manage(clocks.behind, "/keys", {"max_parallel_requests": 1})
    thrifty = await manage(clocks.behind, "/keys", {"max_budget": 0.05})
    provider.hangs()
    calls = [
        asyncio.create_task(chat(clocks.ahead, key["key"], max_tokens=5000))
        for key in (placed, thrifty)
    ]
    async with asyncio.timeout(30):
        while len(provider.received) < 2:
            await asyncio.sleep(0.01)
    provider.reset()
    for _ in range(5):
        for server in clocks.both:
            for key, kind in ((placed, "max_parallel_requests"), (thrifty, "budget")):
                refused = await chat(server, key["key"], max_tokens=5000)
                assert (refused.status_code, refused.headers["rate_limit_type"]) == (429, kind)
        await asyncio.sleep(0.5)

    await clocks.ahead.stop(signal.SIGKILL)
    await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(20):
        for key in (placed, thrifty):
            while (await chat(clocks.behind, key["key"], max_tokens=6)).status_code != 200:
                await asyncio.sleep(0.2)

    async with at(clocks.directory, redis_server, AWAY_SECONDS) as again:
        async with asyncio.timeout(20):
            while (
                len(interrupted := [row for row in clocks.ledger() if row[1] == "interrupted"]) < 2
            ):
                await asyncio.sleep(0.1)
        assert {row[0] for row in interrupted} == {placed["id"], thrifty["id"]}
        costs = [row[2] for row in clocks.ledger() if row[0] == thrifty["id"] and row[2]]
        # What ran, and the call that had its room meanwhile.
        assert len(costs) == 2
        for server in (again, clocks.behind):
            refused = await chat(server, thrifty["key"])
            assert refused.status_code == 422
            assert f"Current cost: {dollars(sum(costs))}, Max" in refused.text
            assert (await chat(server, placed["key"])).status_code == 200


async def test_a_run_of_evaluations_is_not_taken_for_dead(
    clocks: Clocks, provider: FakeProvider
) -> None:
    for path, body in (
        ("/datasets", {"name": "faq", "rows": ROWS}),
        ("/evaluators", EXACT),
        ("/suites", SUITE),
    ):
        await manage(clocks.behind, f"/evals{path}", body)
    provider.hangs()
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with http_client() as http:
        runs = f"{clocks.behind.url}/api/v1/gateway/evals/runs"
        begun = (await http.post(runs, json={"suite": "ci"}, headers=headers)).json()
        async with asyncio.timeout(30):
            while not provider.received:
                await asyncio.sleep(0.01)
        for server in clocks.both:
            run = f"{server.url}/api/v1/gateway/evals/runs/{begun['id']}"
            assert (await http.get(run, headers=headers)).json()["status"] == "running"
        cancelled = await http.post(f"{runs}/{begun['id']}/cancel", headers=headers)
        assert cancelled.json()["status"] == "cancelled", cancelled.text
