"""The Playground tab: the page, and the calls it makes."""

from __future__ import annotations

from typing import Any

import httpx

from tests.http.console.conftest import Visitor, texts
from tests.servers import Gateway, Json, answer, chunks

PRICES = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}


async def ask(visitor: Visitor, token: str | None = None, **body: Any) -> httpx.Response:
    given: Json = {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]} | body
    headers = {"x-csrf-token": visitor.token if token is None else token}
    return await visitor.http.post("/ui/playground/chat", json=given, headers=headers)


async def test_a_stream_ends_with_its_cost_and_is_in_the_ledger(
    visitor: Visitor, gateway: Gateway
) -> None:
    await gateway.add_model(litellm_params=PRICES)
    gateway.provider.streams(chunks())
    await visitor.get("/ui/playground")
    got = await ask(visitor)
    assert got.headers["content-type"].startswith("text/event-stream")
    assert got.text.endswith('event: cost\ndata: {"cost":0.023}\n\ndata: [DONE]\n\n')
    await gateway.flush()
    [row] = (await gateway.manage("GET", "/usage/requests")).json()["data"]
    assert (row["tags"], row["cost"], row["key_label"]) == (
        ["playground"],
        0.023,
        "GATEWAY_ADMIN_KEY",
    )


async def test_an_error_is_told_in_the_apis_format(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.add_model()
    await visitor.get("/ui/playground")
    gateway.provider.does(lambda: answer({"error": {"message": "too busy"}}, 429))
    failed = await ask(visitor)
    assert failed.status_code == 429
    assert "too busy" in failed.json()["error"]["message"]
    wrong = await ask(visitor, temperature="hot")
    assert wrong.status_code == 400
    assert "temperature" in wrong.json()["error"]["message"]


async def test_only_its_own_page_can_call(visitor: Visitor, gateway: Gateway) -> None:
    await gateway.add_model()
    assert (await ask(visitor, token="")).status_code == 400
    assert (await ask(visitor, token="0" * 64)).status_code == 400
    visitor.http.cookies.clear()
    assert (await ask(visitor)).status_code == 401
    assert gateway.provider.received == []


async def test_models_to_talk_to_are_listed(visitor: Visitor, gateway: Gateway) -> None:
    assert "Nobody to talk to yet" in texts(await visitor.get("/ui/playground"))
    await gateway.add_model()
    await gateway.add_model("vectors", model_info={"mode": "embedding"})
    await gateway.add_model("any/*", litellm_params={"model": "openai/*"})
    page = await visitor.get("/ui/playground?model=gpt")
    assert "<option selected>gpt</option>" in page.text
    assert "vectors" not in page.text
    assert "any/" not in page.text
