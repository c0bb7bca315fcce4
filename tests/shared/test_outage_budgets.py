"""Budgets while Redis is gone, where they are kept by each process, and once it is back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.settings import RedisDown
from tests.servers import Gateway, answer, usage
from tests.shared.conftest import Pair, link_of, statuses

COST = 87_500
DOLLAR = 10**9

CONTINUE: dict[str, Any] = {"redis_down_budgets": RedisDown.CONTINUE}
THE_OTHER_WAY = CONTINUE | {"redis_down_limits": RedisDown.REFUSE}

continuing = pytest.mark.parametrize("down", [CONTINUE], ids=["continue"])


@contextlib.contextmanager
def cut_off(gateway: Gateway) -> Iterator[None]:
    """Let this one alone not reach Redis."""
    link = link_of(gateway)
    connector, link._connector = link._connector, None
    link.come_back()
    assert link._connection is not None
    link._connection._driver._writer.close()
    try:
        yield
    finally:
        link._connector = connector


@continuing
async def test_each_can_keep_to_budgets_by_the_ledger(pair: Pair) -> None:
    key = await pair.issue_key(max_budget=6 * COST / DOLLAR)
    for gateway in pair.both:
        assert (await gateway.chat(key["key"], max_tokens=6)).status_code == 200
    pair.redis.stop()
    await pair.until_reached(False)
    await pair.until_known()
    spent = []
    for n in range(4):
        response = await pair.both[n % 2].chat(key["key"], max_tokens=6)
        spent.append(response.headers["x-litellm-key-spend"])
        await pair.until_known()
    assert spent == [str(n * COST / DOLLAR) for n in (2, 3, 4, 5)]
    for gateway in pair.both:
        refused = await gateway.chat(key["key"])
        assert refused.status_code == 422
        assert f"Current cost: {6 * COST / DOLLAR}, Max" in refused.text
    pair.redis.start()
    await pair.until_reached(True)
    for gateway in pair.both:
        refused = await gateway.chat(key["key"])
        assert refused.status_code == 422
        assert f"Current cost: {6 * COST / DOLLAR}, Max" in refused.text


@continuing
async def test_what_others_run_meanwhile_is_all_that_is_too_much(pair: Pair) -> None:
    """One call fits at a time: at each side, as neither knows of the other's."""
    key = await pair.issue_key(max_budget=COST / DOLLAR)
    pair.redis.stop()
    await pair.until_reached(False)
    answers, calling = await pair.calling(key["key"], 2)
    for gateway in pair.both:
        refused = await gateway.chat(key["key"])
        assert (refused.status_code, refused.headers["rate_limit_type"]) == (429, "budget")
    answers.set()
    assert statuses(await calling) == {200: 2}
    await pair.until_known()
    for gateway in pair.both:
        assert (await gateway.chat(key["key"])).status_code == 422


@continuing
async def test_what_is_set_aside_meanwhile_is_put_in_when_redis_is_back(pair: Pair) -> None:
    key = await pair.issue_key(max_budget=3 * COST / DOLLAR)
    pair.redis.stop()
    await pair.until_reached(False)
    answers = pair.hold()
    calling = asyncio.create_task(pair.here.chat(key["key"], max_tokens=500))
    await pair.until_asked(1)
    pair.redis.start()
    await pair.until_reached(True)
    refused = await pair.there.chat(key["key"])
    assert (refused.status_code, refused.headers["rate_limit_type"]) == (429, "budget")
    answers.set()
    assert (await calling).status_code == 200
    response = await pair.there.chat(key["key"], max_tokens=6)
    assert response.headers["x-litellm-key-spend"] == str(COST / DOLLAR)
    await pair.until_known()
    assert not pair.held()


@pytest.mark.parametrize("down", [{}, CONTINUE], ids=["default", "continue"])
async def test_calls_that_end_on_the_other_side_of_an_outage_are_counted_once(
    pair: Pair, down: dict[str, Any]
) -> None:
    key = await pair.issue_key(max_budget=9 * COST / DOLLAR, max_parallel_requests=9)
    # From Redis into the outage.
    answers, calling = await pair.calling(key["key"], 2)
    pair.redis.stop()
    await pair.until_reached(False)
    answers.set()
    assert statuses(await calling) == {200: 2}
    count = 2
    if down:
        # Wholly in it, and out of it.
        assert (await pair.here.chat(key["key"], max_tokens=6)).status_code == 200
        answers, calling = await pair.calling(key["key"], 2)
        count = 5
    pair.redis.start()
    await pair.until_reached(True)
    answers.set()
    await calling
    for gateway in pair.both:
        response = await gateway.chat(key["key"], max_tokens=6)
        assert response.headers["x-litellm-key-spend"] == str(count * COST / DOLLAR)
        count += 1
    await pair.until_known()
    response = await pair.here.chat(key["key"], max_tokens=6)
    assert response.headers["x-litellm-key-spend"] == str(count * COST / DOLLAR)
    rows = await pair.here.rows(key["id"], count + 1)
    assert sum(row.cost or 0 for row in rows) == (count + 1) * COST
    await pair.until_known()
    assert not pair.held()


