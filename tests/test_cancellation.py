"""Requests that are cancelled at any moment: each is settled once, and holds nothing afterwards."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Message

from gateway import vault
from gateway.app import create_app
from gateway.http.sse import EventStream
from gateway.pipeline import Pipeline
from gateway.records import Call, Operation
from gateway.settings import Settings
from gateway.specs import key_record
from gateway.store import Store
from tests.calls import REQUESTS, ended, streamed
from tests.conftest import ADMIN_KEY
from tests.ends import NOTHING, Bench, held
from tests.servers import (
    IN_BOTH_LANES,
    FakeProvider,
    Gateway,
    answer,
    chunks,
    completion,
    http_client,
    serving,
)

pytestmark = IN_BOTH_LANES

MOMENTS = 40
MESSAGES = [{"role": "user", "content": "hello"}]
Way = Callable[[Pipeline, Call], Awaitable[object]]

numbers = itertools.count()


async def as_a_whole(pipeline: Pipeline, call: Call) -> None:
    await pipeline.complete(replace(call, body={**call.body, "stream": False}))


async def in_chunks(pipeline: Pipeline, call: Call) -> None:
    async with aclosing(await pipeline.stream(call)) as stream:
        async for _ in stream:
            pass


async def as_events(pipeline: Pipeline, call: Call) -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_: object) -> None:
        await asyncio.sleep(0)

    await EventStream(pipeline, call)({}, receive, send)


def new_call(key_of: int) -> Call:
    """A call of a key that no account was made for yet."""
    secret = f"sk-{key_of}"
    key = key_record(vault.hash_key(secret), "sk-…", 1, max_budget=10**9, rpm_limit=5)
    body = {"model": "gpt", "messages": MESSAGES, "stream": True, "user": str(key_of)}
    return Call(Operation.CHAT, key, body, "request")


async def after_a_while(_: object) -> Response:
    await asyncio.sleep(0.01)
    return answer(completion("Hello!"))


@pytest.mark.parametrize(
    ("way", "again"),
    [(as_a_whole, False), (in_chunks, True), (as_events, False), (as_events, True)],
)
async def test_cancelled_at_any_moment(gateway: Gateway, way: Way, again: bool) -> None:
    await gateway.add_model(litellm_params={"model": "gpt-4o"})
    await gateway.manage("PATCH", "/settings", {"store_prompts_in_spend_logs": True})
    provider = gateway.provider
    # Slow enough for all moments to differ.
    if way is as_a_whole:
        provider.behaviour = after_a_while
    else:
        provider.streams(chunks(), pause=0.002)
    services = gateway.app.state.services
    # The first takes long, for it waits for litellm.
    await way(services.pipeline, new_call(next(numbers)))
    began = time.perf_counter()
    await way(services.pipeline, new_call(next(numbers)))
    takes = time.perf_counter() - began
    assert held(gateway) == NOTHING
    ends: Counter[str] = Counter()
    for moment in range(MOMENTS + 1):
        call = new_call(next(numbers))
        task = asyncio.ensure_future(way(services.pipeline, call))
        if moment == MOMENTS:
            await task
        await asyncio.sleep(takes * moment / MOMENTS)
        task.cancel()
        if again:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5):
            while held(gateway) != NOTHING:
                await asyncio.sleep(0)
        await gateway.flush()
        rows = [row for _, row in await services.store.ledger.after(0, 1000)]
        found = [row for row in rows if row.key_id == call.key.id]
        reached = sum(each.body["user"] == call.body["user"] for each in provider.received)
        assert len(found) == 1 >= reached or (moment < 5 and not reached)
        for row in found:
            assert (row.outcome == "complete") != row.estimated or not row.cost
            assert row.cost or not reached
            ends[row.outcome if row.cost else "early"] += 1
    assert set(ends) == {"early", "cancelled", "complete"}, "the moments are not spread"


async def test_who_leaves_before_the_provider_is_called_pays_nothing(gateway: Gateway) -> None:
    await gateway.add_model(litellm_params={"model": "gpt-4o"})
    services = gateway.app.state.services
    call = new_call(next(numbers))
    # What its key has spent cannot be read meanwhile.
    async with services.ledger.still():
        task = asyncio.ensure_future(as_a_whole(services.pipeline, call))
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    [row] = await gateway.rows(call.key.id)
    assert (row.outcome, row.status, row.cost) == ("cancelled", 499, 0)
    assert row.prompt_tokens == 0
    assert not row.estimated
    assert held(gateway) == NOTHING


@pytest.mark.parametrize("operation", [Operation.CHAT, Operation.RESPONSES])
async def test_a_stream_is_settled_before_its_end_is_told(
    gateway: Gateway, operation: Operation
) -> None:
    """A process that is killed just then has billed what its client knows to be whole."""
    await gateway.add_model(litellm_params={"model": "gpt-4o"})
    gateway.provider.streams(streamed(operation))
    held_then: list[object] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if ended(operation, message.get("body", b"").decode()):
            held_then.append(held(gateway))

    pipeline = gateway.app.state.services.pipeline
    body = {"model": "gpt", "stream": True, **REQUESTS[operation]}
    call = replace(new_call(next(numbers)), operation=operation, body=body)
    await EventStream(pipeline, call)({}, receive, send)
    assert held_then == [NOTHING]


async def test_clients_that_leave_as_the_first_chunk_comes(gateway: Gateway) -> None:
    await gateway.add_model(litellm_params={"model": "gpt-4o"})
    issued = await gateway.issue_key(max_budget=1)
    bench = Bench(gateway, Operation.CHAT, True, issued["id"], issued["key"], "gpt")
    gateway.provider.streams(chunks(), pause=0.002)
    assert (await bench.call()).status_code == 200
    for moment in range(30):
        client = await bench.raw()
        await asyncio.sleep(moment / 1000)
        client.close()
    async with asyncio.timeout(5):
        while held(gateway) != NOTHING:
            await asyncio.sleep(0.01)
    received = len(gateway.provider.received)
    rows = await gateway.rows(issued["id"], received)
    assert 10 < received <= len(rows) <= 31
    assert {row.outcome for row in rows} == {"cancelled", "complete"}


async def test_an_end_of_the_server_settles_what_it_cancels(
    settings: Settings, provider: FakeProvider, lane: str, tmp_path: Path
) -> None:
    """uvicorn gives running requests a time, cancels them, and does not wait for them."""
    app = create_app(settings)
    async with http_client() as http:
        async with serving(app) as url:
            made = Gateway(url, ADMIN_KEY, provider, app, http, lane)
            await made.add_model(litellm_params={"model": "gpt-4o"})
            key = await made.issue_key()
            provider.streams(chunks(), hang_after=3)
            body = {"model": "gpt", "messages": MESSAGES}
            calls = [
                asyncio.create_task(
                    made.request("POST", "/v1/chat/completions", key["key"], body | {"stream": on})
                )
                for on in (True, False) * 5
            ]
            while len(provider.received) < len(calls):
                await asyncio.sleep(0.01)
        await asyncio.gather(*calls, return_exceptions=True)
    assert list(tmp_path.glob("*.ledger-*")) == []
    async with Store.open(settings) as store:
        found = [row for _, row in await store.ledger.after(0, 100)]
        assert [(row.outcome, bool(row.cost)) for row in found] == [("cancelled", True)] * 10
        assert await store.database.check_integrity() == []
