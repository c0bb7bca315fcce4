"""Redis is gone, or silent: each process keeps to limits by itself and refuses who has a budget, or
as it was set. Once it is back, all that was let in meanwhile is counted there, once."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import RedisDown, Settings
from tests.conftest import ADMIN_KEY
from tests.http.console.conftest import settings_page
from tests.http.test_metrics import of, samples
from tests.servers import serving
from tests.shared.conftest import Pair, link_of, statuses

COST = 87_500
DOLLAR = 10**9

REFUSE: dict[str, Any] = {"redis_down_limits": RedisDown.REFUSE}
CONTINUE: dict[str, Any] = {"redis_down_budgets": RedisDown.CONTINUE}
THE_OTHER_WAY = REFUSE | CONTINUE

refusing = pytest.mark.parametrize("down", [REFUSE], ids=["refuse"])
continuing = pytest.mark.parametrize("down", [CONTINUE], ids=["continue"])


def is_refused(response: httpx.Response, counts: str) -> bool:
    return (response.status_code, response.headers.get("retry-after"), response.json()) == (
        503,
        "1",
        {
            "error": {
                "message": f"The gateway cannot reach its Redis, where it counts {counts}; try "
                "again later",
                "type": "service_unavailable_error",
                "param": None,
                "code": "503",
            }
        },
    )


# --- Refused ---


@refusing
@pytest.mark.parametrize("stream", [False, True])
async def test_whoever_has_limits_or_budgets_can_be_refused(pair: Pair, stream: bool) -> None:
    await pair.here.add_model("slow", litellm_params={"model": "gpt-4o", "rpm": 7})
    limits = ({"rpm_limit": 9}, {"tpm_limit": 99}, {"max_parallel_requests": 9})
    limited = [await pair.issue_key(**fields) for fields in limits]
    thrifty, free = await pair.issue_key(max_budget=9), await pair.issue_key()
    pair.redis.stop()
    received = len(pair.here.provider.received)
    for gateway in pair.both:
        for key in limited:
            assert is_refused(await gateway.chat(key["key"], stream=stream), "limits")
        assert is_refused(await gateway.chat(thrifty["key"], stream=stream), "budgets")
        assert is_refused(await gateway.chat(free["key"], "slow", stream=stream), "limits")
    assert len(pair.here.provider.received) == received
    for gateway in pair.both:
        assert (await gateway.chat(free["key"])).status_code == 200
    pair.redis.start()
    await pair.until_reached(True)
    for gateway in pair.both:
        for key in (*limited, thrifty):
            assert (await gateway.chat(key["key"], max_tokens=6)).status_code == 200
    for gateway in pair.both:
        assert (await gateway.chat(free["key"], "slow")).status_code == 200


async def test_only_budgets_are_refused_if_nothing_is_set(pair: Pair) -> None:
    fields: dict[str, Any] = {"rpm_limit": 9, "max_parallel_requests": 9}
    limited, thrifty = await pair.issue_key(**fields), await pair.issue_key(**fields, max_budget=9)
    team = await pair.here.manage("POST", "/teams", {"name": "crew", "max_budget": 9})
    of_team = await pair.issue_key(team_id=team.json()["team_id"])
    pair.redis.stop()
    for gateway in pair.both:
        assert (await gateway.chat(limited["key"])).status_code == 200
        for key in (thrifty, of_team):
            assert is_refused(await gateway.chat(key["key"]), "budgets")
    pair.redis.start()
    await pair.until_reached(True)
    assert not pair.held(), "who was refused a budget has left the place that its limits gave it"


# --- Limits ---


async def test_each_keeps_to_limits_by_itself(pair: Pair) -> None:
    await pair.here.add_model("slow", litellm_params={"model": "gpt-4o", "rpm": 3})
    many, words, free = [
        await pair.issue_key(**fields) for fields in ({"rpm_limit": 5}, {"tpm_limit": 30}, {})
    ]
    pair.redis.stop()
    for gateway in pair.both:
        got = [await gateway.chat(many["key"]) for _ in range(7)]
        assert [each.status_code for each in got] == [200] * 5 + [429] * 2
        left = [each.headers["x-ratelimit-remaining-requests"] for each in got[:5]]
        assert left == ["4", "3", "2", "1", "0"]
        assert 1 <= int(got[5].headers["retry-after"]) <= 60
        # Each uses 17 tokens.
        got = [await gateway.chat(words["key"]) for _ in range(3)]
        assert [each.status_code for each in got] == [200, 200, 429]
        got = [await gateway.chat(free["key"], "slow") for _ in range(4)]
        assert [each.status_code for each in got] == [200] * 3 + [429]


async def test_what_it_has_let_in_itself_counts_on(pair: Pair) -> None:
    await pair.here.add_model("slow", litellm_params={"model": "gpt-4o", "rpm": 6})
    key, free = await pair.issue_key(rpm_limit=6, tpm_limit=120), await pair.issue_key()
    for gateway in (pair.here, pair.there, pair.there):
        assert (await gateway.chat(key["key"])).status_code == 200
        assert (await gateway.chat(free["key"], "slow")).status_code == 200
    pair.redis.stop()
    for gateway, left in ((pair.here, 5), (pair.there, 4)):
        got = [await gateway.chat(key["key"]) for _ in range(7)]
        assert [each.status_code for each in got[left - 1 : left + 1]] == [200, 429]
        assert got[left].headers["rate_limit_type"] == "requests"
        # 17 of each before, and of this one's itself.
        assert got[0].headers["x-ratelimit-remaining-tokens"] == str(120 - 17 * (6 - left))
        got = [await gateway.chat(free["key"], "slow") for _ in range(7)]
        assert statuses(got) == {200: left, 429: 7 - left}


async def test_places_are_kept_by_each_and_put_in_when_redis_is_back(pair: Pair) -> None:
    key = await pair.issue_key(max_parallel_requests=3)
    answers, before = await pair.calling(key["key"], 2)
    pair.redis.stop()
    await pair.until_reached(False)
    more = [asyncio.create_task(pair.here.chat(key["key"])) for _ in range(2)]
    await pair.until_asked(4)
    refused = await pair.here.chat(key["key"])
    assert refused.headers["rate_limit_type"] == "max_parallel_requests"
    pair.redis.start()
    await pair.until_reached(True)
    for gateway in pair.both:
        assert (await gateway.chat(key["key"])).status_code == 429
    assert list(pair.held().values()) == [4]
    answers.set()
    assert statuses(await before) == {200: 2}
    assert statuses(list(await asyncio.gather(*more))) == {200: 2}
    assert not pair.held()
    answers, calling = await pair.calling(key["key"], 3)
    assert (await pair.there.chat(key["key"])).status_code == 429
    answers.set()
    await calling


async def test_who_ends_or_leaves_meanwhile_holds_nothing_afterwards(pair: Pair) -> None:
    key = await pair.issue_key(max_parallel_requests=8, rpm_limit=100)
    answers, before = await pair.calling(key["key"], 2)
    pair.redis.stop()
    await pair.until_reached(False)
    leaving = asyncio.create_task(pair.here.chat(key["key"]))
    await pair.until_asked(3)
    leaving.cancel()
    answers.set()
    # Whose answers do not wait for Redis.
    assert statuses(await before) == {200: 2}
    async with asyncio.timeout(5):
        while any(link_of(gateway).held for gateway in pair.both):
            await asyncio.sleep(0.01)
    pair.redis.start()
    await pair.until_reached(True)
    assert not pair.held()


async def test_a_gateway_can_be_started_without_redis(redis_settings: Settings, pair: Pair) -> None:
    key, thrifty = await pair.issue_key(max_parallel_requests=1), await pair.issue_key(max_budget=9)
    pair.redis.stop()
    app = create_app(redis_settings)
    async with serving(app) as url:
        alone = replace(pair.here, url=url, app=app)
        answers = pair.hold()
        calling = asyncio.create_task(alone.chat(key["key"]))
        await pair.until_asked(1)
        refused = await alone.chat(key["key"])
        assert refused.headers["rate_limit_type"] == "max_parallel_requests"
        assert is_refused(await alone.chat(thrifty["key"]), "budgets")
        pair.redis.start()
        async with asyncio.timeout(5):
            while not link_of(alone).reached():
                await asyncio.sleep(0.01)
        for gateway in (alone, *pair.both):
            assert (await gateway.chat(key["key"])).status_code == 429
        answers.set()
        assert (await calling).status_code == 200
        assert (await alone.chat(thrifty["key"], max_tokens=6)).status_code == 200


# --- Silence ---


@continuing
async def test_a_redis_that_is_silent_is_waited_for_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.shared.link._REPLY_SECONDS", 1.0)
    key = await pair.issue_key(max_budget=1, max_parallel_requests=9, rpm_limit=100)
    answers, calling = await pair.calling(key["key"], 2)
    with pair.redis.hanging():
        answers.set()
        assert statuses(await calling) == {200: 2}
        began = time.monotonic()
        got = await pair.chats(2, key["key"], max_tokens=6)
        for _ in range(30):
            got += await pair.chats(2, key["key"], max_tokens=6)
        assert statuses(got) == {200: 62}
        assert time.monotonic() - began < 15, "as long as 30 calls that each wait for Redis once"
    await pair.until_reached(True)
    await pair.until_known()
    for n in range(2):
        response = await pair.both[n].chat(key["key"], max_tokens=6)
        assert response.headers["x-litellm-key-spend"] == str((64 + n) * COST / DOLLAR)
    await pair.until_known()
    assert not pair.held()


# --- What is told ---


@refusing
async def test_the_console_shows_what_is_set(pair: Pair) -> None:
    page = await settings_page(pair.here.url, ADMIN_KEY)
    assert "Limits while it is down refuse GATEWAY_REDIS_DOWN_LIMITS" in page
    assert "Budgets while it is down refuse GATEWAY_REDIS_DOWN_BUDGETS" in page


@pytest.mark.parametrize(
    ("down", "limits", "budgets", "log"),
    [
        (
            {},
            "local",
            "refused",
            "limits are kept by each process for itself, calls with budgets are refused",
        ),
        (
            THE_OTHER_WAY,
            "refused",
            "local",
            "calls with limits are refused, budgets are kept by each process for itself",
        ),
    ],
    ids=["default", "other"],
)
async def test_an_outage_is_told(
    pair: Pair, limits: str, budgets: str, log: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gateway.shared.link")
    limited, thrifty = await pair.issue_key(rpm_limit=1), await pair.issue_key(max_budget=9)
    await pair.here.app.state.services.lane.wait()
    health = f"{pair.here.url}/health/readiness"
    ready = {"status": "healthy", "db": "connected"}
    assert (await pair.here.http.get(health)).json() == {**ready, "redis": "connected"}
    assert of(await samples(pair.here), "gateway_redis_up") == 1
    pair.redis.stop()
    for _ in range(2):
        await pair.here.chat(limited["key"])
    for _ in range(3):
        await pair.here.chat(thrifty["key"])
    found = await samples(pair.here)
    assert of(found, "gateway_redis_up") == 0
    decisions = "gateway_decisions_without_redis_total"
    # The second of one a minute is refused as ever, by what is counted here.
    assert of(found, decisions, type="limits", outcome=limits) == 2
    assert of(found, decisions, type="budgets", outcome=budgets) == 3
    assert sum(value for (name, _), value in found.items() if name == decisions) == 5
    got = await pair.here.http.get(health)
    assert (got.status_code, got.json()) == (200, {**ready, "redis": "Not connected"})
    await pair.until_reached(False)
    assert caplog.text.count(f"Redis cannot be reached; meanwhile {log}: ") == 2, "once for each"
    pair.redis.start()
    await pair.until_reached(True)
    assert caplog.text.count("Redis can be reached again") == 2
    assert of(await samples(pair.here), "gateway_redis_up") == 1
    assert (await pair.here.http.get(health)).json() == {**ready, "redis": "connected"}
