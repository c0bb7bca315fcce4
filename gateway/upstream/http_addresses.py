"""Where hosts are: looked up once for all connections that are made at about the same time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

KNOWN_SECONDS = 10.0
# As `getaddrinfo` has it: family, type, protocol, name, address.
Address = tuple[Any, Any, int, str, Any]


class Addresses:
    """Of hosts and ports. To be used in one event loop."""

    def __init__(self) -> None:
        self._looking: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}

    async def of(self, host: str, port: int) -> list[Address]:
        """Raises OSError, or UnicodeError for what is no name."""
        looking = self._looking.get((host, port))
        if looking is None:
            looking = asyncio.create_task(self._look_up(host, port))
            self._looking[host, port] = looking
        # Others may wait for it too.
        return await asyncio.shield(looking)

    async def _look_up(self, host: str, port: int) -> list[Address]:
        loop = asyncio.get_running_loop()
        seconds = 0.0
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            seconds = KNOWN_SECONDS
            return found
        finally:
            loop.call_later(seconds, self._looking.pop, (host, port), None)

    async def aclose(self) -> None:
        """Give up what is being looked up."""
        for looking in self._looking.values():
            looking.cancel()
        await asyncio.gather(*self._looking.values(), return_exceptions=True)
