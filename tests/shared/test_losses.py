"""Redis that is emptied, gone, or silent, while calls run: afterwards all is counted rightly."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest

from gateway.shared import Link, SharedLimiter
from tests.redises import RedisServer
from tests.servers import Gateway
from tests.shared.conftest import Pair, link_of
from tests.store.records import model

COST = 87_500
DOLLAR = 10**9
# What a call with six tokens to write sets aside: a token a byte of the prompt.
ASIDE = 6 * 10_000


async def until(gateway: Gateway, key: str, status: int) -> None:
    """Wait until a call of the key ends so."""
    async with asyncio.timeout(10):
        while (await gateway.chat(key, max_tokens=6)).status_code != status:
            await asyncio.sleep(0.02)


async def test_who_finds_redis_empty_puts_in_what_it_holds(pair: Pair) -> None:
    key = await pair.issue_key(max_parallel_requests=2, max_budget=3 * COST / DOLLAR)
    answers, calling = await pair.calling(key["key"], 2)
    pair.redis.command("FLUSHALL")
    for n in range(8):
        refused = await pair.both[n % 2].chat(key["key"], max_tokens=6)
        assert refused.status_code == 429, refused.text
        assert refused.headers["rate_limit_type"] == "max_parallel_requests"
    answers.set()
    assert [each.status_code for each in await calling] == [200, 200]
    response = await pair.here.chat(key["key"], max_tokens=6)
    assert response.headers["x-litellm-key-spend"] == str(2 * COST / DOLLAR)
    assert (await pair.there.chat(key["key"])).status_code == 422


async def test_a_budget_outlives_an_emptied_redis(pair: Pair) -> None:
    """Calls run, rows wait, rows are stored: none may be lost, and none counted twice."""
    key = await pair.issue_key(max_budget=8 * COST / DOLLAR)
    answered = 0
    for n in range(12):
        if n % 3 == 0:
            pair.redis.command("FLUSHALL")
        if n % 4 == 2:
            await pair.both[n % 2].flush()
        response = await pair.both[n % 2].chat(key["key"], max_tokens=6)
        if response.status_code == 200:
            assert response.headers["x-litellm-key-spend"] == str(answered * COST / DOLLAR)
            answered += 1
        else:
            assert response.status_code == 422
    assert answered == 8


async def test_redis_is_emptied_again_and_again_under_load(pair: Pair) -> None:
    key = await pair.issue_key(max_budget=60 * COST / DOLLAR, max_parallel_requests=12)
    got: Counter[int] = Counter()
    over = False

    async def client(n: int) -> None:
        while not over:
            status = (await pair.both[n % 2].chat(key["key"], max_tokens=6)).status_code
            got[status] += 1
            if status != 200:
                await asyncio.sleep(0.01)

    clients = [asyncio.create_task(client(n)) for n in range(16)]
    for _ in range(6):
        await asyncio.sleep(0.15)
        pair.redis.command("FLUSHALL")
    async with asyncio.timeout(30):
        while not got[422]:
            await asyncio.sleep(0.02)
    over = True
    await asyncio.gather(*clients)
    assert set(got) <= {200, 422, 429}
    # A call's worst case is dearer than the call.
    assert 60 * COST <= got[200] * COST < 60 * COST + ASIDE + 200 * 2500
    rows = [row for row in await pair.here.rows(key["id"], got[200]) if row.outcome == "complete"]
    await pair.there.flush()
    assert sum(row.cost or 0 for row in rows) <= got[200] * COST


async def test_redis_goes_and_comes_back_while_calls_run(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gateway.shared.link")
    key = await pair.issue_key(max_parallel_requests=4, max_budget=9 * COST / DOLLAR)
    answers, calling = await pair.calling(key["key"], 4)
    pair.redis.stop()
    answers.set()
    # Whose answers do not wait for Redis.
    assert [each.status_code for each in await calling] == [200] * 4
    refused = await pair.here.chat(key["key"])
    assert refused.status_code == 503
    pair.redis.start()
    await until(pair.here, key["key"], 200)
    response = await pair.there.chat(key["key"], max_tokens=6)
    assert response.headers["x-litellm-key-spend"] == str(5 * COST / DOLLAR)
    spent = await pair.chats(4, key["key"], max_tokens=6)
    assert {each.status_code for each in spent} <= {200, 429}
    await until(pair.here, key["key"], 422)
    assert caplog.text.count("Redis cannot be reached") == 2, "once for each"
    assert caplog.text.count("Redis can be reached again") == 2


async def test_a_redis_that_hangs_is_waited_for_a_moment(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.shared.link._REPLY_SECONDS", 0.2)
    key, free = await pair.issue_key(max_budget=1), await pair.issue_key()
    answers, calling = await pair.calling(key["key"], 2)
    with pair.redis.hanging():
        for gateway in pair.both:
            assert (await gateway.chat(key["key"])).status_code == 503
        answers.set()
        assert [each.status_code for each in await calling] == [200, 200]
        assert (await pair.here.chat(free["key"])).status_code == 200
    await until(pair.here, key["key"], 200)
    response = await pair.there.chat(key["key"], max_tokens=6)
    assert response.headers["x-litellm-key-spend"] == str(3 * COST / DOLLAR)


async def test_scripts_that_redis_forgot_are_loaded_again(pair: Pair) -> None:
    key = await pair.issue_key(rpm_limit=4, max_budget=1)
    for n in range(4):
        response = await pair.both[n % 2].chat(key["key"], max_tokens=6)
        assert response.status_code == 200
        pair.redis.command("SCRIPT", "FLUSH")
    assert (await pair.here.chat(key["key"])).status_code == 429


async def test_a_process_that_nobody_heard_of_for_long_comes_back(pair: Pair) -> None:
    key = await pair.issue_key(max_parallel_requests=2, max_budget=1)
    answers, calling = await pair.calling(key["key"], 2)
    # As after a pause longer than it is believed to live.
    processes = f"{link_of(pair.here).prefix}processes"
    pair.redis.command("DEL", processes)
    async with asyncio.timeout(5):
        while pair.redis.command("ZCARD", processes) < 2:
            await asyncio.sleep(0.02)
    for gateway in pair.both:
        await until(gateway, key["key"], 429)
    answers.set()
    await calling
    response = await pair.there.chat(key["key"], max_tokens=6)
    assert response.headers["x-litellm-key-spend"] == str(2 * COST / DOLLAR)


async def test_rows_that_were_there_already_are_counted_once(pair: Pair) -> None:
    """A commit whose answer was lost is tried again, and finds its rows there."""
    key = await pair.issue_key(max_budget=1)
    services = pair.here.app.state.services
    write = services.ledger._store.write
    failures = 0

    async def lost(*arguments: Any) -> int | None:
        nonlocal failures
        position: int | None = await write(*arguments)
        failures += 1
        if failures == 1:
            raise OSError("on purpose")
        return position

    services.ledger._store.write = lost
    for n in range(3):
        response = await pair.here.chat(key["key"], max_tokens=6)
        assert response.headers["x-litellm-key-spend"] == str(n * COST / DOLLAR)
        if n == 0:
            with pytest.raises(OSError, match="on purpose"):
                await pair.here.flush()
    await pair.here.flush()
    response = await pair.there.chat(key["key"], max_tokens=6)
    assert response.headers["x-litellm-key-spend"] == str(3 * COST / DOLLAR)
    account = f"{link_of(pair.here).prefix}account:{key['id']}"
    assert pair.redis.command("HGET", account, "spent") == str(3 * COST).encode()


async def test_a_redis_that_may_evict_counts_is_warned_of(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def joined() -> None:
        async with Link(redis_server.url, "test", "here") as link:
            await SharedLimiter(link).enter(model("gpt", litellm_params={"model": "x", "rpm": 5}))

    redis_server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        await joined()
        assert not caplog.text
        redis_server.command("CONFIG", "SET", "maxmemory", "100mb")
        await joined()
    finally:
        redis_server.command("CONFIG", "SET", "maxmemory", "0")
        redis_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert caplog.text.count("its maxmemory-policy is allkeys-lru") == 1