@pytest.mark.parametrize("down", [{}, CONTINUE], ids=["default", "continue"])
async def test_a_dearer_fallback_needs_room_without_redis_too(
    pair: Pair, down: dict[str, Any]
) -> None:
    prices = {"input_cost_per_token": 1e-3, "output_cost_per_token": 1e-3}
    await pair.here.add_model("dear", litellm_params={"model": "dear", **prices})
    await pair.here.manage("PATCH", "/settings", {"fallbacks": {"gpt": ["dear"]}})
    thrifty, rich = await pair.issue_key(max_budget=0.2), await pair.issue_key(max_budget=9)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def behaviour(request: Any) -> Any:
        if (await request.json())["model"] == "dear":
            return answer({"choices": [], "usage": usage()})
        asked.set()
        await go_on.wait()
        return answer({"error": {"message": "no"}}, 500)

    pair.here.provider.behaviour = behaviour
    running = asyncio.create_task(pair.here.chat(rich["key"], max_tokens=200))
    await asyncio.wait_for(asked.wait(), 5)
    pair.redis.stop()
    await pair.until_reached(False)
    go_on.set()
    assert (await running).status_code == (200 if down else 500)
    if down:
        # What runs there sets 0.2 dollars aside and more, and leaves this one no room.
        go_on.clear()
        asked.clear()
        first, second = (
            asyncio.create_task(pair.here.chat(thrifty["key"], max_tokens=tokens))
            for tokens in (200, 1)
        )
        await pair.until_asked(4)
        go_on.set()
        assert {(await first).status_code, (await second).status_code} == {200, 500}
    pair.redis.start()
    await pair.until_reached(True)
    assert statuses(await pair.chats(2, rich["key"], model="dear", max_tokens=6)) == {200: 2}
    await pair.until_known()
    assert not pair.held()


@continuing
async def test_what_one_spends_that_is_cut_off_the_others_know_from_the_ledger(
    pair: Pair,
) -> None:
    key = await pair.issue_key(max_budget=4 * COST / DOLLAR)
    for gateway in pair.both:
        assert (await gateway.chat(key["key"], max_tokens=6)).status_code == 200
    await pair.until_known()
    with cut_off(pair.here):
        async with asyncio.timeout(5):
            while link_of(pair.here).reached():
                await asyncio.sleep(0.01)
        for _ in range(2):
            assert (await pair.here.chat(key["key"], max_tokens=6)).status_code == 200
        await pair.until_known()
        assert link_of(pair.there).reached()
        refused = await pair.there.chat(key["key"])
        assert refused.status_code == 422
        assert f"Current cost: {4 * COST / DOLLAR}, Max" in refused.text
    await pair.until_reached(True)
    for gateway in pair.both:
        assert (await gateway.chat(key["key"])).status_code == 422
    assert not pair.held()


@contextlib.asynccontextmanager
async def clients(pair: Pair, key: str, got: Counter[int]) -> AsyncIterator[None]:
    """Sixteen that call until the end of the block, and at times leave."""
    over = False
    chance = random.Random(1)

    async def client(n: int) -> None:
        while not over:
            try:
                async with asyncio.timeout(0.01 if chance.random() < 0.1 else 20):
                    response = await pair.both[n % 2].chat(key, max_tokens=6)
            except TimeoutError:
                got[499] += 1
                continue
            got[response.status_code] += 1
            if response.status_code != 200:
                await asyncio.sleep(0.01)

    running = [asyncio.create_task(client(n)) for n in range(16)]
    yield
    over = True
    await asyncio.gather(*running)


@pytest.mark.parametrize("down", [{}, CONTINUE, THE_OTHER_WAY], ids=["default", "both", "other"])
async def test_redis_goes_again_and_again_under_load(
    pair: Pair, down: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.shared.link._REPLY_SECONDS", 0.1)
    key = await pair.issue_key(max_budget=1, max_parallel_requests=12, rpm_limit=100_000)
    got: Counter[int] = Counter()
    async with clients(pair, key["key"], got):
        for n in range(6):
            enough = got[200] + 10
            async with asyncio.timeout(20):
                while got[200] < enough:
                    await asyncio.sleep(0.02)
            if n % 3 == 2:
                with pair.redis.hanging():
                    await asyncio.sleep(0.3)
            else:
                pair.redis.stop()
                await asyncio.sleep(0.15)
                pair.redis.start()
    assert set(got) <= ({200, 429, 499} if down == CONTINUE else {200, 429, 499, 503})
    await pair.until_reached(True)
    async with asyncio.timeout(10):
        while any(link_of(gateway).held for gateway in pair.both):
            await pair.until_known()
    assert not pair.held()
    rows = [row for _, row in await pair.here.app.state.services.store.ledger.after(0, 100_000)]
    complete = sum(row.outcome == "complete" for row in rows)
    assert got[200] <= complete <= got[200] + got[499]
    spent = sum(row.cost or 0 for row in rows)
    for gateway in pair.both:
        response = await gateway.chat(key["key"], max_tokens=6)
        assert response.headers["x-litellm-key-spend"] == str(spent / DOLLAR)
        spent += COST
