"""A gateway that is killed, or stopped, while many call it: afterwards the books are right.

The fake provider knows what it served, each client what it got, the database what is billed; a
request is known to all of them by its `user`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.records import LedgerRow
from tests.conftest import ADMIN_KEY
from tests.processes import Server, serve
from tests.servers import FakeProvider, Json, answer, chunk, completion, http_client, usage

CLIENTS = 30
PROMPT = 11
# gpt-4o's, in nano-dollars a token.
PROMPT_PRICE, COMPLETION_PRICE = 2500, 10_000
MOST_TOKENS = 50
# Enough for some hundred calls.
BUDGET = 30_000_000
# More than any call of these can be charged: each has some 50 bytes of prompt.
MOST_COST = 200 * PROMPT_PRICE + MOST_TOKENS * COMPLETION_PRICE


@dataclass
class Told:
    """What became of one request, as its client saw it."""

    stream: bool
    tokens: int
    pause: float
    """Between two pieces of a stream, or before a whole answer; in seconds."""
    ended: str = "broken"
    """`whole`, `refused` or `broken`."""
    served: str = "nothing"
    """By the provider: `nothing`, `some` or `whole`."""

    @property
    def cost(self) -> int:
        return PROMPT * PROMPT_PRICE + self.tokens * COMPLETION_PRICE


@dataclass
class Load:
    chance: random.Random
    requests: dict[str, Told] = field(default_factory=dict)

    async def behaviour(self, request: Request) -> Response:
        told = self.requests[(await request.json())["user"]]
        told.served = "some"
        reported = usage(PROMPT, told.tokens)
        if not told.stream:
            await asyncio.sleep(told.pause)
            told.served = "whole"
            return answer(completion("a " * told.tokens) | {"usage": reported})

        async def events() -> AsyncIterator[bytes]:
            pieces: list[Json] = [chunk({"content": " a"}) for _ in range(told.tokens)]
            pieces += [chunk({}, "stop"), chunk({}) | {"choices": [], "usage": reported}]
            for piece in pieces:
                await asyncio.sleep(told.pause)
                yield b"data: " + orjson.dumps(piece) + b"\n\n"
            told.served = "whole"
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def client(self, http: httpx.AsyncClient, url: str, keys: list[str]) -> None:
        """Call until the gateway is gone."""
        with contextlib.suppress(httpx.TransportError):
            while True:
                told = Told(
                    self.chance.random() < 0.6,
                    self.chance.randint(1, 8),
                    self.chance.choice([0, 0, 0.005, 0.03]),
                )
                user = f"user-{len(self.requests)}"
                self.requests[user] = told
                await self._call(http, url, self.chance.choice(keys), user, told)

    async def _call(
        self, http: httpx.AsyncClient, url: str, key: str, user: str, told: Told
    ) -> None:
        body = {
            "model": "gpt",
            "user": user,
            "stream": told.stream,
            "max_tokens": MOST_TOKENS,
            "messages": [{"role": "user", "content": "hello"}],
        }
        got = await http.post(
            f"{url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
        )
        if got.status_code in (422, 429):
            told.ended = "refused"
            # Or who is refused would do nothing else.
            await asyncio.sleep(0.05)
        else:
            assert got.status_code == 200, got.text
            assert got.text.endswith("data: [DONE]\n\n") == told.stream
            told.ended = "whole"


@dataclass
class Admin:
    http: httpx.AsyncClient
    url: str

    async def request(self, method: str, path: str, body: Json | None = None) -> Any:
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        url = f"{self.url}/api/v1/gateway{path}"
        response = await self.http.request(method, url, json=body, headers=headers)
        assert response.status_code in (200, 201), response.text
        return response.json()


async def _under_load(
    server: Server, http: httpx.AsyncClient, load: Load, keys: list[str], how: signal.Signals
) -> None:
    """Call from many sides, and end the server amid that."""
    # litellm is loaded by then, and every moment is one under load.
    warm = Told(False, 1, 0)
    load.requests[f"user-{len(load.requests)}"] = warm
    await load._call(http, server.url, keys[0], f"user-{len(load.requests) - 1}", warm)
    clients = [asyncio.create_task(load.client(http, server.url, keys)) for _ in range(CLIENTS)]
    await asyncio.sleep(load.chance.uniform(0.4, 1.2))
    await server.stop(how)
    await asyncio.gather(*clients)


def _rows(path: Path) -> list[LedgerRow]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        names = LedgerRow.__dataclass_fields__
        rows = connection.execute(
            f"SELECT {', '.join(names)} FROM ledger ORDER BY position"
        ).fetchall()
        sums = connection.execute("SELECT total(requests), total(cost) FROM daily").fetchone()
        assert tuple(sums) == (len(rows), sum(row["cost"] for row in rows))
        assert not connection.execute("PRAGMA foreign_key_check").fetchall()
        return [LedgerRow(**dict(row)) for row in rows]


def _check(told: Told, row: LedgerRow) -> None:
    assert row.stream == told.stream
    if told.ended == "whole":
        assert row.outcome == "complete"
    if told.ended == "refused":
        assert row.outcome == "refused"
    match row.outcome:
        case "complete":
            assert told.served == "whole"
            assert (row.prompt_tokens, row.completion_tokens) == (PROMPT, told.tokens)
            assert (row.cost, row.estimated, row.status) == (told.cost, False, 200)
        case "interrupted":
            assert told.ended == "broken"
            assert row.estimated
            # A stream that ran for a second is booked by what had come.
            assert row.first_token_ms is not None or (row.cost or 0) >= told.cost
        case "refused":
            assert (told.served, row.cost) == ("nothing", 0)
        case _:
            raise AssertionError(row)


def _agree(load: Load, path: Path) -> list[LedgerRow]:
    """Have ledger, daily sums, clients and provider tell the same; return the rows."""
    rows = _rows(path)
    by_user = {row.end_user or "": row for row in rows}
    assert len(by_user) == len(rows), "a request has two rows"
    for user, told in load.requests.items():
        assert user in by_user or (told.served, told.ended) == ("nothing", "broken")
        if user in by_user:
            _check(told, by_user[user])
    assert set(by_user) <= set(load.requests)
    return rows


async def _keys_agree(admin: Admin, keys: list[Json], rows: list[LedgerRow]) -> None:
    for key in keys:
        spent = sum(row.cost or 0 for row in rows if row.key_id == key["id"])
        assert key["max_budget"] is None or spent < BUDGET + MOST_COST
        shown = await admin.request("GET", f"/keys/{key['id']}")
        assert shown["spend"] == spent / 10**9


async def _set_up(admin: Admin, provider: FakeProvider) -> list[Json]:
    """A model, and two keys, the second with a budget."""
    model = {"model_name": "gpt", "provider": "openai", "api_key": "sk-upstream"}
    model |= {"base_url": f"{provider.url}/v1"}
    await admin.request("POST", "/models", model | {"litellm_params": {"model": "gpt-4o"}})
    return [
        await admin.request("POST", "/keys", limits)
        for limits in ({}, {"max_budget": BUDGET / 10**9})
    ]


@pytest.fixture
def load(provider: FakeProvider, request: pytest.FixtureRequest) -> Load:
    seed = random.randrange(10**6)
    # Shown where the test fails.
    print(f"{request.node.name}: seed {seed}")
    made = Load(random.Random(seed))
    provider.behaviour = made.behaviour
    return made


async def test_the_books_are_right_after_every_kill(
    tmp_path: Path, provider: FakeProvider, load: Load
) -> None:
    path = tmp_path / "gateway.db"
    keys: list[Json] = []
    rows: list[LedgerRow] = []
    async with http_client() as http:
        for how in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
            async with serve(tmp_path, GATEWAY_ADMIN_KEY=ADMIN_KEY) as server:
                admin = Admin(http, server.url)
                keys = keys or await _set_up(admin, provider)
                rows = _agree(load, path)
                await _keys_agree(admin, keys, rows)
                assert len(list(tmp_path.glob("*.ledger-*"))) == 1, "its own"
                await _under_load(server, http, load, [key["key"] for key in keys], how)
    assert list(tmp_path.glob("*.ledger-*")) == []
    outcomes = {row.outcome for row in rows}
    assert {"complete", "interrupted"} <= outcomes <= {"complete", "interrupted", "refused"}
    # Who is given time to finish finishes.
    outcomes = {row.outcome for row in _agree(load, path)[len(rows) :]}
    assert "complete" in outcomes <= {"complete", "refused"}
