"""A client for POST over HTTP/1.1, which keeps its connections for the next request.

It does what calls need of HTTP and no more: no redirects, no cookies, no decompression. A request
is sent once: a provider that breaks off may have begun to work, and to charge, for it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import cast

import httpx
from aiohappyeyeballs import start_connection

from gateway.errors import NotReady
from gateway.upstream.http_addresses import Addresses
from gateway.upstream.http_connection import Connection
from gateway.upstream.http_reader import MOST_HEAD_BYTES
from gateway.upstream.http_routes import Proxy, Route, written

KEEPALIVE_SECONDS = 60.0
# To all servers together. Each is a file that the process holds open.
MOST_RESTING = 1000
# After which another address of a host is tried beside the first.
_NEXT_ADDRESS_SECONDS = 0.25
_TUNNEL_OPENS = re.compile(rb"HTTP/1\.[01] 2\d\d[ \r]")
_END_OF_HEAD = b"\r\n\r\n"


class Response:
    """An answer, of which the head has come. It must be closed."""

    def __init__(self, client: HttpClient, connection: Connection) -> None:
        self.status = connection.reader.status
        self._client = client
        self._connection: Connection | None = connection

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in lower case."""
        return self._open().reader.headers

    @property
    def at_end(self) -> bool:
        """Whether all has been read."""
        reader = self._open().reader
        return reader.complete and not reader.held

    async def read(self) -> bytes:
        """More of the body; nothing at its end. See `Connection.read`."""
        return await self._open().read()

    def close(self) -> None:
        """Have no more of it, which ends its connection unless all has come."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client.take_back(connection)

    def _open(self) -> Connection:
        if self._connection is None:
            raise httpx.StreamClosed
        return self._connection


class HttpClient:
    """Connections to all servers. To be made and used in one event loop.

    Attributes:
        resting: How many wait for another request.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._addresses = Addresses()
        self._all: set[Connection] = set()
        # By their routes' names; those that have rested longest first.
        self._by_route: dict[str, list[Connection]] = {}
        self.resting = 0
        self._sweep_at: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    async def post(self, route: Route, head: bytes, body: bytes) -> Response:
        """Send a request that begins as `Route.head` says.

        Raises:
            UpstreamError: What comes back is no HTTP.
            httpx.ConnectError: There is no way to the server.
            httpx.TransportError: The connection broke off.
            NotReady: The client is closed.
        """
        connection = self._rested(route) or await self._connected(route)
        try:
            connection.send(b"%b%d\r\n\r\n" % (head, len(body)), body)
            await connection.answered()
        except BaseException:
            connection.abort()
            raise
        return Response(self, connection)

    def take_back(self, connection: Connection) -> None:
        """Keep the connection of an answer, or end it where that cannot be."""
        if not connection.rest() or self.resting >= MOST_RESTING:
            connection.abort()
            return
        connection.rested = self._loop.time()
        self._by_route.setdefault(connection.route, []).append(connection)
        self.resting += 1
        if self._sweep_at is None:
            self._sweep_at = self._loop.call_later(KEEPALIVE_SECONDS, self._sweep)

    async def aclose(self) -> None:
        """End all connections, those in use too."""
        self._closed = True
        if self._sweep_at is not None:
            self._sweep_at.cancel()
        await self._addresses.aclose()
        if self._all:
            self._emptied = self._loop.create_future()
            for connection in list(self._all):
                connection.abort()
            await self._emptied

    # --- Connections that rest -------------------------------------------------------------------

    def _rested(self, route: Route) -> Connection | None:
        """The one that was used last."""
        resting = self._by_route.get(route.name)
        while resting:
            connection = resting.pop()
            self.resting -= 1
            long_since = connection.rested <= self._loop.time() - KEEPALIVE_SECONDS
            if not (connection.over or long_since):
                return connection
            connection.abort()
        return None

    def _sweep(self) -> None:
        """End those that nobody needed for long."""
        self._sweep_at = None
        until = self._loop.time() - KEEPALIVE_SECONDS
        for route, resting in list(self._by_route.items()):
            while resting and resting[0].rested <= until:
                resting[0].abort()
                self._forget(resting[0])
            if not resting:
                del self._by_route[route]
        if self._by_route:
            oldest = min(resting[0].rested for resting in self._by_route.values())
            self._sweep_at = self._loop.call_at(oldest + KEEPALIVE_SECONDS, self._sweep)

    def _forget(self, connection: Connection) -> None:
        resting = self._by_route.get(connection.route, [])
        if connection in resting:
            resting.remove(connection)
            self.resting -= 1

    # --- Connections that are made ---------------------------------------------------------------

    async def _connected(self, route: Route) -> Connection:
        if self._closed:
            raise NotReady("The gateway is not running")
        connection = Connection(route.name, self._lost)
        try:
            if route.proxy is not None and route.secure:
                await self._tunnel(route, route.proxy, connection)
            else:
                await self._connect(route.proxy or route, connection)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("No way to the server") from error
        if not connection.lost:
            self._all.add(connection)
        if self._closed:
            connection.abort()
        return connection

    async def _connect(self, to: Route | Proxy, protocol: asyncio.Protocol) -> asyncio.Transport:
        loop = self._loop
        addresses = await self._addresses.of(to.host, to.port)
        connected = await start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, loop=loop
        )
        transport, _ = await loop.create_connection(
            lambda: protocol,
            sock=connected,
            ssl=self._tls if to.secure else None,
            server_hostname=_certified(to) if to.secure else None,
        )
        return transport

    async def _tunnel(self, route: Route, proxy: Proxy, connection: Connection) -> None:
        """Have a proxy connect to the server, and talk TLS with that."""
        opening = _Opening()
        transport = await self._connect(proxy, opening)
        try:
            address = f"[{route.host}]" if ":" in route.host else route.host
            headers = {"host": f"{address}:{route.port}"}
            if proxy.credentials:
                headers["proxy-authorization"] = proxy.credentials
            lines = [f"CONNECT {headers['host']} HTTP/1.1", *written(headers), "", ""]
            transport.write("\r\n".join(lines).encode())
            await opening.opened
            inner = await self._loop.start_tls(
                transport, connection, self._tls, server_hostname=_certified(route)
            )
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(cast(asyncio.Transport, inner))

    def _lost(self, connection: Connection) -> None:
        self._forget(connection)
        self._all.discard(connection)
        if self._emptied is not None and not self._all and not self._emptied.done():
            self._emptied.set_result(None)


class _Opening(asyncio.Protocol):
    """What a proxy says before a tunnel.

    Attributes:
        opened: Once it is open. Raises ConnectionError.
    """

    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._said = b""

    def data_received(self, data: bytes) -> None:
        self._said += data
        head, end, more = self._said.partition(_END_OF_HEAD)
        if not end and len(self._said) <= MOST_HEAD_BYTES:
            return
        # The server within waits to be spoken to.
        if end and not more and _TUNNEL_OPENS.match(head + b"\r"):
            self._settle(None)
        else:
            self._settle(ConnectionError("The proxy opens no tunnel"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(exc or ConnectionError("The proxy closed the connection"))

    def _settle(self, error: Exception | None) -> None:
        if self.opened.done():
            return
        if error is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(error)


def _certified(to: Route | Proxy) -> str:
    """The host's name in its certificate, which has no dot at its end."""
    return to.host.removesuffix(".")
