"""What the holder of one gateway key can learn of another's: nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway import vault
from gateway.app import API
from tests.servers import Gateway

MARK = "victim-0123456789"


@pytest.fixture
async def victim(gateway: Gateway) -> dict[str, Any]:
    """A key that has called, and its request's id."""
    await gateway.add_model()
    await gateway.add_model("secret-model")
    fields = {"label": MARK, "user_id": MARK, "tags": [MARK], "models": ["secret-model"]}
    issued = await gateway.issue_key(**fields)
    called = await gateway.chat(issued["key"], "secret-model", user=MARK)
    assert called.status_code == 200, called.text
    call = called.headers["x-litellm-call-id"]
    while (await gateway.manage("GET", f"/usage/requests/{call}")).status_code == 404:
        await asyncio.sleep(0.02)
    return issued | {"call": call}


async def test_a_gateway_key_sees_its_own_alone(gateway: Gateway, victim: dict[str, Any]) -> None:
    mine = (await gateway.issue_key(models=["gpt"]))["key"]
    assert (await gateway.chat(mine)).status_code == 200
    victim_hash = vault.hash_key(victim["key"])
    group_by = "group_by=key&group_by=model&group_by=tag"
    asked = [
        f"{API}/usage",
        f"{API}/usage?group_by=day",
        f"{API}/usage?{group_by}",
        f"{API}/usage?key={victim['id']}",
        f"{API}/usage?key={MARK}",
        f"{API}/usage?tag={MARK}",
        f"{API}/usage/requests",
        f"{API}/usage/requests?key={victim['id']}",
        f"{API}/usage/requests?end_user={MARK}",
        f"{API}/usage/requests?format=csv",
        f"{API}/usage/requests/{victim['call']}",
        f"{API}/usage/requests/{victim['call']}/transcript",
        f"/key/info?key={victim_hash}",
        f"/key/info?key={victim['id']}",
        f"/key/info?key_alias={MARK}",
        f"/key/info?key={victim['key']}",
        "/key/list",
        "/model/info",
        "/v2/model/info",
        "/model_group/info",
        "/v1/models",
        "/v1/models/secret-model",
        "/model/info?litellm_model_id=secret-model",
        "/spend/logs",
        f"/spend/logs?request_id={victim['call']}",
        f"/spend/logs?api_key={victim_hash}",
        f"/spend/logs?api_key={victim['key']}",
        f"/spend/logs?user_id={MARK}",
        "/spend/logs?start_date=2020-01-01&end_date=2199-01-01",
        "/spend/logs?start_date=2020-01-01&end_date=2199-01-01&summarize=false",
        "/spend/keys",
        "/spend/tags",
    ]
    told_to_admins = 0
    for path in asked:
        answered = await gateway.request("GET", path, gateway.admin_key)
        told_to_admins += MARK in answered.text or "secret-model" in answered.text
        answered = await gateway.request("GET", path, mine)
        # What an error repeats of the question is no news.
        told = answered.text if answered.status_code == 200 else ""
        for secret in (MARK, "secret-model", victim_hash, victim["hint"], victim["id"]):
            assert secret not in told, (path, told)
    assert told_to_admins > len(asked) / 2


async def test_what_was_not_allowed_and_what_is_not_there_look_alike(
    gateway: Gateway, victim: dict[str, Any]
) -> None:
    mine = (await gateway.issue_key(models=["gpt"]))["key"]

    async def ask(method: str, path: str, name: str) -> tuple[int, str]:
        hello = [{"role": "user", "content": "x"}]
        body = {"model": name, "messages": hello} if method == "POST" else None
        answered = await gateway.request(method, path.format(name), mine, body)
        return answered.status_code, json.dumps(answered.json()).replace(name, "NAME")

    for method, path in (
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models/{}"),
        ("GET", f"{API}/usage/requests/{{}}"),
    ):
        there = victim["call"] if "usage" in path else "secret-model"
        assert await ask(method, path, there) == await ask(method, path, "not-there")
