"""Budgets over HTTP: they bind before a call is made, whatever comes at once."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import Counter
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.app import create_app
from gateway.settings import Settings
from tests.conftest import ADMIN_KEY, execute
from tests.redises import RedisServer
from tests.servers import (
    IN_BOTH_LANES,
    Gateway,
    answer,
    chunk,
    completion,
    http_client,
    serving,
    usage,
)

pytestmark = IN_BOTH_LANES

# gpt-4o's prices in nano-dollars: 11 tokens of prompt at 2500, 6 of completion at 10000.
COST = 87_500
DOLLAR = 10**9


@pytest.fixture(params=["alone", "redis"])
def settings(
    settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Of a gateway whose accounts are in its process, or in Redis."""
    if request.param == "alone":
        return settings
    monkeypatch.setattr("gateway.shared.link.BEAT_SECONDS", 0.1)
    server: RedisServer = request.getfixturevalue("redis_server")
    return replace(settings, redis_url=server.url)


@pytest.fixture(autouse=True)
async def model(gateway: Gateway) -> None:
    await gateway.add_model(litellm_params={"model": "gpt-4o"})


async def _add_team(gateway: Gateway, **fields: Any) -> str:
    made = await gateway.manage("POST", "/teams", {"name": "crew", **fields})
    assert made.status_code == 201, made.text
    return str(made.json()["team_id"])


async def _many_at_once(gateway: Gateway, keys: list[str], **params: Any) -> list[httpx.Response]:
    """A hundred calls, of which the provider answers none before all are let in or refused."""
    provider = gateway.provider
    provider.behaviour, answers = None, asyncio.Event()
    refused = 0
    before = len(provider.received)

    async def behaviour(_: Request) -> Response:
        await answers.wait()
        return answer(completion("x") | {"usage": params.get("usage", usage())})

    provider.behaviour = behaviour

    async def call(key: str) -> httpx.Response:
        nonlocal refused
        response = await gateway.chat(key, max_tokens=6)
        refused += response.status_code != 200
        return response

    calling = [asyncio.create_task(call(keys[n % len(keys)])) for n in range(100)]
    async with asyncio.timeout(20):
        while refused + len(provider.received) - before < len(calling):
            await asyncio.sleep(0.01)
    answers.set()
    return await asyncio.gather(*calling)


@pytest.mark.parametrize("reported", [usage(), usage(48, 6)], ids=["less", "as-reserved"])
@pytest.mark.parametrize("keys", [1, 5], ids=["key", "team"])
async def test_a_hundred_calls_at_once_overspend_by_less_than_one(
    gateway: Gateway, reported: dict[str, int], keys: int
) -> None:
    cost = reported["prompt_tokens"] * 2500 + reported["completion_tokens"] * 10_000
    budget = 10 * COST
    if keys > 1:
        team = await _add_team(gateway, max_budget=budget / DOLLAR)
        issued = [await gateway.issue_key(team_id=team) for _ in range(keys)]
    else:
        issued = [await gateway.issue_key(max_budget=budget / DOLLAR)]
    secrets = [each["key"] for each in issued]

    answered = 0
    statuses: Counter[int] = Counter()
    for _ in range(20):
        got = await _many_at_once(gateway, secrets, usage=reported)
        statuses = Counter(response.status_code for response in got)
        assert set(statuses) <= {200, 422, 429}
        answered += statuses[200]
        assert answered * cost < budget + cost
        assert len(gateway.provider.received) == answered, "who was refused reached the provider"
        kinds = {response.headers.get("rate_limit_type") for response in got}
        assert kinds <= {None, "budget"}
        if statuses[422] == 100:
            break
    assert statuses[422] == 100, "the budget is never spent"
    assert answered * cost >= budget, "some of the budget was never given back"
    rows = [row for each in issued for row in await gateway.rows(each["id"])]
    assert sum(row.cost or 0 for row in rows) == answered * cost
    assert len(rows) == sum(row.outcome == "refused" for row in rows) + answered


