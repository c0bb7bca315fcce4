"""Managing models over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import Settings
from tests.servers import Gateway, serving

NAMES = [
    "gpt-4o",
    "openai/gpt-4o",
    "anthropic.claude-3:0",
    "a/b/c:d",
    "smith's model",
    "модель",
    "a%2Fb",
]


async def test_a_new_model_is_called_at_once(gateway: Gateway, key: str) -> None:
    await gateway.add_model("second", litellm_params={"model": "gpt-4o-mini"})
    answer = await gateway.chat(key, "second")
    assert answer.status_code == 200
    assert answer.json()["model"] == "second"
    assert gateway.provider.received[-1].body["model"] == "gpt-4o-mini"


async def test_post_answers_with_what_is_registered_and_without_the_key(gateway: Gateway) -> None:
    body = await gateway.add_model(
        "azure-gpt",
        provider="azure",
        base_url="https://me.openai.azure.com/",
        api_version="2024-10-21",
        api_key="azure-secret-0123456789",
        litellm_params={"temperature": 0.2, "azure_ad_token": "token-0123456789"},
    )
    assert body["id"] == body["model_name"] == "azure-gpt"
    assert body["object"] == "model"
    assert body["provider"] == "azure"
    assert body["base_url"] == "https://me.openai.azure.com"
    assert body["api_version"] == "2024-10-21"
    assert body["api_key"] == "[hidden]"
    assert body["litellm_params"] == {
        "model": "azure-gpt",
        "temperature": 0.2,
        "azure_ad_token": "[hidden]",
    }


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_can_be_registered_read_called_and_deleted(
    gateway: Gateway, name: str
) -> None:
    await gateway.add_model(name)
    secret = (await gateway.issue_key())["key"]
    path = "/".join(
        httpx.URL("http://x").copy_with(path="/" + p).raw_path[1:].decode()
        for p in name.replace("%", "%25").split("/")
    )
    one = await gateway.request("GET", f"/v1/models/{path}", secret)
    assert one.status_code == 200, one.text
    assert one.json()["id"] == name
    assert (await gateway.chat(secret, name)).status_code == 200
    gone = await gateway.manage("DELETE", f"/models/{path}")
    assert gone.status_code == 200
    assert gone.json() | {"id": ""} == {
        "id": "",
        "model_name": name,
        "object": "model",
        "deleted": True,
    }
    assert (await gateway.chat(secret, name)).status_code == 400


@pytest.mark.parametrize("way", ["path", "escaped path", "query", "body"])
async def test_delete_takes_the_name_in_three_places(gateway: Gateway, way: str) -> None:
    name = "team/gpt:latest"
    await gateway.add_model(name)
    match way:
        case "path":
            response = await gateway.manage("DELETE", f"/models/{name}")
        case "escaped path":
            response = await gateway.manage("DELETE", "/models/team%2Fgpt%3Alatest")
        case "query":
            response = await gateway.manage("DELETE", "/models?name=team%2Fgpt:latest")
        case _:
            response = await gateway.manage("DELETE", "/models", {"model_name": name})
    assert response.status_code == 200, response.text
    assert (await gateway.manage("GET", "/models")).json()["data"] == []


async def test_delete_without_a_name_or_with_other_fields_is_refused(gateway: Gateway) -> None:
    none = await gateway.manage("DELETE", "/models")
    assert (none.status_code, none.json()["error"]["param"]) == (422, "model_name")
    other = await gateway.manage("DELETE", "/models", {"name": "gpt"})
    assert (other.status_code, other.json()["error"]["param"]) == (422, "name")


async def test_deleting_a_model_leaves_keys_and_gives_litellms_error(
    gateway: Gateway, key: str
) -> None:
    await gateway.manage("DELETE", "/models/gpt")
    refused = await gateway.chat(key)
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "message": "/chat/completions: Invalid model name passed in model=gpt. "
        "Call `/v1/models` to view available models for your key.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "400",
    }
    await gateway.add_model()
    assert (await gateway.chat(key)).status_code == 200


async def test_patch_changes_what_it_names(gateway: Gateway, key: str) -> None:
    before = (await gateway.manage("GET", "/models/gpt")).json()
    changed = await gateway.manage(
        "PATCH",
        "/models/gpt",
        {
            "model_name": "new/name",
            "api_key": "sk-other-0123456789",
            "litellm_params": {"top_p": 0.5},
        },
    )
    assert changed.status_code == 200, changed.text
    after = changed.json()
    assert after["model_id"] == before["model_id"]
    assert after["created_at"] == before["created_at"]
    assert after["litellm_params"] == {"model": "gpt", "top_p": 0.5}
    assert (await gateway.chat(key)).status_code == 400
    assert (await gateway.chat(key, "new/name")).status_code == 200
    sent = gateway.provider.received[-1]
    assert sent.headers["authorization"] == "Bearer sk-other-0123456789"
    assert (sent.body["model"], sent.body["top_p"]) == ("gpt", 0.5)


async def test_patch_takes_the_name_from_the_query_and_null_removes(gateway: Gateway) -> None:
    await gateway.add_model("m", litellm_params={"top_p": 0.5, "seed": 1})
    changed = await gateway.manage(
        "PATCH", "/models?name=m", {"api_key": None, "litellm_params": {"seed": None}}
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["api_key"] is None
    assert changed.json()["litellm_params"] == {"model": "m", "top_p": 0.5}


@pytest.mark.parametrize(
    ("patch", "status", "param"),
    [
        ({"provider": "azure", "base_url": None}, 422, "base_url"),
        ({"provider": "opnai"}, 422, "provider"),
        ({"colour": "red"}, 422, "colour"),
        ({"model_name": "taken", "litellm_params": {"model": "taken"}}, 409, "model_name"),
        ({"model_name": ""}, 422, "model_name"),
        ({"litellm_params": {"model": "*"}}, 422, "litellm_params.model"),
        ({"litellm_params": {"rpm": 0}}, 422, "litellm_params.rpm"),
        ({"litellm_params": {"model": 5}}, 422, "litellm_params.model"),
    ],
)
async def test_a_bad_patch_changes_nothing(
    gateway: Gateway, patch: dict[str, Any], status: int, param: str
) -> None:
    await gateway.add_model("taken")
    await gateway.add_model("m")
    before = (await gateway.manage("GET", "/models/m")).json()
    refused = await gateway.manage("PATCH", "/models/m", patch)
    assert (refused.status_code, refused.json()["error"]["param"]) == (status, param)
    assert (await gateway.manage("GET", "/models/m")).json() == before


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"provider": "openai"}, "model_name", "required"),
        ({"model_name": "m"}, "provider", "missing"),
        ({"model_name": "m", "provider": "opnai"}, "provider", "did you mean openai"),
        ({"model_name": "m", "provider": "azure"}, "base_url", "required"),
        ({"model_name": "m", "provider": "ollama"}, "base_url", "required"),
        ({"model_name": "m", "provider": "hosted_vllm"}, "base_url", "required"),
        ({"model_name": "m", "provider": "openai", "base_url": "ftp://x"}, "base_url", "http://"),
        ({"model_name": "m", "provider": "openai", "key": "x"}, "key", "no such field"),
        ({"model_name": 5, "provider": "openai"}, "model_name", "string"),
    ],
)
async def test_a_bad_model_is_refused_by_field(
    gateway: Gateway, body: dict[str, Any], param: str, says: str
) -> None:
    refused = await gateway.manage("POST", "/models", body)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["code"]) == (422, param, "422")
    assert error["type"] == "invalid_request_error"
    assert param in error["message"]
    assert says in error["message"]


async def test_patches_at_once_lose_nothing(gateway: Gateway) -> None:
    await gateway.add_model("m")
    names = [f"p{n}" for n in range(20)]
    await asyncio.gather(
        *(gateway.manage("PATCH", "/models/m", {"model_info": {name: 1}}) for name in names)
    )
    info = (await gateway.manage("GET", "/models/m")).json()["model_info"]
    assert sorted(info) == sorted(names)


async def test_a_hidden_secret_sent_back_is_not_taken_for_the_secret(gateway: Gateway) -> None:
    shown = await gateway.add_model("m", litellm_params={"aws_secret_access_key": "secret-0123"})
    for field in ("api_key", "litellm_params"):
        refused = await gateway.manage("PATCH", "/models/m", {field: shown[field]})
        assert refused.status_code == 422
        assert "shown in place of a secret" in refused.json()["error"]["message"]


async def _pair(gateway: Gateway) -> list[str]:
    """The ids of two deployments of `m`, which the provider knows as `up` and `m`."""
    models = [await gateway.add_model("m", litellm_params={"model": up}) for up in ("up", "m")]
    return [model["model_id"] for model in models]


async def test_the_same_name_twice_is_one_more_deployment(gateway: Gateway, key: str) -> None:
    first, second = await _pair(gateway)
    listed = (await gateway.manage("GET", "/models")).json()["data"]
    ids = [entry["model_id"] for entry in listed if entry["id"] == "m"]
    assert ids == [first, second]
    names = (await gateway.request("GET", "/v1/models", key)).json()["data"]
    assert [entry["id"] for entry in names] == ["gpt", "m"]
    # At random: that one of two gets none of thirty has a chance of one in 500 million.
    reached = set()
    for _ in range(30):
        assert (await gateway.chat(key, "m")).json()["model"] == "m"
        reached.add(gateway.provider.received[-1].body["model"])
    assert reached == {"up", "m"}


async def test_the_same_deployment_twice_is_a_conflict(gateway: Gateway) -> None:
    await _pair(gateway)
    known = (await gateway.manage("GET", "/models/m")).json()["model_id"]
    for info in ({}, {"mode": "chat"}):
        again = {
            "model_name": "m",
            "litellm_params": {"model": "openai/up", "api_base": f"{gateway.provider.url}/v1/"},
            "api_key": "sk-upstream-0123456789",
            "model_info": info,
        }
        refused = await gateway.manage("POST", "/models", again)
        assert (refused.status_code, refused.json()["error"]["param"]) == (409, "model_name")
        assert repr(known) in refused.json()["error"]["message"]
    assert (await gateway.manage("POST", "/models", again | {"api_key": "k2"})).status_code == 201


async def test_where_several_share_a_name_one_is_addressed_by_its_id(gateway: Gateway) -> None:
    first, second = await _pair(gateway)
    for method, path in (
        ("PATCH", "/models/m"),
        ("PATCH", "/models?name=m"),
        ("DELETE", "/models/m"),
        ("DELETE", "/models?name=m"),
    ):
        body = {"litellm_params": {"seed": 1}} if method == "PATCH" else None
        refused = await gateway.manage(method, path, body)
        assert (refused.status_code, refused.json()["error"]["param"]) == (409, "model_name")
        assert f"the id of one instead: {first}, {second}" in refused.json()["error"]["message"]
    for number, path in enumerate((f"/models/{first}", f"/models?id={first}")):
        changed = await gateway.manage("PATCH", path, {"litellm_params": {"seed": number}})
        assert changed.status_code == 200, changed.text
        assert (changed.json()["model_id"], changed.json()["litellm_params"]["seed"]) == (
            first,
            number,
        )
    assert (await gateway.manage("GET", f"/models/{second}")).json()["model_id"] == second
    gone = await gateway.manage("DELETE", f"/models/{first}")
    assert gone.json() == {"id": first, "model_name": "m", "object": "model", "deleted": True}
    assert (await gateway.manage("PATCH", "/models/m", {"model_info": {"a": 1}})).is_success


@pytest.mark.parametrize("way", ["path", "query", "body"])
async def test_delete_takes_an_id_in_three_places(gateway: Gateway, way: str) -> None:
    first, second = await _pair(gateway)
    match way:
        case "path":
            response = await gateway.manage("DELETE", f"/models/{first}")
        case "query":
            response = await gateway.manage("DELETE", f"/models?id={first}")
        case _:
            response = await gateway.manage("DELETE", "/models", {"id": first})
    assert response.status_code == 200, response.text
    listed = (await gateway.manage("GET", "/models")).json()["data"]
    assert [entry["model_id"] for entry in listed] == [second]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/models?id=x&name=y", None, "model_name"),
        ("/models/x?id=y", None, "id"),
        ("/models?name=x", {"id": "y"}, "id"),
        ("/models", {"id": 5}, "id"),
    ],
)
async def test_a_model_is_named_in_one_way(
    gateway: Gateway, path: str, body: Any, param: str
) -> None:
    refused = await gateway.manage("DELETE", path, body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)


async def test_a_name_is_no_id(gateway: Gateway) -> None:
    await gateway.add_model("m")
    for method in ("PATCH", "DELETE"):
        missing = await gateway.manage(method, "/models?id=m", {} if method == "PATCH" else None)
        assert (missing.status_code, missing.json()["error"]["param"]) == (404, "id")


async def test_a_model_renamed_to_a_name_that_there_is_joins_it(gateway: Gateway) -> None:
    await gateway.add_model("m")
    await gateway.add_model("other")
    joined = await gateway.manage("PATCH", "/models/other", {"model_name": "m"})
    assert joined.status_code == 200, joined.text
    listed = (await gateway.manage("GET", "/models")).json()["data"]
    assert [(entry["id"], entry["litellm_params"]["model"]) for entry in listed] == [
        ("m", "m"),
        ("m", "other"),
    ]


async def test_patterns_are_listed_for_admins_and_what_they_stand_for_is_found(
    gateway: Gateway, key: str
) -> None:
    await gateway.add_model("openai/*", litellm_params={"model": "*"})
    listed = (await gateway.manage("GET", "/models")).json()["data"]
    assert {entry["id"] for entry in listed} == {"gpt", "openai/*"}
    names = (await gateway.request("GET", "/v1/models", key)).json()["data"]
    assert [entry["id"] for entry in names] == ["gpt"]
    for caller in (key, gateway.admin_key):
        one = await gateway.request("GET", "/v1/models/openai/gpt-4o", caller)
        assert (one.status_code, one.json()["id"]) == (200, "openai/gpt-4o")
        assert one.json()["owned_by"] == "openai"
    only = (await gateway.issue_key(models=["gpt"]))["key"]
    for name, caller in (("openai/gpt-4o", only), ("azure/x", key)):
        missing = await gateway.request("GET", f"/v1/models/{name}", caller)
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_model_limit_of_a_key_holds_for_all_deployments_together(gateway: Gateway) -> None:
    first, _ = await _pair(gateway)
    secret = (await gateway.issue_key(model_rpm_limit={"m": 2}))["key"]
    statuses = [(await gateway.chat(secret, "m")).status_code for _ in range(2)]
    await gateway.manage("PATCH", f"/models/{first}", {"litellm_params": {"seed": 1}})
    statuses.append((await gateway.chat(secret, "m")).status_code)
    assert statuses == [200, 200, 429]


async def test_an_unknown_model_cannot_be_patched_or_deleted(gateway: Gateway) -> None:
    for method in ("PATCH", "DELETE"):
        missing = await gateway.manage(method, "/models/none", {} if method == "PATCH" else None)
        assert missing.status_code == 404
        assert "'none'" in missing.json()["error"]["message"]


async def test_a_public_provider_needs_no_base_url(gateway: Gateway) -> None:
    created = await gateway.manage("POST", "/models", {"model_name": "m", "provider": "openai"})
    assert created.status_code == 201
    assert created.json()["base_url"] is None


async def test_another_process_sees_a_change_within_a_second(
    gateway: Gateway, key: str, settings: Settings
) -> None:
    async with serving(create_app(settings)) as url:
        other = Gateway(url, gateway.admin_key, gateway.provider, gateway.app, gateway.http)
        await gateway.add_model("late")
        await asyncio.sleep(1)
        assert (await other.chat(key, "late")).status_code == 200
        await gateway.manage("DELETE", "/models/late")
        await asyncio.sleep(1)
        assert (await other.chat(key, "late")).status_code == 400
