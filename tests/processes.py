"""The gateway as a process of its own, as an operator runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway.settings import Settings

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-W", "error::ResourceWarning", str(ROOT / "cli.py")]


def environment(directory: Path, **more: str) -> dict[str, str]:
    """The environment of a command whose database is in `directory`; no GATEWAY_* of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    # Off a terminal nothing is coloured or asked, as in a pipe.
    return kept | {"GATEWAY_DATABASE_URL": f"sqlite:///{directory}/gateway.db"} | more


def variables(settings: Settings) -> dict[str, str]:
    """What has a process keep its data where these settings say."""
    found = {"GATEWAY_DATABASE_URL": settings.database_url}
    if settings.database_path is None:
        found |= {"GATEWAY_DATA_DIR": str(settings.data_dir)}
        found |= {"GATEWAY_SECRET_KEY": str(settings.secret_key)}
    return found


def run(
    directory: Path, *arguments: str, stdin: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run `gateway ARGUMENTS` to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(directory, **more),
        cwd=directory,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@dataclass
class Server:
    """A running `gateway serve`."""

    url: str
    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)

    @property
    def workers(self) -> list[int]:
        """The processes that serve, where there are several."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [pid for pid in map(int, children.split()) if _is_worker(pid)]

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        # It waits for litellm, where that is just being loaded.
        return await asyncio.wait_for(self.process.wait(), 90)


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def serve(
    directory: Path, *arguments: str, **more: str
) -> contextlib.AbstractAsyncContextManager[Server]:
    """Run `gateway serve` until the end of the block; yields once it answers."""
    return serve_at(free_port(), directory, *arguments, **more)


@contextlib.asynccontextmanager
async def serve_at(
    port: int, directory: Path, *arguments: str, **more: str
) -> AsyncIterator[Server]:
    """Likewise, on this port."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        "--port",
        str(port),
        *arguments,
        env=environment(directory, **more),
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    server = Server(f"http://127.0.0.1:{port}", process)
    reading = asyncio.create_task(_read(server))
    try:
        async with httpx.AsyncClient() as http:
            while process.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    await http.get(f"{server.url}/health/liveness")
                    break
                await asyncio.sleep(0.02)
        yield server
    finally:
        await server.stop()
        await reading


async def _read(server: Server) -> None:
    assert server.process.stdout is not None
    async for line in server.process.stdout:
        server.log.append(line.decode().rstrip())
