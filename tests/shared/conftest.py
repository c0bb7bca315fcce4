"""Two gateways over one database and one Redis."""

from __future__ import annotations

import asyncio
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

    async def chats(self, count: int, key: str, **params: Any) -> list[httpx.Response]:
        """So many calls at once, every other one at the other gateway."""
        calls = (self.both[n % 2].chat(key, **params) for n in range(count))
        return await asyncio.gather(*calls)


def link_of(gateway: Gateway) -> Link:
    link = gateway.app.state.services.pipeline._accounting._limiter._link
    assert isinstance(link, Link)
    return link


@pytest.fixture
def redis_settings(settings: Settings, redis_server: RedisServer) -> Settings:
    execute(settings, "INSERT INTO settings (name, value) VALUES ('num_retries', '0')")
    return replace(settings, redis_url=redis_server.url)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for those who come back, or go."""
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
