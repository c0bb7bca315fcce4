"""Pictures, sound, rerankings and moderations have limits, budgets and rows as chats have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict

import pytest

from gateway.app import CALL_PREFIXES, create_app
from gateway.records import Operation
from gateway.settings import Settings
from tests import media
from tests.conftest import ADMIN_KEY
from tests.ends import NOTHING, held
from tests.servers import FakeProvider, Gateway, http_client, serving

EACH = pytest.mark.parametrize("operation", media.REQUESTS)
# Tokens of the prompt and of the completion, and nano-dollars: of an answer, …
COMPLETE = {
    # Of no price, and counted here: a token for four bytes.
    Operation.MODERATION: (5, 0, 0),
    Operation.IMAGE: (13, 400, 16_065_000),
    Operation.IMAGE_EDIT: (13, 400, 16_065_000),
    Operation.SPEECH: (0, 0, 300_000),
    Operation.TRANSCRIPTION: (0, 0, 400_000),
    Operation.RERANK: (0, 0, 2_000_000),
}
# … and of what was sent, where none came.
SENT = COMPLETE | {
    Operation.IMAGE: (0, 0, 0),
    Operation.IMAGE_EDIT: (0, 0, 0),
    Operation.TRANSCRIPTION: (0, 0, 320_000),
}


@pytest.fixture(scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, _provider: FakeProvider
) -> AsyncIterator[Gateway]:
    path = tmp_path_factory.mktemp("accounting") / "gateway.db"
    app = create_app(Settings(database_url=f"sqlite:///{path}", admin_key=ADMIN_KEY))
    async with serving(app) as url, http_client() as http:
        made = Gateway(url, ADMIN_KEY, _provider, app, http)
        await made.try_once()
        for operation in media.REQUESTS:
            await made.add_model(operation, **media.at(operation, _provider.url))
        yield made


@pytest.fixture
async def gateway(running: Gateway, provider: FakeProvider) -> AsyncIterator[Gateway]:
    assert running.provider is provider
    yield running
    assert held(running) == NOTHING


@EACH
async def test_an_answer_makes_one_exact_row(gateway: Gateway, operation: Operation) -> None:
    issued = await gateway.issue_key(max_budget=1000, tags=["ours"])
    gateway.provider.does(lambda: media.whole(operation))
    for prefix in CALL_PREFIXES:
        path = prefix + operation
        got = await media.send(gateway, operation, issued["key"], path=path, model=operation)
        assert got.status_code == 200, got.text
        assert got.headers["x-litellm-call-id"]
    rows = await gateway.rows(issued["id"], len(CALL_PREFIXES))
    assert len(rows) == len(CALL_PREFIXES)
    prompt, completion, cost = COMPLETE[operation]
    expected = {
        "operation": operation.value,
        "model": operation.value,
        "served_model": operation.value,
        "provider": "cohere" if operation is Operation.RERANK else "openai",
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "estimated": operation is Operation.MODERATION,
        "cost": cost,
        "status": 200,
        "error": None,
        "outcome": "complete",
        "stream": False,
        "first_token_ms": None,
        "tags": ("ours",),
    }
    for row in rows:
        assert asdict(row).items() >= expected.items()
    spent = (await gateway.manage("GET", f"/keys/{issued['id']}")).json()["spend"]
    assert spent == pytest.approx(3 * cost / 10**9)


@EACH
async def test_a_caller_that_leaves_pays_for_what_was_sent(
    gateway: Gateway, operation: Operation
) -> None:
    issued = await gateway.issue_key(max_budget=1000)
    gateway.provider.hangs()
    calling = asyncio.create_task(media.send(gateway, operation, issued["key"], model=operation))
    while not gateway.provider.received:
        await asyncio.sleep(0.005)
    # All that it can cost is set aside meanwhile.
    assert held(gateway)[2].get(issued["id"], 0) >= COMPLETE[operation][2]
    calling.cancel()
    await asyncio.wait_for(gateway.provider.left.wait(), 5)
    [row] = await gateway.rows(issued["id"])
    prompt, completion, cost = SENT[operation]
    assert (row.prompt_tokens, row.completion_tokens, row.cost) == (prompt, completion, cost)
    assert (row.outcome, row.status, row.estimated) == ("cancelled", 499, True)


@EACH
async def test_a_budget_binds_before_the_call(gateway: Gateway, operation: Operation) -> None:
    issued = await gateway.issue_key(max_budget=0.000001)
    gateway.provider.does(lambda: media.whole(operation))
    statuses = [
        (await media.send(gateway, operation, issued["key"], model=operation)).status_code
        for _ in range(2)
    ]
    # The first one spends it, where it costs anything.
    free = operation is Operation.MODERATION
    assert statuses == [200, 200 if free else 422]
    assert len(gateway.provider.received) == (2 if free else 1)
    rows = await gateway.rows(issued["id"], 2)
    assert [row.error for row in rows] == [None, None if free else "budget_exceeded"]


@EACH
async def test_a_limit_binds(gateway: Gateway, operation: Operation) -> None:
    issued = await gateway.issue_key(rpm_limit=1)
    gateway.provider.does(lambda: media.whole(operation))
    for status in (200, 429):
        got = await media.send(gateway, operation, issued["key"], model=operation)
        assert got.status_code == status
    assert len(gateway.provider.received) == 1


@EACH
async def test_a_model_must_be_known_and_allowed(gateway: Gateway, operation: Operation) -> None:
    issued = await gateway.issue_key(models=["/*", "unknown"])
    for model, status, says in (
        ("unknown", 400, f"{operation}: Invalid model name passed in model=unknown"),
        ("denied", 403, "is not available for this API key"),
    ):
        got = await media.send(gateway, operation, issued["key"], model=model)
        assert got.status_code == status
        assert says in got.json()["error"]["message"]
    assert gateway.provider.received == []
    rows = await gateway.rows(issued["id"], 2)
    assert {row.outcome for row in rows} == {"refused"}


async def test_a_moderation_without_a_model_asks_for_openais(gateway: Gateway) -> None:
    issued = await gateway.issue_key()
    got = await media.send(gateway, Operation.MODERATION, issued["key"], model=None)
    assert got.status_code == 400
    assert "model=omni-moderation-latest" in got.json()["error"]["message"]
    await gateway.add_model("omni-moderation-latest")
    gateway.provider.does(lambda: media.whole(Operation.MODERATION))
    got = await media.send(gateway, Operation.MODERATION, issued["key"], model=None)
    assert got.json()["model"] == "omni-moderation-latest"
