"""A gateway whose cache is on, and whose clock the test sets."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cache import ResponseCache
from tests.servers import Gateway


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Cached:
    """A gateway with a cache, a model `gpt`, and two keys that may call it."""

    gateway: Gateway
    key: str
    key_id: str
    other: str

    @property
    def calls(self) -> int:
        """How often the provider was called."""
        return len(self.gateway.provider.received)

    @property
    def cache(self) -> ResponseCache:
        cache = self.gateway.app.state.services.pipeline._cache
        assert isinstance(cache, ResponseCache)
        return cache

    @property
    def file(self) -> Path:
        """Where a cache of the type `sqlite` is."""
        files: Path = self.gateway.app.state.services.store.files
        return files.with_name(f"{files.name}.cache")

    async def chat(self, key: str | None = None, **params: Any) -> httpx.Response:
        response = await self.gateway.chat(key or self.key, **params)
        assert response.status_code == 200, response.text
        return response

    async def configure(self, **settings: Any) -> None:
        response = await self.gateway.manage("PATCH", "/settings", settings)
        assert response.status_code == 200, response.text


@pytest.fixture
async def cached(gateway: Gateway, clock: Clock) -> Cached:
    await gateway.add_model()
    key, other = await gateway.issue_key(), await gateway.issue_key()
    found = Cached(gateway, key["key"], key["id"], other["key"])
    found.cache.clock = clock
    await found.configure(cache=True)
    return found


def hit(response: httpx.Response) -> bool | None:
    """What the response says of the cache; None where it has no part in it."""
    said = response.headers.get("x-litellm-cache-hit")
    return {"True": True, "False": False, None: None}[said]


@pytest.fixture
def redis_url() -> str:
    """A Redis on this machine, of which a test may touch its own keys alone."""
    if os.environ.get("CI"):
        pytest.skip("CI has no Redis")
    try:
        socket.create_connection(("127.0.0.1", 6379), 0.5).close()
    except OSError:
        pytest.skip("no Redis on 127.0.0.1:6379")
    return "redis://127.0.0.1:6379/0"
