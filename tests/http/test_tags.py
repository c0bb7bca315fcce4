"""Tags of a request: where they may stand, and that no provider sees them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from gateway.store.tables import ledger
from tests.servers import Gateway


async def stored(gateway: Gateway) -> list[str]:
    """The tags in the ledger's last row."""
    store = gateway.app.state.services.store
    await gateway.flush()
    async with store.database.read() as connection:
        query = select(ledger.c.tags).order_by(ledger.c.position.desc()).limit(1)
        return list(await connection.scalar(query))


@pytest.mark.parametrize(
    ("headers", "params", "tags"),
    [
        ({"x-litellm-tags": "a, b,,a"}, {}, ["a", "b"]),
        ({}, {"tags": ["x", "y"]}, ["x", "y"]),
        ({}, {"metadata": {"tags": ["x"], "run": "7"}}, ["x"]),
        ({}, {"metadata": {"tags": ["x"]}}, ["x"]),
        ({"x-litellm-tags": "a"}, {"tags": ["b"], "metadata": {"tags": ["c"]}}, ["a", "b", "c"]),
        # Not every database holds null characters, and none loses a row for them.
        ({}, {"tags": ["a\0", "\0"], "user": "\0"}, ["a\ufffd", "\ufffd"]),
        # A text is OpenAI's metadata.
        ({}, {"metadata": {"tags": "x"}}, []),
    ],
)
async def test_tags_are_filed_and_not_sent(
    gateway: Gateway, headers: dict[str, str], params: dict[str, Any], tags: list[str]
) -> None:
    await gateway.add_model()
    key = (await gateway.issue_key(tags=["key"]))["key"]
    body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}]} | params
    response = await gateway.request("POST", "/v1/chat/completions", key, body, headers)
    assert response.status_code == 200, response.text
    assert await stored(gateway) == ["key", *tags]
    (sent,) = gateway.provider.received
    assert "tags" not in sent.body
    assert "x-litellm-tags" not in sent.headers
    kept = {name: value for name, value in params.get("metadata", {}).items() if tags == []}
    kept |= {"run": "7"} if "run" in params.get("metadata", {}) else {}
    assert sent.body.get("metadata", {}) == kept


@pytest.mark.parametrize(
    ("headers", "params", "param"),
    [
        ({}, {"tags": "x"}, "tags"),
        ({}, {"tags": [1]}, "tags"),
        ({}, {"tags": [""]}, "tags"),
        ({}, {"metadata": {"tags": [{}]}}, "metadata.tags"),
        ({"x-litellm-tags": ",".join(map(str, range(21)))}, {}, "tags"),
        ({"x-litellm-tags": "x" * 65}, {}, "tags"),
    ],
)
async def test_odd_tags_are_refused(
    gateway: Gateway, key: str, headers: dict[str, str], params: dict[str, Any], param: str
) -> None:
    body = {"model": "gpt", "messages": [{"role": "user", "content": "x"}]} | params
    response = await gateway.request("POST", "/v1/chat/completions", key, body, headers)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert gateway.provider.received == []
