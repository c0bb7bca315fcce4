"""Probes."""

from __future__ import annotations

import asyncio

import httpx

from gateway.app import create_app
from gateway.settings import Settings
from tests.servers import Gateway, serving


async def test_liveness_needs_no_key(gateway: Gateway) -> None:
    for path in ("/health/liveliness", "/health/liveness"):
        alive = await gateway.http.get(gateway.url + path)
        assert (alive.status_code, alive.json()) == (200, "I'm alive!")


async def test_readiness_follows_litellms_import(settings: Settings) -> None:
    app = create_app(settings)
    async with serving(app) as url, httpx.AsyncClient() as http:
        await app.state.services.lane.wait()
        ready = await http.get(f"{url}/health/readiness")
        assert (ready.status_code, ready.json()) == (200, {"status": "healthy", "db": "connected"})


async def test_not_ready_while_litellm_is_imported(gateway: Gateway) -> None:
    lane = gateway.app.state.services.lane
    await lane.wait()
    loaded, lane._loading = lane._loading, asyncio.get_running_loop().create_future()
    starting = await gateway.http.get(f"{gateway.url}/health/readiness")
    lane._loading = loaded
    assert (starting.status_code, starting.json()["status"]) == (503, "starting")


async def test_not_ready_without_the_database(gateway: Gateway) -> None:
    path = gateway.app.state.services.store.database.path
    await gateway.app.state.services.store.database.close()
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    try:
        lost = await gateway.http.get(f"{gateway.url}/health/readiness")
    finally:
        path.rmdir()
        path.with_suffix(".away").rename(path)
    assert (lost.status_code, lost.json()) == (503, {"status": "unhealthy", "db": "Not connected"})
