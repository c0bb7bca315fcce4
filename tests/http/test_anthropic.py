"""What Anthropic's clients see beside the answers: errors, headers, bodies, models, the probe."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.app import CALL_PREFIXES, create_app
from gateway.errors import InvalidRequest
from gateway.http.bodies import validate
from gateway.records import Operation
from gateway.settings import Settings
from tests import messages as wire
from tests.conftest import ADMIN_KEY
from tests.servers import FakeProvider, Gateway, Json, answer, http_client, serving

ROUTES = ("/messages", "/messages/count_tokens")
VERSION = {"anthropic-version": "2023-06-01"}
MESSAGE: Json = {"model": "claude", "messages": [{"role": "user", "content": "hello"}]}
BODIES = {"/messages": MESSAGE | {"max_tokens": 64}, "/messages/count_tokens": MESSAGE}


@pytest.fixture(scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, _provider: FakeProvider
) -> AsyncIterator[Gateway]:
    path = tmp_path_factory.mktemp("anthropic") / "gateway.db"
    settings = Settings(
        database_url=f"sqlite:///{path}", admin_key=ADMIN_KEY, max_body_bytes=10_000
    )
    app = create_app(settings)
    async with serving(app) as url, http_client() as http:
        made = Gateway(url, ADMIN_KEY, _provider, app, http)
        await made.try_once()
        for name in ("claude", "haiku", "opus", "sonnet"):
            await made.add_model(
                name,
                provider="anthropic",
                base_url=_provider.url,
                litellm_params={"model": wire.MODEL},
            )
        yield made


@pytest.fixture
def gateway(running: Gateway, provider: FakeProvider) -> Gateway:
    """A gateway with models of Anthropic's; one for all these tests."""
    provider.does(lambda: answer(wire.message("Hi")))
    return running


@pytest.fixture(scope="module")
async def key(running: Gateway) -> str:
    return str((await running.issue_key())["key"])


def check_error(response: httpx.Response, status: int, kind: str) -> Json:
    """The error, which is in Anthropic's envelope and in nothing else."""
    assert response.status_code == status, response.text
    body = response.json()
    assert list(body) == ["type", "error", "request_id"]
    assert body["type"] == "error"
    assert body["request_id"] == response.headers["request-id"]
    assert list(body["error"]) == ["type", "message"]
    assert body["error"]["type"] == kind
    return dict(body["error"])


# --- errors ---


@pytest.mark.parametrize("route", ROUTES)
async def test_every_refusal_is_in_anthropics_envelope(
    gateway: Gateway, key: str, route: str
) -> None:
    body = BODIES[route]
    narrow = (await gateway.issue_key(models=["other"]))["key"]
    spent = (await gateway.issue_key(max_budget=0))["key"]
    once = (await gateway.issue_key(rpm_limit=1))["key"]
    await gateway.request("POST", "/v1/messages", once, BODIES["/messages"])
    large = body | {"system": "x" * 10_000}
    invalid, unauthorised = "invalid_request_error", "authentication_error"
    for prefix in CALL_PREFIXES:
        path = prefix + route

        async def post(secret: str | None, sent: Any, path: str = path) -> httpx.Response:
            return await gateway.request("POST", path, secret, sent)

        check_error(await post(None, body), 401, unauthorised)
        check_error(await post("sk-unknown-0123456789", body), 401, unauthorised)
        check_error(await post(key, b"{"), 400, invalid)
        check_error(await post(key, b"[]"), 400, invalid)
        check_error(await post(key, body | {"odd": 1}), 400, invalid)
        check_error(await post(key, body | {"model": "none such"}), 400, invalid)
        check_error(await post(narrow, body), 403, "permission_error")
        check_error(await post(key, large), 413, "request_too_large")
        check_error(await post(once, body), 429, "rate_limit_error")
        check_error(await gateway.request("GET", path, key), 405, invalid)
        if route == "/messages":
            check_error(await post(spent, body), 422, invalid)