async def test_a_spent_budget_says_what_litellm_says(gateway: Gateway) -> None:
    key = await gateway.issue_key(label="the label", max_budget=2 * COST / DOLLAR)
    spent = []
    for _ in range(2):
        response = await gateway.chat(key["key"], max_tokens=6)
        assert response.headers["x-litellm-response-cost"] == str(COST / DOLLAR)
        spent.append(response.headers["x-litellm-key-spend"])
        assert response.headers["x-litellm-key-max-budget"] == str(2 * COST / DOLLAR)
    assert spent == ["0.0", str(COST / DOLLAR)]
    hint = key["hint"].replace("…", "...")
    for stream in (False, True):
        refused = await gateway.chat(key["key"], stream=stream)
        assert refused.status_code == 422
        assert refused.json()["error"] == {
            "message": f"Budget has been exceeded! Key=the label ({hint}) "
            f"Current cost: {2 * COST / DOLLAR}, Max budget: {2 * COST / DOLLAR}",
            "type": "budget_exceeded",
            "param": None,
            "code": "422",
        }
        assert refused.headers["x-litellm-call-id"]
    assert len(gateway.provider.received) == 2


async def test_a_teams_budget_is_named_as_the_teams(gateway: Gateway) -> None:
    team = await _add_team(gateway, max_budget=COST / DOLLAR)
    first, second = [await gateway.issue_key(team_id=team, max_budget=1) for _ in range(2)]
    assert (await gateway.chat(first["key"])).status_code == 200
    refused = await gateway.chat(second["key"])
    assert refused.json()["error"]["message"] == (
        f"Budget has been exceeded! Team=crew Current cost: {COST / DOLLAR}, "
        f"Max budget: {COST / DOLLAR}"
    )


async def test_what_is_set_aside_is_a_reason_to_wait(gateway: Gateway) -> None:
    key = await gateway.issue_key(max_budget=0.01)
    gateway.provider.hangs()
    calling = asyncio.create_task(gateway.chat(key["key"], max_tokens=5000))
    while not gateway.provider.received:
        await asyncio.sleep(0.01)
    refused = await gateway.chat(key["key"])
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["rate_limit_type"] == "budget"
    assert "set aside for requests that are running" in refused.json()["error"]["message"]
    calling.cancel()
    await asyncio.wait_for(gateway.provider.left.wait(), 5)
    await gateway.rows(key["id"], 2)
    gateway.provider.reset()
    assert (await gateway.chat(key["key"])).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_fails_costs_nothing(gateway: Gateway, stream: bool) -> None:
    key = await gateway.issue_key(max_budget=0.01)
    gateway.provider.does(answer({"error": {"message": "no"}}, 500))
    for _ in range(3):
        response = await gateway.chat(key["key"], max_tokens=5000, stream=stream)
        assert response.status_code == 500
    gateway.provider.reset()
    response = await gateway.chat(key["key"])
    assert response.headers["x-litellm-key-spend"] == "0.0"


async def test_an_operators_change_holds_at_once(gateway: Gateway) -> None:
    key = await gateway.issue_key(max_budget=COST / DOLLAR)

    async def status(**change: Any) -> int:
        await gateway.manage("PATCH", f"/keys/{key['id']}", change)
        return (await gateway.chat(key["key"])).status_code

    assert await status() == 200
    assert await status() == 422
    assert await status(max_budget=2 * COST / DOLLAR) == 200
    assert await status() == 422
    assert await status(max_budget=None) == 200
    assert await status(max_budget=2 * COST / DOLLAR) == 422
    # What was spent today counts in a day's period, as it does in one without an end.
    assert await status(budget_duration="1d") == 422
    assert await status(max_budget=4 * COST / DOLLAR) == 200
    assert await status(budget_duration=None) == 422


async def test_a_budget_outlives_a_restart(settings: Settings, gateway: Gateway) -> None:
    key = await gateway.issue_key(max_budget=2 * COST / DOLLAR)
    assert (await gateway.chat(key["key"])).status_code == 200
    await gateway.flush()
    async with serving(create_app(settings)) as url, http_client() as http:
        again = Gateway(url, ADMIN_KEY, gateway.provider, gateway.app, http)
        response = await again.chat(key["key"])
        assert response.headers["x-litellm-key-spend"] == str(COST / DOLLAR)
        assert (await again.chat(key["key"])).status_code == 422


