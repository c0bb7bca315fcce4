"""Start and end of the gateway, in the test's process and as a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import Settings
from gateway.vault import WeakKey
from tests.conftest import ADMIN_KEY
from tests.processes import serve
from tests.servers import FakeProvider, Gateway, chunk, http_client, serving

SHOWN_ONCE = re.compile(r"Admin key, shown this once: (sk-\S{43})")


async def test_the_first_start_makes_an_admin_key_and_prints_it_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/g.db")
    async with serving(create_app(settings)) as url, httpx.AsyncClient() as http:
        shown = SHOWN_ONCE.findall(capfd.readouterr().err)
        assert len(shown) == 1
        listed = await http.get(
            f"{url}/api/v1/gateway/keys", headers={"authorization": f"Bearer {shown[0]}"}
        )
        assert [key["kind"] for key in listed.json()["data"]] == ["admin"]
    async with serving(create_app(settings)):
        assert SHOWN_ONCE.findall(capfd.readouterr().err) == []


@pytest.mark.parametrize("weak", ["sk-1234", "sk-", "admin", "sk-aaaaaaaaaaaaaaaaaaaaaaaa"])
async def test_a_weak_admin_key_is_refused(settings: Settings, weak: str) -> None:
    app = create_app(Settings(database_url=settings.database_url, admin_key=weak))
    with pytest.raises(WeakKey, match="GATEWAY_ADMIN_KEY is too weak"):
        async with app.router.lifespan_context(app):
            raise AssertionError("it started")


async def test_shutdown_leaves_no_task_and_no_connection(
    settings: Settings, provider: FakeProvider, tmp_path: Path
) -> None:
    await asyncio.sleep(0)
    before = asyncio.all_tasks()
    app = create_app(settings)
    async with serving(app) as url, httpx.AsyncClient() as http:
        gateway = Gateway(url, ADMIN_KEY, provider, app, http)
        await gateway.add_model()
        assert (await gateway.chat(ADMIN_KEY)).status_code == 200
    await asyncio.sleep(0.05)
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
    # Nobody holds the file: WAL is folded into it when its last connection closes.
    assert not list(tmp_path.glob("*-wal"))


async def test_a_stream_may_finish_while_the_gateway_stops(
    tmp_path: Path, provider: FakeProvider
) -> None:
    provider.streams(
        [chunk({"content": str(n)}) for n in range(10)] + [chunk({}, "stop")], pause=0.1
    )
    async with serve(tmp_path, GATEWAY_ADMIN_KEY=ADMIN_KEY) as server, http_client() as http:
        gateway = Gateway(server.url, ADMIN_KEY, provider, None, http)  # type: ignore[arg-type]
        await gateway.add_model()
        stopping = None
        async with gateway.streaming(ADMIN_KEY) as coming:
            lines = []
            async for line in coming:
                if stopping is None:
                    stopping = asyncio.create_task(server.stop())
                lines.append(line)
        assert "data: [DONE]" in lines
        assert sum('"content"' in line for line in lines) == 10
        assert stopping is not None
        await stopping
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as http:
            await http.get(server.url)


async def test_a_killed_gateway_starts_again_on_a_sound_file(
    tmp_path: Path, provider: FakeProvider
) -> None:
    async with serve(tmp_path, GATEWAY_ADMIN_KEY=ADMIN_KEY) as server, httpx.AsyncClient() as http:
        gateway = Gateway(server.url, ADMIN_KEY, provider, None, http)  # type: ignore[arg-type]
        await gateway.add_model()
        await server.stop(signal.SIGKILL)
    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/gateway.db"))
    async with serving(app) as url, httpx.AsyncClient() as http:
        gateway = Gateway(url, ADMIN_KEY, provider, app, http)
        assert [m["id"] for m in (await gateway.manage("GET", "/models")).json()["data"]] == ["gpt"]