async def test_other_routes_keep_openais_envelope(gateway: Gateway, key: str) -> None:
    for path in ("/v1/chat/completions", "/v1/messages/none"):
        response = await gateway.request("POST", path, key, {}, VERSION)
        assert list(response.json()) == ["error"]
        assert "request-id" not in response.headers


async def test_a_fault_within_says_nothing_of_it(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_call: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(gateway.app.state.services.pipeline, "complete", fail)
    response = await gateway.request("POST", "/v1/messages", key, BODIES["/messages"])
    assert "secret" not in check_error(response, 500, "api_error")["message"]


# --- who calls, and with what ---


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
async def test_both_of_anthropics_credentials_are_taken(
    gateway: Gateway, key: str, name: str
) -> None:
    given = {name: f"Bearer {key}" if name == "authorization" else key}
    for path in ("/v1/messages?beta=true", "/api/v1/gateway/messages", "/messages"):
        response = await gateway.request("POST", path, None, BODIES["/messages"], given | VERSION)
        assert response.status_code == 200
        assert response.json()["model"] == "claude"
        assert response.headers["request-id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("name", ["anthropic-version", "anthropic-beta"])
@pytest.mark.parametrize("value", ["x" * 2049, "a\tb", "é", '"', "a=b", "{}"])
async def test_headers_that_are_none_of_anthropics_are_refused(
    gateway: Gateway, key: str, name: str, value: str
) -> None:
    headers = {"authorization": f"Bearer {key}", name: value.encode()}
    response = await gateway.http.post(
        f"{gateway.url}/v1/messages",
        json=BODIES["/messages"],
        headers=headers,  # type: ignore[arg-type] # httpx takes bytes
    )
    assert name in check_error(response, 400, "invalid_request_error")["message"]
    assert gateway.provider.received == []


async def test_betas_in_several_headers_are_one_list(gateway: Gateway, key: str) -> None:
    headers = [("x-api-key", key), ("anthropic-beta", "a-1"), ("anthropic-beta", "b-2, c-3")]
    response = await gateway.http.post(
        f"{gateway.url}/v1/messages", json=BODIES["/messages"], headers=headers
    )
    assert response.status_code == 200
    betas = gateway.provider.received[-1].headers["anthropic-beta"]
    assert sorted(betas.split(",")) == ["a-1", "b-2", "c-3"]


# --- bodies ---


@pytest.mark.parametrize(
    "more",
    [
        {"system": "x"},
        {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
        {"tools": [{"name": "f", "input_schema": {"type": "object"}}]},
        {"tools": [{"type": "custom", "name": "f", "input_schema": {}, "strict": True}]},
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        {"tools": [{"type": "mcp_toolset", "mcp_server_name": "a"}]},
        {"tool_choice": {"type": "tool", "name": "f"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"output_config": {"effort": "high"}},
        {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": ""}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
    ],
)
def test_what_clients_send_passes(more: Json) -> None:
    for operation in (Operation.MESSAGES, Operation.COUNT_TOKENS):
        body = BODIES[operation] | more
        assert validate(operation, body) == body


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "64"}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, None),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": "x"}]}]}, None),
        ({"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "x"}]}]}, None),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, None),
        ({"system": [{"type": "image"}]}, "system[0].text"),
        ({"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "x"}]}, "tools[0]"),
        ({"tools": [{"type": "mcp", "server_url": "litellm_proxy"}]}, "tools[0]"),
        ({"tools": "x"}, "tools"),
        ({"metadata": {"user_id": 1}}, "metadata.user_id"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stream": "yes"}, "stream"),
        # What multiplies the price, and what is litellm's own.
        *(
            ({name: "x"}, name)
            for name in (
                "speed",
                "inference_geo",
                "api_base",
                "api_key",
                "custom_llm_provider",
                "extra_headers",
                "litellm_metadata",
                "mock_response",
                "model_info",
                "num_retries",
                "provider_specific_header",
                "_skip_mcp_handler",
            )
        ),
    ],
)
def test_what_is_refused_is_named(more: Json, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate(Operation.MESSAGES, BODIES["/messages"] | more)
    assert refused.value.param
    assert param in (None, refused.value.param)


def test_counting_takes_what_has_tokens_alone() -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate(Operation.COUNT_TOKENS, BODIES["/messages"])
    assert refused.value.param == "max_tokens"


# --- models ---


async def models(gateway: Gateway, key: str, query: str = "") -> httpx.Response:
    return await gateway.request("GET", f"/v1/models{query}", key, None, VERSION)


async def test_anthropics_clients_get_anthropics_list(gateway: Gateway, key: str) -> None:
    listed = (await models(gateway, key)).json()
    assert [each["id"] for each in listed["data"]] == ["claude", "haiku", "opus", "sonnet"]
    rest = {name: value for name, value in listed.items() if name != "data"}
    assert rest == {"has_more": False, "first_id": "claude", "last_id": "sonnet"}
    [entry] = [each for each in listed["data"] if each["id"] == "opus"]
    assert list(entry) == ["type", "id", "display_name", "created_at"]
    assert (entry["type"], entry["display_name"]) == ("model", "opus")
    assert len(entry["created_at"]) == len("2026-01-01T00:00:00Z")
    for prefix in CALL_PREFIXES:
        one = await gateway.request("GET", f"{prefix}/models/opus", key, None, VERSION)
        assert one.json() == entry
    plain = (await gateway.request("GET", "/v1/models", key)).json()
    assert plain["object"] == "list"


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("?limit=2", ["claude", "haiku"], True),
        ("?limit=2&after_id=haiku", ["opus", "sonnet"], False),
        ("?after_id=sonnet", [], False),
        ("?limit=2&before_id=sonnet", ["haiku", "opus"], True),
        ("?limit=2&before_id=opus", ["claude", "haiku"], False),
        ("?limit=1000", ["claude", "haiku", "opus", "sonnet"], False),
    ],
)
async def test_the_list_comes_in_pages(
    gateway: Gateway, key: str, query: str, ids: list[str], more: bool
) -> None:
    page = (await models(gateway, key, query)).json()
    assert [each["id"] for each in page["data"]] == ids
    assert page["has_more"] == more
    ends = (ids[0], ids[-1]) if ids else (None, None)
    assert (page["first_id"], page["last_id"]) == ends


@pytest.mark.parametrize(
    "query",
    ["?limit=0", "?limit=1001", "?limit=x", "?after_id=none", "?after_id=opus&before_id=opus"],
)
async def test_a_page_that_is_none_is_refused(gateway: Gateway, key: str, query: str) -> None:
    check_error(await models(gateway, key, query), 400, "invalid_request_error")


async def test_errors_of_the_list_are_anthropics_too(gateway: Gateway, key: str) -> None:
    unknown = await gateway.request("GET", "/v1/models/none", key, None, VERSION)
    check_error(unknown, 404, "not_found_error")
    check_error(await models(gateway, "sk-unknown-0123456789"), 401, "authentication_error")


async def test_an_admin_sees_each_name_once(gateway: Gateway) -> None:
    await gateway.add_model("claude", litellm_params={"model": "gpt-4o", "order": 2})
    listed = (await models(gateway, gateway.admin_key)).json()["data"]
    assert sorted(each["id"] for each in listed) == ["claude", "haiku", "opus", "sonnet"]


# --- the probe ---


async def test_the_root_answers_without_a_key(gateway: Gateway) -> None:
    probe = await gateway.request("HEAD", "/", None)
    assert (probe.status_code, probe.content) == (200, b"")
    shown = await gateway.request("GET", "/", None)
    assert shown.status_code == 200
    assert json.loads(shown.content)["object"] == "gateway"
    assert (await gateway.request("POST", "/", None)).status_code == 405
