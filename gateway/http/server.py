"""uvicorn, ended so that nobody who is connected goes without an answer.

A listening socket that is closed resets the connections that the system has made and the process
has not taken yet: a few with each restart under load.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Iterator

import uvicorn
from uvicorn.supervisors import Multiprocess


class Server(uvicorn.Server):
    """One process."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for connection in self._taken():
            await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _taken(self) -> Iterator[socket.socket]:
        """The connections that nobody has taken yet, when no more can come."""
        listeners = [os.dup(each.fileno()) for server in self.servers for each in server.sockets]
        for server in self.servers:
            server.close()
        for descriptor in listeners:
            with socket.socket(fileno=descriptor) as listener:
                listener.setblocking(False)
                while True:
                    try:
                        connection, _ = listener.accept()
                    except BlockingIOError:
                        break
                    yield connection

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


class Workers(Multiprocess):
    """Several processes."""

    def terminate_all(self) -> None:
        """Open here, their socket would take connections that none of them serves any more."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def run(config: uvicorn.Config) -> None:
    """Serve until a signal ends it; exits with 3 where it cannot start."""
    if config.workers > 1:
        Workers(config, [config.bind_socket()]).run()
        return
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(3)
