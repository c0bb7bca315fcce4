"""Entries in Redis, which any number of hosts share."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.errors import GatewayError

PREFIX = "litellm-gateway:cache:"
_SECONDS = 0.5
_MOST_CONNECTIONS = 32


class NoRedis(GatewayError):
    """The environment does not say where Redis is, or the package is not installed."""


class RedisPlace:
    """Keys begin with `prefix`. Redis itself ends them in time, and bounds its memory."""

    def __init__(self, url: str | None, prefix: str = PREFIX) -> None:
        self._url = url
        self._prefix = prefix
        self._client: Any = None

    async def get(self, key: str) -> bytes | None:
        client = await self._opened()
        data: bytes | None = await client.get(self._prefix + key)
        return data

    async def put(self, key: str, data: bytes, ttl: float) -> None:
        client = await self._opened()
        await client.set(self._prefix + key, data, px=max(1, round(ttl * 1000)))

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _opened(self) -> Any:
        if self._client is None:
            if self._url is None:
                raise NoRedis("GATEWAY_REDIS_URL is not set")
            # It takes a quarter of a second to import.
            client = await asyncio.to_thread(_client, self._url)
            self._client = self._client or client
        return self._client


def _client(url: str) -> Any:
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise NoRedis("it needs a package: pip install 'litellm-gateway[redis]'") from None
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MOST_CONNECTIONS,
        timeout=_SECONDS,
        socket_timeout=_SECONDS,
        socket_connect_timeout=_SECONDS,
        # Once more, since an idle connection may have been closed.
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)
