"""Two gateways over one database and one Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.app import create_app
from gateway.settings import Settings
from gateway.shared import Link
from tests.conftest import ADMIN_KEY, execute
from tests.redises import RedisServer
from tests.servers import (
    FakeProvider,
    Gateway,
    answer,
    completion,
    http_client,
    serving,
    usage,
)


@dataclass
class Pair:
    """Two gateways, which are to count as one."""

    here: Gateway
    there: Gateway
    redis: RedisServer

    @property
    def both(self) -> Sequence[Gateway]:
        return self.here, self.there

    def hold(self, **reported: Any) -> asyncio.Event:
        """Have the provider answer nobody until this is set."""
        answers = asyncio.Event()

        async def behaviour(_: Request) -> Response:
            await answers.wait()
            return answer(completion("x") | {"usage": usage(**reported)})

        self.here.provider.behaviour = behaviour
        return answers

    async def until_asked(self, count: int) -> None:
        """Wait until so many calls are at the provider."""
        async with asyncio.timeout(10):
            while len(self.here.provider.received) < count:
                await asyncio.sleep(0.005)

    async def issue_key(self, **fields: Any) -> dict[str, Any]:
        """Issue a key, and wait until both know it."""
        return await self.known(await self.here.issue_key(**fields))

    async def known(self, key: dict[str, Any]) -> dict[str, Any]:
        for gateway in self.both:
            await gateway.app.state.services.registry.refresh()
        return key

    async def until_reached(self, reached: bool) -> None:
        """Wait until both know that Redis can be reached, or that it cannot."""
        async with asyncio.timeout(10):
            while any(link_of(gateway).reached() != reached for gateway in self.both):
                await asyncio.sleep(0.01)

    async def until_known(self) -> None:
        """Have all rows in the database, and wait until both know what they cost."""
        for gateway in self.both:
            await gateway.flush()
        last = await self.here.app.state.services.store.ledger.last_position()
        async with asyncio.timeout(10):
            for gateway in self.both:
                budgets = gateway.app.state.services.budgets
                while budgets._position is not None and budgets._position < last:
                    await asyncio.sleep(0.01)

    async def calling(
        self, key: str, count: int, **params: Any
    ) -> tuple[asyncio.Event, asyncio.Future[list[httpx.Response]]]:
        """So many calls that have begun, at each side in turn, and what lets them end."""
        answers = self.hold()
        before = len(self.here.provider.received)
        calling = asyncio.gather(
            *(self.both[n % 2].chat(key, max_tokens=6, **params) for n in range(count))
        )
        await self.until_asked(before + count)
        return answers, calling

    def held(self) -> dict[bytes, int]:
        """What living processes hold, by Redis: its places, and how much in all."""
        prefix = link_of(self.here).prefix
        living = self.redis.command("ZRANGE", f"{prefix}processes", 0, -1)
        found: Counter[bytes] = Counter()
        for kind in ("running", "account"):
            for key in self.redis.command("KEYS", f"{prefix}{kind}:*"):
                for name, amount in self.redis.command("HGETALL", key).items():
                    what, _, process = name.partition(b"@")
                    if process in living:
                        found[key + b" " + what] += int(amount)
        return dict(found)

    async def chats(self, count: int, key: str, **params: Any) -> list[httpx.Response]:
        """So many calls at once, every other one at the other gateway."""
        calls = (self.both[n % 2].chat(key, **params) for n in range(count))
        return await asyncio.gather(*calls)


def statuses(got: list[httpx.Response]) -> Counter[int]:
    return Counter(each.status_code for each in got)


def link_of(gateway: Gateway) -> Link:
    link = gateway.app.state.services.pipeline._accounting._limiter._link
    assert isinstance(link, Link)
    return link


@pytest.fixture
def down() -> dict[str, Any]:
    """What is set for when Redis is gone; a test's parameter, where that is not the default."""
    return {}


@pytest.fixture
def redis_settings(settings: Settings, redis_server: RedisServer, down: dict[str, Any]) -> Settings:
    execute(settings, "INSERT INTO settings (name, value) VALUES ('num_retries', '0')")
    return replace(settings, redis_url=redis_server.url, **down)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for those who come back, or go, or for what others spent."""
    monkeypatch.setattr("gateway.budgets.FOLLOW_SECONDS", 0.05)
    monkeypatch.setattr("gateway.shared.link.BEAT_SECONDS", 0.1)
    monkeypatch.setattr("gateway.shared.link._PAUSE_SECONDS", 0.05)


@pytest.fixture
async def pair(
    redis_settings: Settings,
    redis_server: RedisServer,
    provider: FakeProvider,
) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(http_client())
        made = []
        for _ in range(2):
            app = create_app(redis_settings)
            url = await stack.enter_async_context(serving(app))
            made.append(Gateway(url, ADMIN_KEY, provider, app, http, "direct"))
        found = Pair(made[0], made[1], redis_server)
        await made[0].add_model(litellm_params={"model": "gpt-4o"})
        await found.known({})
        yield found
