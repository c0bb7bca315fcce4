"""Limits in Redis do what those in a process do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway import vault
from gateway.errors import RateLimited
from gateway.limits import Admission, Limiter, LimitKeeper
from gateway.records import Key, Model
from gateway.shared import Link, SharedLimiter
from gateway.specs import key_record
from tests.redises import RedisServer
from tests.store.records import model

# What depends on the moment, to the second.
MOMENT = ("retry-after", "reset_at")


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    async with Link(redis_server.url, "test", "here") as made:
        yield made


def key(secret: str = "sk-a", **fields: Any) -> Key:
    return key_record(vault.hash_key(secret), "sk-…", 1, **fields)


def deployment(name: str, **params: int) -> Model:
    made = model("gpt", litellm_params={"model": "gpt-4o", **params})
    return replace(made, id=name)


KEYS = [
    key("sk-a"),
    key("sk-b", rpm_limit=7, tpm_limit=900),
    key("sk-c", max_parallel_requests=3, model_rpm_limit={"gpt": 5}, model_tpm_limit={"o1": 300}),
    key("sk-d", rpm_limit=12, max_parallel_requests=2, model_rpm_limit={"o1": 4}),
    key("sk-e", rpm_limit=0),
    key("sk-f", max_parallel_requests=0, tpm_limit=100),
]
MODELS = [deployment("a"), deployment("b", rpm=9), deployment("c", rpm=50, tpm=400)]


@dataclass
class Kept:
    """One keeper's side of the story."""

    keeper: LimitKeeper
    running: list[Admission]

    async def admit(self, who: Key, name: str) -> Any:
        try:
            admission = await self.keeper.admit(who, name)
        except RateLimited as error:
            told = {name: text for name, text in error.headers.items() if name not in MOMENT}
            return error.message.partition("Limit resets at")[0], told
        self.running.append(admission)
        return admission.headers

    async def settle(self, index: int, tokens: int) -> None:
        if self.running:
            self.keeper.settle(self.running.pop(index % len(self.running)), tokens)

    async def enter(self, which: Model) -> bool:
        return await self.keeper.enter(which) == 0

    async def use(self, which: Model, tokens: int) -> None:
        self.keeper.use(which, tokens)


@pytest.mark.parametrize("seed", range(5))
async def test_both_decide_alike(link: Link, seed: int) -> None:
    chance = random.Random(seed)
    alone, shared = Kept(Limiter(), []), Kept(SharedLimiter(link), [])
    refused = 0
    for _ in range(200):
        match chance.choice(["admit", "admit", "settle", "enter", "use"]):
            case "admit":
                given: tuple[Any, ...] = chance.choice(KEYS), chance.choice(["gpt", "o1"])
                step = "admit"
            case "settle":
                given, step = (chance.randrange(9), chance.randrange(60)), "settle"
            case "enter":
                given, step = (chance.choice(MODELS),), "enter"
            case _:
                given, step = (chance.choice(MODELS), chance.randrange(60)), "use"
        expected = await getattr(alone, step)(*given)
        assert await getattr(shared, step)(*given) == expected, (step, given)
        refused += isinstance(expected, tuple) or expected is False
    assert refused > 20
    for each in (alone, shared):
        while each.running:
            await each.settle(0, 0)
    assert not link.held


async def test_a_window_ends_a_minute_after_its_first_count(
    link: Link, redis_server: RedisServer
) -> None:
    limiter, caller = SharedLimiter(link), key(rpm_limit=2, tpm_limit=100)
    for _ in range(2):
        limiter.settle(await limiter.admit(caller, "gpt"), 10)
    with pytest.raises(RateLimited) as error:
        await limiter.admit(caller, "gpt")
    assert 1 <= int(error.value.headers["retry-after"]) <= 60
    windows = {
        name.rpartition(b"window:")[2].split(b"/")[0]: name
        for name in redis_server.command("KEYS", "*window*")
    }
    assert set(windows) == {b"requests", b"tokens"}
    for name in windows.values():
        assert 0 < redis_server.command("PTTL", name) <= 60_000
    # As if its minute were over.
    redis_server.command("PEXPIRE", windows[b"requests"], 1)
    async with asyncio.timeout(5):
        while redis_server.command("EXISTS", windows[b"requests"]):
            await asyncio.sleep(0.005)
    admission = await limiter.admit(caller, "gpt")
    assert admission.headers["x-ratelimit-remaining-requests"] == "1"
    assert admission.headers["x-ratelimit-remaining-tokens"] == "80"


async def test_a_deployment_that_is_full_says_for_how_long(link: Link) -> None:
    limiter, full = SharedLimiter(link), deployment("full", rpm=1)
    assert await limiter.enter(full) == 0
    assert 0 < await limiter.enter(full) <= 60


async def test_two_databases_at_one_redis_are_apart(redis_server: RedisServer) -> None:
    caller = key(rpm_limit=1)
    for database in ("one", "two"):
        async with Link(redis_server.url, database, "here") as link:
            await SharedLimiter(link).admit(caller, "gpt")
            with pytest.raises(RateLimited):
                await SharedLimiter(link).admit(caller, "gpt")
    assert all(
        name.startswith((b"litellm-gateway:{one}:", b"litellm-gateway:{two}:"))
        for name in redis_server.command("KEYS", "*")
    )
