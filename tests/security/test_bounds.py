"""Bodies that are made to be expensive.

What they cost is counted in CPU time, of which a busy machine takes no more.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.app import API
from gateway.http import protocol
from tests.conftest import ADMIN_KEY
from tests.security.conftest import ADMIN, GATEWAY, Fortress
from tests.security.raw import bearer, exchange, request

HELLO = '[{"role":"user","content":"hello"}]'


def nested(depth: int, kind: str) -> str:
    opening, closing = {"list": ("[", "]"), "object": ('{"a":', "}")}[kind]
    return opening * depth + ("1" if kind == "object" else "") + closing * depth


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("depth", [100, 1015, 100_000])
@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (f"{API}/keys", '{"metadata":{"x":', "}}"),
        (f"{API}/teams", '{"name":"n","metadata":{"x":', "}}"),
        (f"{API}/models", '{"model_name":"n","provider":"openai","litellm_params":{"x":', "}}"),
        (f"{API}/models", '{"model_name":"n","provider":"openai","model_info":{"x":', "}}"),
        ("/key/generate", '{"metadata":{"x":', "}}"),
        ("/model/new", '{"model_name":"n","litellm_params":{"model":"openai/n","x":', "}}"),
        ("/v1/chat/completions", '{"model":"gpt","messages":', "}"),
        ("/v1/chat/completions", '{"model":"gpt","messages":[{"role":"user","content":', "}]}"),
        (
            "/v1/chat/completions",
            f'{{"model":"gpt","messages":{HELLO},"metadata":',
            "}",
        ),
        ("/v1/embeddings", '{"model":"gpt","input":', "}"),
    ],
)
async def test_deep_nesting_is_no_failure(
    fortress: Fortress, path: str, before: str, after: str, depth: int, kind: str
) -> None:
    body = f"{before}{nested(depth, kind)}{after}".encode()
    found = await fortress.ask("POST", path, ADMIN, body)
    assert found.status_code < 500, found.text[:300]
    if path == f"{API}/models" and found.status_code == 201:
        await fortress.ask("DELETE", f"{API}/models/n", ADMIN)
    if path == "/model/new" and found.status_code == 200:
        await fortress.ask("POST", "/model/delete", ADMIN, {"id": found.json()["model_id"]})
    # What was stored can be read again.
    listing = path.removeprefix(API) if path.startswith(API) else "/audit"
    assert (await fortress.ask("GET", f"{API}{listing}", ADMIN)).status_code == 200


@pytest.mark.parametrize(
    "number", ["1" * 400, "1" * 100_000, "1e400", "-1e400", "1e-400", "9" * 20, str(2**63), "1.5"]
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{API}/keys", '{"rpm_limit":%s}'),
        (f"{API}/keys", '{"max_budget":%s}'),
        (f"{API}/keys", '{"metadata":{"n":%s}}'),
        (f"{API}/teams", '{"name":"n%%","max_budget":%s}'),
        ("/key/generate", '{"max_budget":%s}'),
        ("/key/generate", '{"tpm_limit":%s}'),
        ("/v1/chat/completions", '{"model":"gpt","messages":[],"max_tokens":%s}'),
        ("/v1/embeddings", '{"model":"gpt","input":[%s]}'),
    ],
)
async def test_huge_numbers_are_no_failure(
    fortress: Fortress, path: str, body: str, number: str
) -> None:
    found = await fortress.ask("POST", path, ADMIN, (body % number).encode())
    assert found.status_code < 500, found.text[:300]
    assert (await fortress.ask("GET", f"{API}/keys", ADMIN)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {str(number): 0 for number in range(100_000)},
        {"metadata": {str(number): 0 for number in range(100_000)}},
        {"models": ["m"] * 100_000},
        {"models": ["*" * 200] * 1000},
        {"label": "x" * 1_000_000},
        {"tags": ["x"] * 100_000},
    ],
    ids=["fields", "metadata", "models", "patterns", "label", "tags"],
)
async def test_a_broad_body_is_answered_soon(fortress: Fortress, body: dict[str, Any]) -> None:
    started = time.process_time()
    found = await fortress.ask("POST", f"{API}/keys", ADMIN, body)
    assert found.status_code < 500, found.text[:300]
    assert time.process_time() - started < 5
    if found.status_code == 201:
        await fortress.ask("DELETE", f"{API}/keys/{found.json()['id']}", ADMIN)


async def test_a_pattern_of_models_does_not_take_for_ever(fortress: Fortress) -> None:
    """Nor a name that nearly fits it: a regular expression would try for ten seconds."""
    issued = await fortress.gateway.issue_key(models=["a*" * 5 + "b"])
    started = time.process_time()
    refused = await fortress.gateway.chat(issued["key"], "a" * 250)
    assert refused.status_code in (400, 403)
    assert time.process_time() - started < 2


async def test_the_same_field_twice_is_one_value(fortress: Fortress) -> None:
    """Nothing looks at a body twice in different ways: the last value is checked and sent."""
    provider = fortress.gateway.provider
    provider.reset()
    body = (
        b'{"model":"none","model":"gpt","messages":[{"role":"user","content":"x"}],'
        b'"user":"a","user":"b"}'
    )
    found = await fortress.ask("POST", "/v1/chat/completions", GATEWAY, body)
    assert found.status_code == 200, found.text
    [received] = provider.received
    assert (received.body["model"], received.body["user"]) == ("gpt", "b")


@pytest.mark.parametrize("path", ["/v1/chat/completions", f"{API}/keys"])
async def test_a_body_that_stops_coming_is_not_waited_for(
    fortress: Fortress, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(protocol, "CLIENT_SECONDS", 0.05)
    asked = request("POST", path, bearer(ADMIN_KEY), "content-length: 100", body=b'{"model":')
    kept_alive = asked.replace(b"connection: close\r\n", b"")
    answers = await exchange(fortress.gateway.url, kept_alive)
    assert answers.statuses == [408]
    assert answers.error["type"] == "timeout_error"


async def test_without_a_key_no_body_is_waited_for(fortress: Fortress) -> None:
    asked = request("POST", f"{API}/keys", "content-length: 100", body=b"{")
    assert (await exchange(fortress.gateway.url, asked)).statuses == [401]
