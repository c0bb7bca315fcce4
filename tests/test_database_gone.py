"""PostgreSQL that is gone, or hangs, under a gateway that is called: what goes on, what does not,
and what the books say afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import Settings
from tests.conftest import ADMIN_KEY, SECRET_KEY
from tests.postgreses import PostgresServer
from tests.processes import Server, serve
from tests.servers import FakeProvider, Json, http_client, serving

# gpt-4o's prices in nano-dollars: 11 tokens of prompt at 2500, 6 of completion at 10000.
COST = 87_500


@dataclass
class Client:
    """Somebody who calls and manages a gateway, and counts what was answered."""

    http: httpx.AsyncClient
    url: str
    answered: dict[str, int] = field(default_factory=dict)

    async def ask(self, method: str, path: str, key: str, body: Json | None = None) -> Any:
        headers = {"authorization": f"Bearer {key}"}
        url = self.url + path
        return await self.http.request(method, url, headers=headers, json=body)

    async def manage(self, method: str, path: str, body: Json | None = None) -> Any:
        return await self.ask(method, f"/api/v1/gateway{path}", ADMIN_KEY, body)

    async def chat(self, key: Json, path: str = "/v1/chat/completions") -> Any:
        body = {"model": "gpt", "max_tokens": 6, "messages": [{"role": "user", "content": "hi"}]}
        got = await self.ask("POST", path, key["key"], body)
        if got.status_code == 200:
            self.answered[key["id"]] = self.answered.get(key["id"], 0) + 1
        return got

    async def until(self, path: str, **told: Any) -> None:
        """Wait until this path says so."""
        async with asyncio.timeout(60):
            while True:
                got = (await self.http.get(self.url + path)).json()
                if told.items() <= got.items():
                    return
                await asyncio.sleep(0.05)

    async def gauge(self, name: str) -> float:
        got = await self.ask("GET", "/metrics", ADMIN_KEY)
        assert got.status_code == 200, got.text
        [line] = [line for line in got.text.splitlines() if line.startswith(f"{name} ")]
        return float(line.rpartition(" ")[2])

    async def set_up(self, provider: FakeProvider) -> list[Json]:
        """A model, and three keys: without a budget, with one, and one that never calls before."""
        model = {"model_name": "gpt", "provider": "openai", "api_key": "sk-upstream"}
        model |= {"base_url": f"{provider.url}/v1"}
        params = {"model": "gpt-4o", "lane": "direct"}
        await self.manage("POST", "/models", model | {"litellm_params": params})
        made = [
            await self.manage("POST", "/keys", limits) for limits in ({}, {"max_budget": 1}, {})
        ]
        keys = [each.json() for each in made]
        for key in keys[:2]:
            assert (await self.chat(key)).status_code == 200
        return keys


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    postgres_server.empty("migrated")
    yield postgres_server.url("migrated")
    if postgres_server.process is None:
        postgres_server.start()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty rows are too many for memory, and nobody waits long."""
    monkeypatch.setattr("gateway.ledger.SPOOL_ROWS", 30)
    monkeypatch.setattr("gateway.ledger._RETRY_SECONDS", 0.1)
    for module in ("budgets", "ledger", "registry"):
        monkeypatch.setattr(f"gateway.{module}.ANSWER_SECONDS", 1.0)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as made:
        yield made


@contextlib.asynccontextmanager
async def gateway(
    directory: Path, database: str, http: httpx.AsyncClient, **more: Any
) -> AsyncIterator[Client]:
    made = Settings(
        database_url=database,
        data_dir=directory,
        secret_key=SECRET_KEY,
        admin_key=ADMIN_KEY,
        **more,
    )
    async with serving(create_app(made)) as url:
        yield Client(http, url)


def process(directory: Path, database: str) -> contextlib.AbstractAsyncContextManager[Server]:
    return serve(
        directory,
        GATEWAY_DATABASE_URL=database,
        GATEWAY_DATA_DIR=str(directory),
        GATEWAY_SECRET_KEY=SECRET_KEY,
        GATEWAY_ADMIN_KEY=ADMIN_KEY,
    )