async def test_two_processes_see_each_others_spending(settings: Settings, gateway: Gateway) -> None:
    key = await gateway.issue_key(max_budget=2 * COST / DOLLAR)
    team = await _add_team(gateway, max_budget=2 * COST / DOLLAR)
    member, mate = [await gateway.issue_key(team_id=team) for _ in range(2)]
    async with serving(create_app(settings)) as url, http_client() as http:
        other = Gateway(url, ADMIN_KEY, gateway.provider, gateway.app, http)
        for secret, also in ((key["key"], key["key"]), (member["key"], mate["key"])):
            # Both have an account of it before the other spends.
            assert (await gateway.chat(secret)).status_code == 200
            assert (await other.chat(also)).status_code == 200
        async with asyncio.timeout(5):
            for secret in (key["key"], member["key"], mate["key"]):
                for process in (gateway, other):
                    while (await _spent(process, secret)) != 422:
                        await asyncio.sleep(0.02)


async def _spent(gateway: Gateway, secret: str) -> int:
    """The status of a call that costs nothing where it is let in."""
    gateway.provider.does(answer({"error": {"message": "no"}}, 500))
    return (await gateway.chat(secret)).status_code


async def test_a_soft_budget_warns_once_and_refuses_nothing(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    key = await gateway.issue_key(soft_budget=2 * COST / DOLLAR)
    with caplog.at_level(logging.WARNING, "gateway.budgets"):
        counts = []
        for _ in range(4):
            assert (await gateway.chat(key["key"])).status_code == 200
            counts.append(caplog.text.count(f"The soft budget of {key['id']} is spent"))
    assert counts == [0, 1, 1, 1]


async def test_a_model_without_a_price_is_free_of_budgets(gateway: Gateway) -> None:
    await gateway.add_model("unpriced", litellm_params={"model": "nobody-knows-it"})
    key = await gateway.issue_key(max_budget=COST / DOLLAR)
    for _ in range(3):
        response = await gateway.chat(key["key"], model="unpriced")
        assert response.status_code == 200
        assert "x-litellm-response-cost" not in response.headers
    rows = await gateway.rows(key["id"], 3)
    assert [row.cost for row in rows] == [None] * 3


async def test_what_is_cut_off_counts_in_the_budget(gateway: Gateway) -> None:
    key = await gateway.issue_key(max_budget=1)
    gateway.provider.streams([chunk({"content": "four"}), chunk({"content": "more"})], done=False)
    await gateway.chat(key["key"], stream=True)
    gateway.provider.reset()
    response = await gateway.chat(key["key"])
    # By its estimate: 9 tokens of prompt and 2 of completion.
    assert response.headers["x-litellm-key-spend"] == str((9 * 2500 + 2 * 10_000) / DOLLAR)
    assert dataclasses.asdict((await gateway.rows(key["id"], 2))[0])["estimated"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_database_that_cannot_be_read_is_a_503(
    gateway: Gateway, settings: Settings, stream: bool
) -> None:
    key = await gateway.issue_key(max_budget=1)
    execute(settings, "ALTER TABLE daily RENAME TO lost")
    refused = await gateway.chat(key["key"], stream=stream)
    execute(settings, "ALTER TABLE lost RENAME TO daily")
    assert refused.status_code == 503
    assert refused.json()["error"]["type"] == "service_unavailable_error"
    assert gateway.provider.received == []
    assert (await gateway.chat(key["key"])).status_code == 200
    rows = await gateway.rows(key["id"], 2)
    assert [row.outcome for row in rows] == ["refused", "complete"]


async def test_accounts_of_revoked_keys_are_dropped(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.budgets._FEW_ACCOUNTS", 2)
    budgets = gateway.app.state.services.budgets
    keys = [await gateway.issue_key(max_budget=1) for _ in range(4)]
    for each in keys:
        assert (await gateway.chat(each["key"])).status_code == 200
    for each in keys[:3]:
        await gateway.manage("DELETE", f"/keys/{each['id']}")
    budgets._kept = 2
    async with asyncio.timeout(10):
        while set(budgets._accounts) != {keys[3]["id"]}:
            await asyncio.sleep(0.02)
    assert (await gateway.chat(keys[3]["key"])).status_code == 200
