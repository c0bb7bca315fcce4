"""One connection to Redis, which knows the scripts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from gateway.settings import SettingsError
from gateway.shared import scripts

Command = Sequence[str | int]

log = logging.getLogger(__name__)


def check_installed() -> None:
    """Raises:
    SettingsError: There is no package to reach Redis with.
    """
    if find_spec("redis") is None:
        raise SettingsError(
            "GATEWAY_REDIS_URL needs a package: pip install 'litellm-gateway[redis]'"
        )


class Connector:
    """Makes connections to one URL."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._warned = False

    @classmethod
    async def to(cls, url: str) -> Connector:
        # It takes a quarter of a second to import.
        return cls(await asyncio.to_thread(_pool, url))

    async def connect(self) -> Connection:
        """Raises whatever goes wrong, as all methods of a connection do."""
        made = Connection(self._pool.make_connection())
        try:
            await made.open()
        except BaseException:
            await made.aclose()
            raise
        if not self._warned:
            self._warned = _warn_of_eviction(made.server)
        return made


class Connection:
    """Attributes:
    server: What the server tells of itself.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.server: Mapping[str, str] = {}

    async def open(self) -> None:
        await self._driver.connect()
        loads = [("SCRIPT", "LOAD", script.text) for script in scripts.ALL]
        await self.send([*loads, ("INFO",)])
        for _ in loads:
            await self.receive()
        self.server = _facts(await self.receive())

    async def send(self, commands: Sequence[Command]) -> None:
        """The reply to each is then to be received, in this order."""
        await self._driver.send_packed_command(self._driver.pack_commands(commands))

    async def receive(self) -> Any:
        return await self._driver.read_response()

    async def aclose(self) -> None:
        with contextlib.suppress(Exception):
            await self._driver.disconnect(nowait=True)


def _pool(url: str) -> Any:
    from redis.asyncio import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    # Who uses it tries again.
    return ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0))


def _facts(info: bytes | str) -> dict[str, str]:
    text = info.decode() if isinstance(info, bytes) else info
    found = (line.partition(":") for line in text.splitlines())
    return {name: value for name, _, value in found}


def _warn_of_eviction(server: Mapping[str, str]) -> bool:
    policy = server.get("maxmemory_policy", "noeviction")
    evicts = server.get("maxmemory", "0") != "0" and policy != "noeviction"
    if evicts:
        log.warning(
            "Redis may evict what limits and budgets are counted by: its maxmemory-policy is %s, "
            "and should be noeviction",
            policy,
        )
    return evicts
