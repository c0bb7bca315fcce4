"""`gateway serve` with several workers, as an operator runs it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tests.conftest import ADMIN_KEY
from tests.http.console.conftest import settings_page
from tests.processes import Server, run, serve
from tests.redises import RedisServer
from tests.servers import FakeProvider, Json, answer, chunk, completion, http_client

MODEL = {"input_cost_per_token": 2.5e-6, "output_cost_per_token": 1e-5, "lane": "direct"}


async def manage(server: Server, path: str, body: Json) -> Json:
    async with http_client() as http:
        response = await http.post(
            f"{server.url}/api/v1/gateway{path}",
            json=body,
            headers={"authorization": f"Bearer {ADMIN_KEY}"},
        )
    assert response.status_code == 201, response.text
    # Another worker than the one that was told learns of it within a second.
    await asyncio.sleep(1)
    return dict(response.json())


async def add_model(server: Server, provider: FakeProvider) -> None:
    model = {"model_name": "gpt", "provider": "openai", "api_key": "sk-upstream"}
    params = {"model": "gpt-4o", **MODEL}
    await manage(
        server, "/models", model | {"base_url": f"{provider.url}/v1", "litellm_params": params}
    )


async def chat(server: Server, key: str, **params: object) -> httpx.Response:
    """Over a connection of its own, which any of the workers may take."""
    body = {"model": "gpt", "messages": [{"role": "user", "content": "hello"}], **params}
    async with http_client() as http:
        return await http.post(
            f"{server.url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {key}"},
        )


def nodes(directory: Path) -> Counter[str]:
    """How many requests each process has served, by the ledger."""
    with contextlib.closing(sqlite3.connect(directory / "gateway.db")) as database:
        rows = database.execute("SELECT node, count(*) FROM ledger GROUP BY node")
        return Counter(dict(rows.fetchall()))


async def metrics(server: Server) -> dict[tuple[str, str], float]:
    """By name and outcome, as any of the workers tells."""
    async with http_client() as http:
        got = await http.get(
            f"{server.url}/metrics", headers={"authorization": f"Bearer {ADMIN_KEY}"}
        )
    assert got.status_code == 200, got.text
    return {
        (each.name, each.labels.get("outcome", "")): each.value
        for family in text_string_to_metric_families(got.text)
        for each in family.samples
    }


async def until_both_serve(server: Server, directory: Path, key: str, wanted: int = 2) -> None:
    async with asyncio.timeout(60):
        while len(nodes(directory)) < wanted:
            await asyncio.gather(*(chat(server, key) for _ in range(10)))
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def two_workers(
    directory: Path, provider: FakeProvider, redis_server: RedisServer, *options: str
) -> AsyncIterator[tuple[Server, Json]]:
    """Workers that both serve the model `gpt`, and a key without limits."""
    async with serve(
        directory,
        *("--workers", "2", *options),
        GATEWAY_ADMIN_KEY=ADMIN_KEY,
        GATEWAY_REDIS_URL=redis_server.url,
    ) as server:
        await add_model(server, provider)
        free = await manage(server, "/keys", {})
        await until_both_serve(server, directory, free["key"])
        yield server, free


def test_several_workers_without_redis_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text("model_list: []\n")
    ran = run(tmp_path, "serve", "--workers", "2", "--config", str(config))
    assert ran.returncode == 2
    assert ran.stderr == (
        "Error: --workers 2 needs GATEWAY_REDIS_URL (redis://HOST:6379/0): without it each process "
        "counts by itself, and a limit or budget would allow up to 2 times as much\n"
    )
    assert list(tmp_path.iterdir()) == [config], "nothing has been begun"


async def test_workers_serve_as_one(
    tmp_path: Path, provider: FakeProvider, redis_server: RedisServer
) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text("general_settings: {maximum_spend_logs_retention_period: 30d}\n")
    async with two_workers(tmp_path, provider, redis_server, "--config", str(config)) as (
        server,
        free,
    ):
        assert len(server.workers) == 2

        # Whichever answers knows what the file sets.
        for _ in range(4):
            page = await settings_page(server.url, ADMIN_KEY)
            assert page.count(f"Set by {config}") == 1
            assert "Workers 2" in page

        limited = await manage(server, "/keys", {"rpm_limit": 40})
        got = await asyncio.gather(*(chat(server, limited["key"]) for _ in range(120)))
        assert Counter(each.status_code for each in got) == {200: 40, 429: 80}

        # Each tells of both.
        await asyncio.sleep(1)  # until all rows are there
        ended = sum(nodes(tmp_path).values()) - 80
        for told in [await metrics(server) for _ in range(8)]:
            assert told["gateway_calls_total", "complete"] == ended
            assert (told["gateway_models", ""], told["gateway_keys", ""]) == (1, 3)

        before = server.workers
        os.kill(before[0], signal.SIGKILL)
        async with asyncio.timeout(60):
            while len(server.workers) < 2 or before[0] in server.workers:
                assert server.process.returncode is None
                await asyncio.sleep(0.1)
        await until_both_serve(server, tmp_path, free["key"], 3)
        assert (await metrics(server))["gateway_calls_in_progress", ""] == 0
        assert await server.stop() in (0, -signal.SIGTERM)
    assert not list(tmp_path.glob("*.ledger-*"))
    log = "\n".join(server.log)
    assert "Traceback" not in log, log
    assert log.count("Started server process") == 3


async def test_the_first_start_makes_one_admin_key(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    async with serve(tmp_path, "--workers", "2", GATEWAY_REDIS_URL=redis_server.url) as server:
        async with asyncio.timeout(60):
            while sum("Application startup complete" in line for line in server.log) < 2:
                await asyncio.sleep(0.1)
        workers = server.workers
        # Nobody is left then to stop them.
        await server.stop(signal.SIGKILL)
        async with asyncio.timeout(60):
            while any(Path(f"/proc/{pid}").exists() for pid in workers):
                await asyncio.sleep(0.1)
    assert sum(line.startswith("Admin key, shown this once: ") for line in server.log) == 1
    with contextlib.closing(sqlite3.connect(tmp_path / "gateway.db")) as database:
        assert database.execute("SELECT count(*) FROM keys").fetchone() == (1,)
    assert not list(tmp_path.glob("*.ledger-*"))


async def test_a_stream_may_finish_before_workers_stop(
    tmp_path: Path, provider: FakeProvider, redis_server: RedisServer
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def behaviour(_: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            yield b'data: {"choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n'
            begun.set()
            await go_on.wait()
            yield b"data: " + httpx.Response(200, json=chunk({}, "stop")).content + b"\n\n"
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async with serve(
        tmp_path,
        *("--workers", "2"),
        GATEWAY_ADMIN_KEY=ADMIN_KEY,
        GATEWAY_REDIS_URL=redis_server.url,
    ) as server:
        await add_model(server, provider)
        key = await manage(server, "/keys", {"max_budget": 1, "max_parallel_requests": 1})
        provider.behaviour = behaviour
        calling = asyncio.create_task(chat(server, key["key"], stream=True))
        await asyncio.wait_for(begun.wait(), 30)
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(1.5)
        assert not stopping.done()
        # A proxy goes to another host then; it would wait where a socket took the connection.
        with pytest.raises(httpx.ConnectError):
            await chat(server, key["key"])
        go_on.set()
        response = await calling
        assert response.text.endswith("data: [DONE]\n\n")
        await stopping
    assert [*nodes(tmp_path).values()] == [1]
    assert not list(tmp_path.glob("*.ledger-*"))


async def test_what_a_killed_process_held_is_given_back(
    tmp_path: Path, provider: FakeProvider, redis_server: RedisServer
) -> None:
    """Nobody starts it again; the other has to wait until it is taken for dead."""
    settings = {"GATEWAY_ADMIN_KEY": ADMIN_KEY, "GATEWAY_REDIS_URL": redis_server.url}
    async with serve(tmp_path, **settings) as killed, serve(tmp_path, **settings) as other:
        await add_model(killed, provider)
        key = await manage(killed, "/keys", {"max_parallel_requests": 1, "max_budget": 0.01})
        provider.hangs()
        calling = asyncio.create_task(chat(killed, key["key"], max_tokens=5000))
        async with asyncio.timeout(30):
            while not provider.received:
                await asyncio.sleep(0.01)
        provider.reset()
        await asyncio.sleep(1)
        assert (await chat(other, key["key"])).status_code == 429
        await killed.stop(signal.SIGKILL)
        assert (await chat(other, key["key"])).status_code == 429
        with pytest.raises(httpx.TransportError):
            await calling
        async with asyncio.timeout(20):
            while (await chat(other, key["key"])).status_code != 200:
                await asyncio.sleep(0.2)


async def test_what_dead_workers_held_is_booked_once(
    tmp_path: Path, provider: FakeProvider, redis_server: RedisServer
) -> None:
    """A worker dies with money set aside, and the one in its place books it."""
    held: list[str] = []

    async def behaviour(request: Request) -> Response:
        user = (await request.json())["user"]
        held.append(user)
        if user == "hang":
            while (await request.receive())["type"] != "http.disconnect":
                pass
        return answer(completion("x"))

    async with two_workers(tmp_path, provider, redis_server) as (server, _free):
        key = await manage(server, "/keys", {"max_budget": 0.2})
        await asyncio.sleep(1)
        provider.behaviour = behaviour
        calls = [
            asyncio.create_task(chat(server, key["key"], user="hang", max_tokens=5000))
            for _ in range(3)
        ]
        async with asyncio.timeout(30):
            while len(held) < 3:
                await asyncio.sleep(0.01)
        # Three of 5 cents are set aside, and the fourth has room.
        for pid in server.workers:
            os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*calls, return_exceptions=True)
        spend = 0.0
        async with asyncio.timeout(60):
            while spend < 0.15:
                with contextlib.suppress(httpx.TransportError):
                    response = await chat(server, key["key"], user="ends", max_tokens=6)
                    # What is booked may be set aside for another moment.
                    assert response.status_code in (200, 429), response.text
                    spend = float(response.headers.get("x-litellm-key-spend", 0))
                await asyncio.sleep(0.1)
        assert 0.15 <= spend < 0.152


async def test_what_would_stop_each_worker_is_said_once(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    settings = {"GATEWAY_REDIS_URL": redis_server.url, "GATEWAY_SECRET_KEY": "A" * 43 + "="}
    added = run(
        tmp_path,
        *("models", "add", "gpt", "--provider", "openai", "--api-key-stdin"),
        stdin="sk-upstream",
        **settings,
    )
    assert added.returncode == 0, added.stderr
    settings["GATEWAY_SECRET_KEY"] = "B" * 43 + "="
    ran = run(tmp_path, "serve", "--workers", "2", "--port", "0", **settings)
    assert ran.returncode == 1
    assert ran.stderr.count("sealed with another secret key") == 1
    assert "Traceback" not in ran.stderr


def test_threads_share_a_heap() -> None:
    """By what glibc tells of its heaps."""
    try:
        libc = ctypes.CDLL(None)
        _ = libc.malloc_stats, libc.mallopt
    except AttributeError:
        pytest.skip("this C library has no such heaps")
    script = """
import ctypes, sys, threading
from gateway.commands.serve import share_heap
if sys.argv[1] == "shared":
    share_heap()
together = threading.Barrier(4)
def work():
    kept = bytearray(10_000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ctypes.CDLL(None).malloc_stats()
"""
    heaps = {}
    for how in ("shared", "apart"):
        ran = subprocess.run(
            [sys.executable, "-c", script, how], capture_output=True, text=True, check=True
        )
        heaps[how] = ran.stderr.count("Arena ")
    assert heaps["shared"] == 1 < heaps["apart"]
