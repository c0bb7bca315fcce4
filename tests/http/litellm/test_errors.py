"""What LiteLLM's routes answer to a request that they cannot read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Gateway

NEW, UPDATE, DELETE = "/model/new", "/model/update", "/model/delete"
PARAMS = {"model": "openai/gpt-4o"}


def new(**fields: Any) -> dict[str, Any]:
    return {"model_name": "m", "litellm_params": PARAMS} | fields


@pytest.mark.parametrize(
    ("path", "body", "place", "kind", "says"),
    [
        (NEW, b"{", [], "value_error", "The body is not valid JSON"),
        (NEW, b"[]", [], "value_error", "The body must be a JSON object."),
        (NEW, {"model_name": "m"}, ["litellm_params"], "missing", "field required"),
        (NEW, new(litellm_params={}), ["litellm_params", "model"], "missing", "field required"),
        (NEW, new(litellm_params=5), ["litellm_params"], "value_error", "dictionary"),
        (NEW, new(model_name=None), ["model_name"], "value_error", "required"),
        (NEW, new(model_name=5), ["model_name"], "value_error", "string"),
        (NEW, new(colour="red"), ["colour"], "value_error", "no such field"),
        (NEW, new(blocked=True), ["blocked"], "value_error", "cannot pause a model"),
        (
            NEW,
            new(model_info={"blocked": True}),
            ["model_info", "blocked"],
            "value_error",
            "cannot pause a model",
        ),
        (NEW, new(litellm_params={"model": "gpt"}), ["provider"], "value_error", "missing"),
        (NEW, new(model_info=5), ["model_info"], "value_error", "dictionary"),
        (UPDATE, {}, ["model_info", "id"], "value_error", "give the id"),
        (UPDATE, {"id": 5}, ["id"], "value_error", "takes text"),
        (
            UPDATE,
            {"id": "a", "model_info": {"id": "b"}},
            ["id"],
            "value_error",
            "different things",
        ),
        (DELETE, {}, ["id"], "missing", "field required"),
        (DELETE, {"id": ["x"]}, ["id"], "value_error", "takes text"),
        (DELETE, {"id": "x", "name": "y"}, ["name"], "value_error", "no such field"),
    ],
)
async def test_a_body_that_cannot_be_is_refused_as_by_fastapi(
    gateway: Gateway, path: str, body: Any, place: list[str], kind: str, says: str
) -> None:
    refused = await gateway.request("POST", path, gateway.admin_key, body)
    assert refused.status_code == 422, refused.text
    assert refused.json().keys() == {"detail"}
    (fault,) = refused.json()["detail"]
    assert fault.keys() == {"loc", "msg", "type"}
    assert (fault["loc"], fault["type"]) == (["body", *place], kind)
    assert says in fault["msg"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v2/model/info?page=0", "page"),
        ("/v2/model/info?size=x", "size"),
        ("/v2/model/info?size=%C2%B2", "size"),
        (f"/v2/model/info?page={'9' * 5000}", "page"),
        ("/v2/model/info?sortBy=costs", "sortBy"),
        ("/v2/model/info?teamId=t", "teamId"),
        ("/v1/model/info?teamId=t", "teamId"),
        ("/v2/model/info?access_group=g", "access_group"),
        ("/v2/model/info?user_models_only=true", "user_models_only"),
    ],
)
async def test_a_query_that_cannot_be_is_refused_as_by_fastapi(
    gateway: Gateway, path: str, field: str
) -> None:
    refused = await gateway.request("GET", path, gateway.admin_key)
    assert refused.status_code == 422, refused.text
    (fault,) = refused.json()["detail"]
    assert (fault["loc"], fault["type"]) == (["query", field], "value_error")
    assert fault["msg"].startswith(field)


async def test_a_position_in_a_list_is_a_number(gateway: Gateway) -> None:
    body = new(model_info={"notes": ["x", "[hidden]"]})
    refused = await gateway.request("POST", NEW, gateway.admin_key, body)
    assert refused.json()["detail"][0]["loc"] == ["body", "model_info", "notes", 1]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "says"),
    [
        ("POST", NEW, new(model_info={"id": "one"}), 409, "conflict_error", "has the id 'one'"),
        ("POST", DELETE, {"id": "x"}, 400, "auth_error", "Model with id=x not found in db"),
        ("POST", UPDATE, {"id": "x"}, 400, "auth_error", "Model with id=x not found in db"),
        ("PATCH", "/model/x/update", {}, 404, "not_found_error", "Model x not found on proxy."),
        (
            "GET",
            "/model/info?litellm_model_id=x",
            None,
            400,
            "invalid_request_error",
            "Model id = x not found on litellm proxy",
        ),
        (
            "GET",
            "/v2/model/info?sortOrder=up",
            None,
            400,
            "bad_request_error",
            "Invalid sortOrder: up. Must be 'asc' or 'desc'",
        ),
        ("GET", "/health?model=x", None, 404, "not_found_error", "Model x not found"),
        ("GET", "/health?model_id=x", None, 404, "not_found_error", "Model with ID x not found"),
        ("HEAD", "/health", None, 405, "", ""),
    ],
)
async def test_other_errors_have_openais_shape(
    gateway: Gateway, method: str, path: str, body: Any, status: int, kind: str, says: str
) -> None:
    await gateway.add_model(model_info={"id": "one"})
    refused = await gateway.request(method, path, gateway.admin_key, body)
    assert refused.status_code == status, refused.text
    if method != "HEAD":
        error = refused.json()["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert says in error["message"]
        assert (error["type"], error["code"]) == (kind, str(status))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", NEW),
        ("POST", UPDATE),
        ("PATCH", "/model/x/update"),
        ("POST", DELETE),
        ("GET", "/health"),
        ("HEAD", "/health"),
        ("GET", "/health/readiness/details"),
    ],
)
async def test_a_gateway_key_changes_and_checks_nothing(
    gateway: Gateway, key: str, method: str, path: str
) -> None:
    refused = await gateway.request(method, path, key, {})
    assert refused.status_code == 401
    if method != "HEAD":
        assert "Only an admin key" in refused.json()["error"]["message"]
    nobody = await gateway.request(method, path, None, {})
    assert nobody.status_code == 401
    assert gateway.provider.received == []


@pytest.mark.parametrize(
    "path", ["/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info"]
)
async def test_information_needs_a_key(gateway: Gateway, path: str) -> None:
    assert (await gateway.request("GET", path, None)).status_code == 401
