"""Every class of error a client can meet, in one table; and arbitrary input at every route.

Each row says what is asked, and what comes back: status, type, param, code, a part of the message,
and headers.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.app import API, CALL_PREFIXES
from gateway.records import Operation
from tests.servers import Gateway, answer

HELLO = [{"role": "user", "content": "hello"}]
CHAT = "/v1/chat/completions"
INVALID = "invalid_request_error"


@dataclass
class Case:
    """One request and the error that answers it."""

    says: str
    status: int
    type: str
    param: str | None = None
    code: str | None = None
    method: str = "POST"
    path: str = CHAT
    key: str | None = "gateway"
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)


def chat(**body: Any) -> dict[str, Any]:
    return {"model": "gpt", "messages": HELLO} | body


def missing(param: str, body: dict[str, Any], path: str = CHAT) -> Case:
    says = f"Missing required parameter: '{param}'."
    return Case(says, 400, INVALID, param, "missing_required_parameter", path=path, body=body)


def wrong_type(param: str, body: dict[str, Any], path: str = CHAT) -> Case:
    says = f"Invalid type for '{param}':"
    return Case(says, 400, INVALID, param, "invalid_type", path=path, body=body)


def wrong_value(param: str, body: dict[str, Any], path: str = CHAT) -> Case:
    says = f"Invalid value for '{param}':"
    return Case(says, 400, INVALID, param, "invalid_value", path=path, body=body)


def unknown(param: str) -> Case:
    says = f"Unrecognized request argument supplied: {param}."
    return Case(says, 400, INVALID, param, "unknown_parameter", body=chat(**{param: "x"}))


BEARER = {"www-authenticate": "Bearer"}

CASES = {
    # Who asks
    "no key": Case(
        "Authentication Error, No api key passed in.", 401, "auth_error", key=None, answered=BEARER
    ),
    "not a bearer": Case(
        "Malformed API Key passed in. Ensure Key has `Bearer ` prefix.",
        401,
        "auth_error",
        key=None,
        headers={"authorization": "Basic c2stMTIzNA=="},
        answered=BEARER,
    ),
    "not a key": Case(
        "LiteLLM Virtual Key expected. Received=my-p****word, expected to start with 'sk-'.",
        401,
        "auth_error",
        key="my-pass-phrase-and-word",
    ),
    "unknown key": Case(
        "Authentication Error, Invalid API key provided.",
        401,
        "token_not_found_in_db",
        "key",
        key="sk-unknown-0123456789",
    ),
    "revoked key": Case("This key has been revoked.", 401, "auth_error", "key", key="revoked"),
    "gateway key managing": Case(
        "Only an admin key can manage", 401, "auth_error", path=f"{API}/keys"
    ),
    # What is asked for
    "no route": Case("POST /v1/nothing: no such route", 404, "not_found_error", path="/v1/nothing"),
    "no method": Case(
        "PUT /v1/chat/completions: no such method here",
        405,
        INVALID,
        method="PUT",
        answered={"allow": "POST"},
    ),
    "no JSON": Case("The body is not valid JSON", 400, INVALID, body=b"{"),
    "no object": Case("The body must be a JSON object.", 400, INVALID, body=b"[]"),
    "body too large": Case("The body is larger than", 413, INVALID, body=b"x" * (32 * 2**20 + 1)),
    "unknown model": Case(
        "/chat/completions: Invalid model name passed in model=none.",
        400,
        INVALID,
        "model",
        body=chat(model="none"),
    ),
    "unknown model to read": Case(
        "The model 'none' does not exist",
        404,
        "not_found_error",
        "model",
        "model_not_found",
        method="GET",
        path="/v1/models/none",
    ),
    # Chat
    "chat: no model": missing("model", {"messages": HELLO}),
    "chat: no messages": missing("messages", {"model": "gpt"}),
    "chat: null messages": missing("messages", chat(messages=None)),
    "chat: model no text": wrong_type("model", chat(model=5)),
    "chat: model empty": wrong_value("model", chat(model="")),
    "chat: messages no list": wrong_type("messages", chat(messages="hello")),
    "chat: messages empty": wrong_value("messages", chat(messages=[])),
    "chat: message no object": wrong_type("messages[0]", chat(messages=["hello"])),
    "chat: no role": wrong_value("messages[0].role", chat(messages=[{"content": "x"}])),
    "chat: odd role": wrong_value("messages[1].role", chat(messages=[*HELLO, {"role": "boss"}])),
    "chat: no content": missing("messages[0].content", chat(messages=[{"role": "user"}])),
    "chat: content a number": wrong_type(
        "messages[0].content", chat(messages=[{"role": "user", "content": 5}])
    ),
    "chat: part without text": missing(
        "messages[0].content[0].text",
        chat(messages=[{"role": "user", "content": [{"type": "text"}]}]),
    ),
    "chat: image without url": missing(
        "messages[0].content[0].image_url.url",
        chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
    ),
    "chat: tool answer without id": missing(
        "messages[0].tool_call_id", chat(messages=[{"role": "tool", "content": "x"}])
    ),
    "chat: temperature text": wrong_type("temperature", chat(temperature="hot")),
    "chat: stream text": wrong_type("stream", chat(stream="yes")),
    "chat: n zero": wrong_value("n", chat(n=0)),
    "chat: n true": wrong_type("n", chat(n=True)),
    "chat: stop number": wrong_type("stop", chat(stop=5)),
    "chat: tools no list": wrong_type("tools", chat(tools={})),
    "chat: tool without name": missing(
        "tools[0].function.name", chat(tools=[{"type": "function", "function": {}}])
    ),
    "chat: tool_choice number": wrong_type("tool_choice", chat(tool_choice=5)),
    "chat: odd response_format": wrong_value(
        "response_format.type", chat(response_format={"type": "xml"})
    ),
    "chat: stream_options alone": Case(
        "only allowed when 'stream' is enabled",
        400,
        INVALID,
        "stream_options",
        "invalid_value",
        body=chat(stream_options={"include_usage": True}),
    ),
    # Smuggling: litellm would take all of these from a body.
    **{
        f"smuggled {name}": unknown(name)
        for name in (
            "api_base",
            "api_key",
            "base_url",
            "extra_headers",
            "headers",
            "extra_body",
            "custom_llm_provider",
            "mock_response",
            "litellm_params",
            "fallbacks",
            "timeout",
            "aws_bedrock_runtime_endpoint",
            "vertex_credentials",
            "shared_session",
            "num_retries",
        )
    },
    # Completions and embeddings
    "completion: no prompt": missing("prompt", {"model": "gpt"}, "/v1/completions"),
    "completion: prompt number": wrong_type(
        "prompt", {"model": "gpt", "prompt": 5}, "/v1/completions"
    ),
    "embedding: no input": missing("input", {"model": "gpt"}, "/v1/embeddings"),
    "embedding: input empty": wrong_value("input", {"model": "gpt", "input": []}, "/v1/embeddings"),
    "embedding: input number": wrong_type("input", {"model": "gpt", "input": 5}, "/v1/embeddings"),
    "embedding: odd encoding": wrong_value(
        "encoding_format",
        {"model": "gpt", "input": "x", "encoding_format": "hex"},
        "/v1/embeddings",
    ),
    # Managing
    "model without provider": Case(
        "provider is missing", 422, INVALID, "provider", path=f"{API}/models", key="admin",
        body={"model_name": "m"},
    ),
    "model taken": Case(
        "This deployment is registered as 'twin' already", 409, "conflict_error", "model_name",
        path=f"{API}/models", key="admin", body={"model_name": "twin", "provider": "openai"},
    ),
    "model to delete unknown": Case(
        "No model is registered as 'none'", 404, "not_found_error", "model_name",
        method="DELETE", path=f"{API}/models/none", key="admin", body=None,
    ),
    # LiteLLM's routes: test_litellm_bodies_that_cannot_be has their 422.
    "LiteLLM: model taken": Case(
        "This deployment is registered as 'twin' already", 409, "conflict_error", "model_name",
        path="/model/new", key="admin",
        body={"model_name": "twin", "litellm_params": {"model": "openai/twin"}},
    ),
    "LiteLLM: model to update unknown": Case(
        "Model with id=none not found in db", 400, "auth_error", "id",
        path="/model/update", key="admin", body={"model_info": {"id": "none"}},
    ),
    "LiteLLM: model to patch unknown": Case(
        "Model none not found on proxy.", 404, "not_found_error", "id",
        method="PATCH", path="/model/none/update", key="admin",
    ),
    "LiteLLM: model to delete unknown": Case(
        "Model with id=none not found in db", 400, "auth_error", "id",
        path="/model/delete", key="admin", body={"id": "none"},
    ),
    "LiteLLM: model to read unknown": Case(
        "Model id = none not found on litellm proxy", 400, INVALID, "id",
        method="GET", path="/v1/model/info?litellm_model_id=none", body=None,
    ),
    "LiteLLM: gateway key adding a model": Case(
        "Only an admin key can manage", 401, "auth_error", path="/model/new"
    ),
    "LiteLLM: gateway key checking models": Case(
        "Only an admin key can manage", 401, "auth_error", method="GET", path="/health", body=None,
    ),
    "LiteLLM: model to check unknown": Case(
        "Model none not found", 404, "not_found_error", "model",
        method="GET", path="/health?model=none", key="admin", body=None,
    ),
    "key with odd limit": Case(
        "rpm_limit", 422, INVALID, "rpm_limit", path=f"{API}/keys", key="admin",
        body={"rpm_limit": "many"},
    ),
    "key unknown": Case(
        "No key has the id 'none'", 404, "not_found_error", "id", method="DELETE",
        path=f"{API}/keys/none", key="admin", body=None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_bad_input(gateway: Gateway, key: str, case: Case) -> None:
    secret = {"gateway": key, "admin": gateway.admin_key}.get(case.key or "", case.key)
    if case.key == "revoked":
        issued = await gateway.issue_key()
        await gateway.manage("DELETE", f"/keys/{issued['id']}")
        secret = issued["key"]
    if "'twin'" in case.says:
        await gateway.add_model("twin", api_key=None, base_url=None)
    response = await gateway.request(
        case.method, case.path, secret, case.body, case.headers | {"x-request-id": "asked"}
    )
    assert response.status_code == case.status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"] == "asked"
    for name, value in case.answered.items():
        assert response.headers[name] == value
    body = response.json()
    assert body.keys() == {"error"}
    error = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert case.says in error["message"]
    assert (error["type"], error["param"]) == (case.type, case.param)
    assert error["code"] == (case.code or str(case.status))
    assert gateway.provider.received == []


async def test_a_limit_that_is_reached(gateway: Gateway) -> None:
    await gateway.add_model()
    secret = (await gateway.issue_key(rpm_limit=1))["key"]
    await gateway.chat(secret)
    refused = await gateway.chat(secret)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["code"]) == (429, "throttling_error", "429")
    assert {"retry-after", "reset_at", "x-ratelimit-limit-requests"} <= refused.headers.keys()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_provider_refuses_keeps_status_type_code_and_message(
    gateway: Gateway, key: str, status: int, kind: str, stream: bool
) -> None:
    said = {"message": "The provider's own words", "type": kind, "param": None, "code": "its_code"}
    gateway.provider.does(answer({"error": said}, status, {"retry-after": "7"}))
    refused = await gateway.chat(key, stream=stream)
    error = refused.json()["error"]
    assert refused.status_code == status
    assert "The provider's own words" in error["message"]
    assert (error["type"], error["code"]) == (kind, "its_code")
    assert refused.headers["retry-after"] == "7"


# --- Arbitrary input

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
_FIELDS = st.sampled_from(
    ["model", "messages", "prompt", "input", "stream", "stream_options", "tools", "tool_choice",
     "response_format", "stop", "n", "temperature", "metadata", "logit_bias", "model_name",
     "provider", "api_key", "base_url", "litellm_params", "model_info", "label", "rpm_limit"]
)  # fmt: skip
_BODIES = _JSON | st.dictionaries(_FIELDS, _JSON, max_size=8)
_PATHS = [prefix + operation for prefix in CALL_PREFIXES for operation in Operation]


@functools.cache
def arbitrary_bodies() -> list[bytes]:
    """JSON from hypothesis, the same for each route; drawn first, for its tests cannot await."""
    bodies: list[bytes] = []

    @settings(max_examples=100, database=None)
    @given(_BODIES)
    def collect(body: Any) -> None:
        bodies.append(json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    collect()
    return bodies


_LITELLM_PATHS = ["/model/new", "/model/update", "/model/delete"]


@pytest.mark.parametrize("path", [*_PATHS, f"{API}/models", f"{API}/keys", *_LITELLM_PATHS])
async def test_no_json_at_all_makes_a_route_fail(gateway: Gateway, key: str, path: str) -> None:
    secret = key if path in _PATHS else gateway.admin_key
    for body in arbitrary_bodies():
        response = await gateway.request("POST", path, secret, body)
        assert response.status_code < 500, (body, response.text)
        assert isinstance(response.json(), dict)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_no_json_at_all_makes_a_change_fail(gateway: Gateway, method: str) -> None:
    for body in arbitrary_bodies():
        await gateway.manage("POST", "/models", {"model_name": "m", "provider": "openai"})
        response = await gateway.manage(method, "/models/m", body)
        assert response.status_code < 500, (body, response.text)
    assert isinstance((await gateway.manage("GET", "/models")).json()["data"], list)


async def test_no_json_at_all_makes_litellms_patch_fail(gateway: Gateway) -> None:
    await gateway.add_model("m", model_info={"id": "id"})
    for body in arbitrary_bodies():
        response = await gateway.request("PATCH", "/model/id/update", gateway.admin_key, body)
        assert response.status_code < 500, (body, response.text)
    listed = await gateway.request("GET", "/v1/model/info", gateway.admin_key)
    assert [model["model_info"]["id"] for model in listed.json()["data"]] == ["id"]


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/model/new", b"{", ["body"]),
        ("/model/new", {}, ["body", "litellm_params"]),
        ("/model/new", {"litellm_params": {}}, ["body", "litellm_params", "model"]),
        ("/model/new", {"litellm_params": {"model": "openai/x"}}, ["body", "model_name"]),
        ("/model/update", {}, ["body", "model_info", "id"]),
        ("/model/delete", {}, ["body", "id"]),
    ],
)
async def test_litellm_bodies_that_cannot_be(
    gateway: Gateway, path: str, body: Any, place: list[str]
) -> None:
    refused = await gateway.request("POST", path, gateway.admin_key, body)
    assert refused.status_code == 422
    (fault,) = refused.json()["detail"]
    assert fault["loc"] == place
    assert fault["msg"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/%00",
        "/v1/models/%ff",
        "/api/v1/gateway/keys/%27%20OR%201=1--",
        "/v1/../v1/models",
        "/%2e%2e/v1/models",
        "//v1/models",
        "/v1/models?name='; DROP TABLE keys; --",
        "/model/info?litellm_model_id=%00",
        "/v2/model/info?search=%ff&page=99999999999999999999",
        "/model_group/info?model_group=' OR 1=1--",
        "/health?model=%00",
    ],
)
async def test_odd_paths_are_answered(gateway: Gateway, path: str) -> None:
    raw = httpx.URL(gateway.url).copy_with(raw_path=path.encode().replace(b" ", b"%20"))
    response = await gateway.http.get(raw, headers={"authorization": f"Bearer {gateway.admin_key}"})
    assert response.status_code < 500
    assert (await gateway.manage("GET", "/keys")).json()["data"]