def booked(server: PostgresServer) -> dict[str, tuple[int, int]]:
    """By key: how many requests were answered, and what they cost; by rows and by sums."""
    # In one statement, which sees one state.
    rows = server.execute(
        """
        SELECT key_id, of_rows.count, of_rows.cost, of_days.count, of_days.cost FROM
            (SELECT key_id, count(*) AS count, sum(cost)::bigint AS cost FROM ledger
                WHERE cost > 0 GROUP BY key_id) AS of_rows
            FULL JOIN (SELECT key_id, sum(requests - errors)::bigint AS count,
                sum(cost)::bigint AS cost FROM daily GROUP BY key_id HAVING sum(cost) > 0
            ) AS of_days USING (key_id)
        """,
        "migrated",
    )
    assert all(row[1:3] == row[3:5] for row in map(tuple, rows))
    return {row[0]: (row[1], row[2]) for row in map(tuple, rows)}


async def until_booked(server: PostgresServer, client: Client) -> None:
    expected = {key: (count, count * COST) for key, count in client.answered.items()}
    async with asyncio.timeout(60):
        while await asyncio.to_thread(booked, server) != expected:
            await asyncio.sleep(0.1)


async def go_on(client: Client, keys: list[Json], calls: int) -> None:
    """What is as it was, and what is refused, without the database."""
    known, budgeted, new_owner = keys
    for key in (known, budgeted):
        got = await asyncio.gather(*(client.chat(key) for _ in range(calls)))
        assert {each.status_code for each in got} == {200}, got[0].text
    unknown = {"key": "sk-nobody-knows-this-one", "id": "unknown"}
    refused = {
        "a key that may be new": client.chat(unknown),
        "likewise, in Anthropic's format": client.chat(unknown, "/v1/messages"),
        "an owner whose spending is not known": client.chat(new_owner),
        "a new key": client.manage("POST", "/keys", {}),
        "a report": client.manage("GET", "/usage/requests"),
    }
    for what, answer in zip(refused, await asyncio.gather(*refused.values()), strict=True):
        assert answer.status_code == 503, f"{what}: {answer.text}"
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["type"] in ("service_unavailable_error", "overloaded_error")


async def test_calls_go_on_while_it_is_gone(
    tmp_path: Path,
    postgres_server: PostgresServer,
    database: str,
    provider: FakeProvider,
    http: httpx.AsyncClient,
) -> None:
    async with gateway(tmp_path, database, http) as client:
        keys = await client.set_up(provider)
        postgres_server.stop()
        await client.until("/health/readiness", db="Not connected", status="healthy")
        await go_on(client, keys, 50)
        waiting = await client.gauge("gateway_ledger_rows_waiting")
        spooled = await client.gauge("gateway_ledger_rows_spooled")
        assert waiting < 60 < waiting + spooled
        assert await client.gauge("gateway_ledger_spool_bytes") > spooled * 100
        assert await client.gauge("gateway_database_age_seconds") > 0
        postgres_server.start()
        await client.until("/health/readiness", db="connected")
        assert (await client.chat(keys[2])).status_code == 200
        assert (await client.manage("POST", "/keys", {})).status_code == 201
        assert (await client.ask("GET", "/v1/models", "sk-nobody-knows")).status_code == 401
        await until_booked(postgres_server, client)
        told = await client.manage("GET", f"/keys/{keys[1]['id']}")
        assert told.status_code == 200, told.text
        assert told.json()["spend"] == client.answered[keys[1]["id"]] * COST / 10**9
    assert list(tmp_path.glob("*.ledger-*")) == []


