"""Two gateways at one Redis keep to limits and budgets as one does."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest

from tests.servers import answer, chunks, usage
from tests.shared.conftest import Pair, link_of, statuses

# gpt-4o's prices in nano-dollars: 11 tokens of prompt at 2500, 6 of completion at 10000.
COST = 87_500
DOLLAR = 10**9


async def test_of_many_requests_at_both_as_many_are_served_as_the_limit(pair: Pair) -> None:
    key = await pair.issue_key(rpm_limit=50)
    got = await pair.chats(200, key["key"])
    assert statuses(got) == {200: 50, 429: 150}
    served = [each for each in got if each.status_code == 200]
    left = [int(each.headers["x-ratelimit-remaining-requests"]) for each in served]
    assert sorted(left) == list(range(50))
    assert len(pair.here.provider.received) == 50
    for each in got:
        if each.status_code == 429:
            assert each.headers["rate_limit_type"] == "requests"
            assert 1 <= int(each.headers["retry-after"]) <= 60
            assert "Limit type: requests. Current limit: 50, Remaining: 0." in each.text


async def test_tokens_are_counted_together(pair: Pair) -> None:
    key = await pair.issue_key(tpm_limit=100)
    left = []
    for n in range(6):
        response = await pair.both[n % 2].chat(key["key"])
        left.append(response.headers["x-ratelimit-remaining-tokens"])
    assert left == ["100", "83", "66", "49", "32", "15"]
    for gateway in pair.both:
        refused = await gateway.chat(key["key"])
        assert refused.status_code == 429
        assert refused.headers["rate_limit_type"] == "tokens"


async def test_a_limit_of_a_model_is_its_own(pair: Pair) -> None:
    key = await pair.issue_key(model_rpm_limit={"gpt": 3}, rpm_limit=10)
    got = await pair.chats(8, key["key"])
    assert statuses(got) == {200: 3, 429: 5}
    refused = next(each for each in got if each.status_code == 429)
    assert "Rate limit exceeded for model_per_key" in refused.text


async def test_requests_at_once_are_counted_together(pair: Pair) -> None:
    key = await pair.issue_key(max_parallel_requests=5)
    for round_ in range(3):
        answers = pair.hold()
        before = len(pair.here.provider.received)
        calling = asyncio.gather(*(pair.both[n % 2].chat(key["key"]) for n in range(20)))
        await pair.until_asked(before + 5)
        refused = await pair.chats(4, key["key"])
        assert statuses(refused) == {429: 4}
        assert {each.headers["rate_limit_type"] for each in refused} == {"max_parallel_requests"}
        answers.set()
        assert statuses(await calling) == {200: 5, 429: 15}, f"round {round_}"


async def test_a_deployment_has_its_limit_once(pair: Pair) -> None:
    await pair.here.add_model("slow", litellm_params={"model": "gpt-4o", "rpm": 7})
    key = await pair.issue_key()
    got = await pair.chats(30, key["key"], model="slow")
    assert statuses(got) == {200: 7, 429: 23}
    assert {each.headers.get("retry-after") is not None for each in got} == {True, False}


@pytest.mark.parametrize("keys", [1, 5], ids=["key", "team"])
@pytest.mark.parametrize("reported", [(11, 6), (48, 6)], ids=["less", "as-reserved"])
async def test_calls_at_both_overspend_by_less_than_one(
    pair: Pair, keys: int, reported: tuple[int, int]
) -> None:
    cost = reported[0] * 2500 + reported[1] * 10_000
    budget = 10 * COST
    if keys > 1:
        team = await pair.here.manage(
            "POST", "/teams", {"name": "crew", "max_budget": budget / DOLLAR}
        )
        fields: dict[str, Any] = {"team_id": team.json()["team_id"]}
    else:
        fields = {"max_budget": budget / DOLLAR}
    issued = [await pair.issue_key(**fields) for _ in range(keys)]
    answered = 0
    for _ in range(20):
        answers = pair.hold(prompt=reported[0], completion=reported[1])
        ended = 0

        async def call(n: int) -> int:
            nonlocal ended
            secret = issued[n % keys]["key"]
            status = (await pair.both[n % 2].chat(secret, max_tokens=6)).status_code
            ended += 1
            return status

        before = len(pair.here.provider.received)
        calling = asyncio.gather(*(call(n) for n in range(60)))
        async with asyncio.timeout(20):
            while ended + len(pair.here.provider.received) - before < 60:
                await asyncio.sleep(0.005)
        answers.set()
        got = Counter(await calling)
        assert set(got) <= {200, 422, 429}
        answered += got[200]
        assert answered * cost < budget + cost
        if got[422] == 60:
            break
    else:
        pytest.fail("the budget is never spent")
    assert answered * cost >= budget, "some of the budget was never given back"


async def test_what_one_has_spent_the_other_knows_at_once(pair: Pair) -> None:
    key = await pair.issue_key(max_budget=4 * COST / DOLLAR)
    spent = []
    for n in range(4):
        response = await pair.both[n % 2].chat(key["key"], max_tokens=6)
        spent.append(response.headers["x-litellm-key-spend"])
    assert spent == ["0.0", *(str(n * COST / DOLLAR) for n in (1, 2, 3))]
    for gateway in pair.both:
        refused = await gateway.chat(key["key"])
        assert refused.status_code == 422
        assert f"Current cost: {4 * COST / DOLLAR}, Max" in refused.text


async def test_what_goes_into_the_database_is_counted_once(pair: Pair) -> None:
    """Accounts are read again and again while rows go into the database from both sides."""
    key = await pair.issue_key(max_budget=1)
    spent = 0
    for n in range(30):
        got = await pair.chats(n % 4 + 1, key["key"], max_tokens=6)
        assert set(statuses(got)) == {200}
        spent += len(got) * COST
        if n % 3:
            await pair.both[n % 2].flush()
        if n % 5 == 0:
            link_of(pair.both[n % 2]).come_back()
        response = await pair.both[n % 2].chat(key["key"], max_tokens=6)
        assert response.headers["x-litellm-key-spend"] == str(spent / DOLLAR)
        spent += COST


async def test_a_stream_is_settled_before_its_end_is_told(pair: Pair) -> None:
    key = await pair.issue_key(max_budget=1, max_parallel_requests=1, tpm_limit=1000)
    pair.here.provider.streams(chunks())
    for n in range(10):
        response = await pair.both[n % 2].chat(key["key"], stream=True, max_tokens=6)
        assert response.status_code == 200, response.text
        assert response.text.endswith("data: [DONE]\n\n")
        assert response.headers["x-litellm-key-spend"] == str(n * COST / DOLLAR)
        assert response.headers["x-ratelimit-remaining-tokens"] == str(1000 - 17 * n)


async def test_a_fallback_sets_more_aside_for_both(pair: Pair) -> None:
    dear = {"model": "dear", "input_cost_per_token": 1e-3, "output_cost_per_token": 1e-3}
    await pair.here.add_model("dear", litellm_params=dear)
    await pair.here.manage("PATCH", "/settings", {"fallbacks": {"gpt": ["dear"]}})
    key = await pair.issue_key(max_budget=0.2)
    fails, answers = answer({"error": {"message": "no"}}, 500), asyncio.Event()
    asked: list[str] = []

    async def behaviour(request: Any) -> Any:
        body = await request.json()
        asked.append(body["model"])
        if body["model"] != "dear":
            return fails
        await answers.wait()
        return answer({"choices": [], "usage": usage()})

    pair.here.provider.behaviour = behaviour
    calling = asyncio.create_task(pair.here.chat(key["key"], max_tokens=200))
    async with asyncio.timeout(5):
        while "dear" not in asked:
            await asyncio.sleep(0.005)
    refused = await pair.there.chat(key["key"])
    assert refused.status_code == 429
    assert refused.headers["rate_limit_type"] == "budget"
    answers.set()
    await calling


async def test_who_leaves_gives_back_what_was_held(pair: Pair) -> None:
    key = await pair.issue_key(max_budget=0.01, max_parallel_requests=1)
    pair.here.provider.hangs()
    for n in range(4):
        pair.here.provider.left.clear()
        calling = asyncio.create_task(pair.both[n % 2].chat(key["key"], max_tokens=5000))
        await pair.until_asked(n + 1)
        refused = await pair.both[(n + 1) % 2].chat(key["key"])
        assert refused.headers["rate_limit_type"] == "max_parallel_requests"
        calling.cancel()
        await asyncio.wait_for(pair.here.provider.left.wait(), 5)
        await pair.both[n % 2].rows(key["id"], 2 * n + 2)
    await asyncio.gather(*(gateway.flush() for gateway in pair.both))
    assert [link_of(gateway).held for gateway in pair.both] == [{}, {}]


async def test_many_who_leave_at_any_moment_leave_nothing_behind(pair: Pair) -> None:
    key = await pair.issue_key(max_budget=100, max_parallel_requests=1000, rpm_limit=10_000)
    pair.hold()
    for n in range(60):
        calling = asyncio.create_task(pair.both[n % 2].chat(key["key"], max_tokens=6))
        await asyncio.sleep(n % 20 / 4000)
        calling.cancel()
    async with asyncio.timeout(10):
        while True:
            await asyncio.gather(*(gateway.flush() for gateway in pair.both))
            if not any(link_of(gateway).held for gateway in pair.both):
                break
            await asyncio.sleep(0.02)
    prefix = link_of(pair.here).prefix
    living = pair.redis.command("ZRANGE", f"{prefix}processes", 0, -1)
    assert len(living) == 2

    def held() -> list[bytes]:
        """What living processes hold, by Redis."""
        hashes = [f"{prefix}running:{key['id']}", f"{prefix}account:{key['id']}"]
        fields = [field for each in hashes for field in pair.redis.command("HKEYS", each)]
        return [field for field in fields if field.partition(b"@")[2] in living]

    async with asyncio.timeout(5):
        while held():
            await asyncio.sleep(0.02)


async def test_nothing_is_counted_of_who_has_no_limits(pair: Pair) -> None:
    key = await pair.issue_key()
    for gateway in pair.both:
        assert (await gateway.chat(key["key"])).status_code == 200
        await gateway.flush()
    assert not pair.redis.command("KEYS", f"*{key['id']}*")


async def test_a_soft_budget_warns(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    key = await pair.issue_key(soft_budget=COST / DOLLAR, max_budget=1)
    with caplog.at_level(logging.WARNING, "gateway.budgets"):
        assert (await pair.here.chat(key["key"], max_tokens=6)).status_code == 200
    assert f"The soft budget of {key['id']} is spent" in caplog.text