async def test_calls_go_on_while_it_hangs(
    tmp_path: Path,
    postgres_server: PostgresServer,
    database: str,
    provider: FakeProvider,
    http: httpx.AsyncClient,
) -> None:
    async with gateway(tmp_path, database, http) as client:
        keys = await client.set_up(provider)
        with postgres_server.hanging():
            # Of those who ask before that is known, each waits for a while.
            await go_on(client, keys, 20)
            await client.until("/health/readiness", db="Not connected", status="healthy")
            await go_on(client, keys, 20)
        await client.until("/health/readiness", db="connected")
        await until_booked(postgres_server, client)
        assert (await client.chat(keys[2])).status_code == 200
        await until_booked(postgres_server, client)
    assert list(tmp_path.glob("*.ledger-*")) == []


async def test_what_is_known_holds_for_a_bounded_time(
    tmp_path: Path,
    postgres_server: PostgresServer,
    database: str,
    provider: FakeProvider,
    http: httpx.AsyncClient,
) -> None:
    async with gateway(tmp_path, database, http, max_stale_seconds=2) as client:
        keys = await client.set_up(provider)
        postgres_server.stop()
        await client.until("/health/readiness", db="Not connected", status="unhealthy")
        for refused in (
            await client.chat(keys[0]),
            await client.chat(keys[0], "/v1/messages"),
            await client.manage("GET", "/models"),
        ):
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            message = refused.json()["error"]["message"]
            assert "has not been able to read its database for" in message
        assert await client.gauge("gateway_database_age_seconds") > 2
        assert (await http.get(f"{client.url}/health/liveliness")).status_code == 200
        postgres_server.start()
        await client.until("/health/readiness", db="connected", status="healthy")
        assert (await client.chat(keys[0])).status_code == 200
        await until_booked(postgres_server, client)


async def test_a_kill_while_it_is_gone_loses_nothing(
    tmp_path: Path,
    postgres_server: PostgresServer,
    database: str,
    provider: FakeProvider,
    http: httpx.AsyncClient,
) -> None:
    async with process(tmp_path, database) as server:
        client = Client(http, server.url)
        keys = await client.set_up(provider)
        await until_booked(postgres_server, client)
        postgres_server.stop()
        await client.until("/health/readiness", db="Not connected")
        await go_on(client, keys, 30)
        await server.stop(signal.SIGKILL)
    assert list(tmp_path.glob("*.ledger-*"))
    postgres_server.start()
    async with process(tmp_path, database) as server:
        client.url = server.url
        assert booked(postgres_server) == {
            key: (count, count * COST) for key, count in client.answered.items()
        }
        shown = (await client.manage("GET", f"/keys/{keys[1]['id']}")).json()
        assert shown["spend"] == 31 * COST / 10**9
        assert (await client.chat(keys[1])).headers["x-litellm-key-spend"] == str(31 * COST / 10**9)
    assert list(tmp_path.glob("*.ledger-*")) == []


@pytest.mark.parametrize("how", ["gone", "hanging"])
async def test_an_end_meanwhile_leaves_all_to_the_next_start(
    tmp_path: Path,
    postgres_server: PostgresServer,
    database: str,
    provider: FakeProvider,
    http: httpx.AsyncClient,
    how: str,
) -> None:
    with contextlib.ExitStack() as stack:
        async with gateway(tmp_path, database, http) as client:
            keys = await client.set_up(provider)
            await until_booked(postgres_server, client)
            if how == "gone":
                postgres_server.stop()
            else:
                stack.enter_context(postgres_server.hanging())
            # With this one a write begins, which hangs; what comes after it is for the disk.
            assert (await client.chat(keys[1])).status_code == 200
            await client.until("/health/readiness", db="Not connected")
            await asyncio.gather(*(client.chat(keys[1]) for _ in range(50)))
        assert len(list(tmp_path.glob("*.spool"))) >= 1
    if how == "gone":
        postgres_server.start()
    async with gateway(tmp_path, database, http) as next_one:
        await until_booked(postgres_server, client)
        got = await next_one.chat(keys[1])
        assert got.headers["x-litellm-key-spend"] == str(52 * COST / 10**9)
    assert list(tmp_path.glob("*.ledger-*")) == []
