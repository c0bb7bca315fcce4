"""LiteLLM's routes for models, driven by LiteLLM's own client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import requests
from litellm.proxy.client import Client
from litellm.proxy.client.exceptions import NotFoundError, UnauthorizedError

from tests.servers import Gateway

SECRET = "sk-upstream-0123456789"
Json = dict[str, Any]


@pytest.fixture
def client(gateway: Gateway) -> Client:
    """The official client with the admin key."""
    return Client(gateway.url, gateway.admin_key)


async def call(method: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """The client waits; so it does in a thread."""
    return await asyncio.to_thread(method, *args, **named)


def at(gateway: Gateway, model: str = "openai/gpt-4o", **params: Any) -> Json:
    """`litellm_params` of a model at the fake provider."""
    return {"model": model, "api_key": SECRET, "api_base": f"{gateway.provider.url}/v1"} | params


async def test_a_model_comes_and_goes(gateway: Gateway, client: Client) -> None:
    made = await call(
        client.models.new, "gpt", at(gateway, temperature=0.5), {"description": "the usual one"}
    )
    model_id = made["model_id"]
    (admin,) = (await gateway.manage("GET", "/keys")).json()["data"]
    times = {"created_at": made["created_at"], "updated_at": made["updated_at"]}
    assert made == {
        "model_id": model_id,
        "model_name": "gpt",
        "litellm_params": at(gateway, temperature=0.5, api_key="[hidden]"),
        "model_info": {"id": model_id, "db_model": True, "description": "the usual one"},
        "blocked": False,
        "created_by": admin["id"],
        "updated_by": admin["id"],
        **times,
    }
    assert [model["id"] for model in await call(client.models.list)] == ["gpt"]
    said = await call(client.chat.completions, "gpt", [{"role": "user", "content": "hello"}])
    assert said["choices"][0]["message"]["content"] == "Hello from the fake provider."
    assert gateway.provider.received[-1].body["model"] == "gpt-4o"
    (listed,) = await call(client.models.info)
    assert listed == await call(client.models.get, model_id=model_id)
    assert listed == await call(client.models.get, model_name="gpt")
    assert listed["model_name"] == "gpt"
    assert listed["litellm_params"] == {
        "model": "openai/gpt-4o",
        "api_base": f"{gateway.provider.url}/v1",
        "temperature": 0.5,
    }
    gone = await call(client.models.delete, model_id)
    assert gone == {"message": f"Model: {model_id} deleted successfully"}
    assert await call(client.models.info) == []


async def test_prices_limits_and_features_are_litellms(gateway: Gateway, client: Client) -> None:
    await call(client.models.new, "gpt", at(gateway))
    (model,) = await call(client.models.info)
    info = model["model_info"]
    expected = {
        "db_model": True,
        "key": "gpt-4o",
        "litellm_provider": "openai",
        "mode": "chat",
        "max_input_tokens": 128000,
        "max_output_tokens": 16384,
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "output_cost_per_token_batches": 5e-06,
        "cache_read_input_token_cost": 1.25e-06,
        "supports_vision": True,
    }
    assert {name: info.get(name) for name in expected} == expected


async def test_a_model_group_is_a_model(gateway: Gateway, client: Client) -> None:
    await call(client.models.new, "gpt", at(gateway))
    await call(client.models.new, "mine", at(gateway, "hosted_vllm/mine"))
    known, unknown = await call(client.model_groups.info)
    assert known == {
        "model_group": "gpt",
        "providers": ["openai"],
        "max_input_tokens": 128000,
        "max_output_tokens": 16384,
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "input_cost_per_pixel": None,
        "mode": "chat",
        "tpm": None,
        "rpm": None,
        "supports_parallel_function_calling": True,
        "supports_vision": True,
        "supports_web_search": known["supports_web_search"],
        "supports_url_context": False,
        "supports_reasoning": False,
        "supports_function_calling": True,
        "supports_fast_mode": False,
        "is_public_model_group": False,
    }
    assert (unknown["model_group"], unknown["providers"]) == ("mine", ["hosted_vllm"])
    assert unknown["input_cost_per_token"] is unknown["max_input_tokens"] is unknown["mode"] is None
    one = await call(client.http.request, "GET", "/model_group/info?model_group=mine")
    assert one == {"data": [unknown]}


async def test_deployments_of_a_name_are_one_group(gateway: Gateway, client: Client) -> None:
    """LiteLLM's own account of them: what the best of them can do, and the dearest costs."""
    await call(client.models.new, "gpt", at(gateway, rpm=5, tpm=100), {"id": "a"})
    await call(client.models.new, "gpt", at(gateway, "openai/gpt-4o-mini", rpm=7), {"id": "b"})
    await call(client.models.new, "gpt", at(gateway, "hosted_vllm/gpt-oss"), {"id": "c"})
    (group,) = await call(client.model_groups.info)
    assert {name: group[name] for name in ("model_group", "providers", "mode", "rpm", "tpm")} == {
        "model_group": "gpt",
        "providers": ["openai", "hosted_vllm"],
        "mode": "chat",
        "rpm": 12,
        "tpm": 100,
    }
    assert group["input_cost_per_token"] == 2.5e-06
    assert group["supports_vision"] is True
    listed = await call(client.models.info)
    assert [(each["model_name"], each["model_info"]["id"]) for each in listed] == [
        ("gpt", "a"),
        ("gpt", "b"),
        ("gpt", "c"),
    ]
    page = await call(client.http.request, "GET", "/v2/model/info?model=gpt&size=2")
    assert (page["total_count"], len(page["data"])) == (3, 2)
    one = await call(client.http.request, "GET", "/model/info?litellm_model_id=b")
    assert one["data"][0]["litellm_params"]["model"] == "openai/gpt-4o-mini"
    await call(client.models.delete, "b")
    assert [each["model_info"]["id"] for each in await call(client.models.info)] == ["a", "c"]


async def test_a_pattern_is_listed_for_admins_alone(gateway: Gateway, client: Client) -> None:
    await call(client.models.new, "openai/*", at(gateway, "openai/*"), {"id": "wild"})
    (listed,) = await call(client.models.info)
    assert (listed["model_name"], listed["litellm_params"]["model"]) == ("openai/*", "openai/*")
    assert listed["model_info"]["input_cost_per_token"] is None
    theirs = Client(gateway.url, (await gateway.issue_key())["key"])
    assert await call(theirs.models.info) == await call(theirs.models.list) == []
    said = await call(theirs.chat.completions, "openai/gpt-4o", [{"role": "user", "content": "hi"}])
    assert said["model"] == "openai/gpt-4o"


async def test_an_update_merges(gateway: Gateway, client: Client) -> None:
    made = await call(client.models.new, "gpt", at(gateway, seed=1, top_p=0.5), {"note": "a"})
    model_id = made["model_id"]
    changed = await call(
        client.models.update, model_id, {"top_p": 0.25, "seed": None, "api_key": None}
    )
    assert changed["litellm_params"] == at(gateway, seed=1, top_p=0.25, api_key="[hidden]")
    assert changed["model_info"] == {"id": model_id, "db_model": True, "note": "a"}
    assert changed["created_by"] == made["created_by"]
    body = {
        "model_name": "better",
        "litellm_params": {"model": "openai/gpt-4o-mini"},
        "model_info": {"id": model_id, "more": "b"},
    }
    renamed = await call(client.http.request, "POST", "/model/update", json=body)
    assert renamed["model_name"] == "better"
    assert renamed["litellm_params"]["model"] == "openai/gpt-4o-mini"
    assert renamed["model_info"] == {"id": model_id, "db_model": True, "note": "a", "more": "b"}
    await call(client.chat.completions, "better", [{"role": "user", "content": "hello"}])
    sent = gateway.provider.received[-1]
    assert (sent.body["model"], sent.body["top_p"]) == ("gpt-4o-mini", 0.25)
    assert sent.headers["authorization"] == f"Bearer {SECRET}"


async def test_a_patch_merges_and_clears_prices(gateway: Gateway, client: Client) -> None:
    made = await call(
        client.models.new,
        "gpt",
        at(gateway, input_cost_per_token=0.5, output_cost_per_token=0.25, seed=1),
    )
    path = f"/model/{made['model_id']}/update"
    (before,) = await call(client.models.info)
    assert before["model_info"]["input_cost_per_token"] == 0.5
    patch: Json = {
        "model_name": None,
        "litellm_params": {"seed": None, "top_p": 0.5},
        "model_info": {"input_cost_per_token": None, "note": "x"},
    }
    changed = await call(client.http.request, "PATCH", path, json=patch)
    expected = at(gateway, output_cost_per_token=0.25, seed=1, top_p=0.5, api_key="[hidden]")
    assert changed["litellm_params"] == expected
    (after,) = await call(client.models.info)
    assert after["model_info"]["input_cost_per_token"] == 2.5e-06
    assert after["model_info"]["output_cost_per_token"] == 0.25
    assert after["model_info"]["note"] == "x"
    patch = {"model_info": {"output_cost_per_token": None}}
    changed = await call(client.http.request, "PATCH", path, json=patch)
    assert "output_cost_per_token" not in changed["litellm_params"]


async def test_an_id_may_hold_slashes(gateway: Gateway, client: Client) -> None:
    made = await call(client.models.new, "gpt", at(gateway), {"id": "a/update/b c"})
    assert made["model_id"] == "a/update/b c"
    patch = {"model_info": {"note": "x"}}
    changed = await call(client.http.request, "PATCH", "/model/a%2Fupdate/b%20c/update", json=patch)
    assert changed["model_info"]["note"] == "x"
    await call(client.models.delete, "a/update/b c")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_is_sent_back_as_it_was_shown_changes_nothing(
    gateway: Gateway, client: Client, method: str
) -> None:
    made = await call(client.models.new, "gpt", at(gateway, top_p=0.5), {"max_input_tokens": 9})
    path = "/model/update" if method == "POST" else f"/model/{made['model_id']}/update"
    registered = (await gateway.manage("GET", "/models/gpt")).json()
    (shown,) = await call(client.models.info)
    assert shown["model_info"]["max_input_tokens"] == 9
    await call(client.http.request, method, path, json=shown | {"blocked": False})
    after = (await gateway.manage("GET", "/models/gpt")).json()
    assert after | {"updated_at": ""} == registered | {"updated_at": ""}
    await call(
        client.http.request, method, path,
        json={"model_info": {"id": made["model_id"], "max_input_tokens": 10, "mode": "embedding"}},
    )  # fmt: skip
    after = (await gateway.manage("GET", "/models/gpt")).json()
    assert after["model_info"] == {"max_input_tokens": 10, "mode": "embedding"}


async def test_changes_are_in_the_audit_log(gateway: Gateway, client: Client) -> None:
    made = await call(client.models.new, "gpt", at(gateway))
    await call(client.models.update, made["model_id"], {"top_p": 0.5})
    await call(client.models.delete, made["model_id"])
    found, _ = await gateway.app.state.services.store.audit.page(3)
    assert [entry.action for entry in found] == ["model.remove", "model.update", "model.add"]
    assert {(entry.target_id, entry.target_name) for entry in found} == {(made["model_id"], "gpt")}
    assert {entry.actor.id for entry in found} == {made["created_by"]}


async def test_secrets_are_never_told(gateway: Gateway, client: Client) -> None:
    params = at(gateway, organization="o", extra_headers={"x": SECRET}, client_secret=SECRET)
    info = {"provider_password": SECRET, "nested": {"api_key": SECRET}}
    made = await call(client.models.new, "gpt", params, info)
    changed = await call(client.models.update, made["model_id"], {"api_key": f"{SECRET}-new"})
    for row in (made, changed):
        assert row["litellm_params"]["api_key"] == "[hidden]"
        assert row["litellm_params"]["client_secret"] == "[hidden]"
    assert SECRET not in repr((made, changed))
    for path in ("/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info", "/health"):
        assert SECRET not in (await gateway.request("GET", path, gateway.admin_key)).text
    (listed,) = await call(client.models.info)
    assert listed["litellm_params"].keys() == {"model", "api_base", "organization"}


async def test_a_reference_is_shown_where_it_was_given_alone(
    gateway: Gateway, client: Client
) -> None:
    made = await call(client.models.new, "gpt", at(gateway, api_key="os.environ/THE_KEY"))
    assert made["litellm_params"]["api_key"] == "os.environ/THE_KEY"
    (listed,) = await call(client.models.info)
    assert "api_key" not in listed["litellm_params"]


async def test_a_gateway_key_sees_what_it_may_call(gateway: Gateway, client: Client) -> None:
    for name in ("gpt", "other", "third", "hidden"):
        await call(client.models.new, name, at(gateway, top_p=0.5))
    issued = await gateway.issue_key(models=["gpt", "o*", "short"], aliases={"short": "third"})
    theirs = Client(gateway.url, issued["key"])
    models = await call(theirs.models.info)
    said = await call(theirs.models.list)
    assert [model["id"] for model in said] == [model["model_name"] for model in models]
    assert [model["model_name"] for model in models] == ["gpt", "other", "short"]
    for model in models:
        assert model["litellm_params"] == {"model": "openai/gpt-4o"}
        assert model["model_info"]["input_cost_per_token"] == 2.5e-06
    groups = await call(theirs.model_groups.info)
    assert [group["model_group"] for group in groups] == ["gpt", "other", "short"]
    page = await call(theirs.http.request, "GET", "/v2/model/info")
    assert page["data"] == models
    hidden = await call(client.models.get, model_name="hidden")
    path = f"/model/info?litellm_model_id={hidden['model_info']['id']}"
    assert (await gateway.request("GET", path, issued["key"])).status_code == 400
    (found,) = (await gateway.request("GET", path, gateway.admin_key)).json()["data"]
    assert found == hidden
    with pytest.raises(UnauthorizedError):
        await call(theirs.models.new, "mine", at(gateway))
    with pytest.raises(UnauthorizedError):
        await call(theirs.models.delete, hidden["model_info"]["id"])


async def test_the_client_tells_its_errors_apart(gateway: Gateway, client: Client) -> None:
    for method, args in (
        (client.models.delete, ("none",)),
        (client.models.update, ("none", {"top_p": 0.5})),
    ):
        with pytest.raises(NotFoundError):
            await call(method, *args)
    with pytest.raises(NotFoundError):
        await call(client.models.get, model_id="none")
    with pytest.raises(UnauthorizedError):
        await call(Client(gateway.url, "sk-unknown-0123456789").models.info)
    with pytest.raises(requests.HTTPError) as refused:
        await call(client.models.new, "gpt", {"model": "opnai/gpt-4o"})
    assert refused.value.response is not None
    assert refused.value.response.status_code == 422


async def test_models_come_in_pages(gateway: Gateway, client: Client) -> None:
    for name in ("b", "a", "Ab", "c"):
        await call(client.models.new, name, at(gateway))

    async def page(query: str) -> tuple[list[str], Json]:
        body = await call(client.http.request, "GET", f"/v2/model/info?{query}")
        return [model["model_name"] for model in body.pop("data")], body

    counts = {"total_count": 4, "current_page": 2, "total_pages": 2, "size": 3}
    assert await page("page=2&size=3") == (["c"], counts)
    assert (await page("sortBy=model_name&sortOrder=desc"))[0] == ["c", "b", "a", "Ab"]
    names, body = await page("search=B&size=1")
    assert (names, body["total_count"], body["total_pages"]) == (["Ab"], 2, 2)
    assert (await page("model=a"))[0] == ["a"]
    one = await call(client.models.get, model_name="b")
    assert (await page(f"modelId={one['model_info']['id']}"))[0] == ["b"]
    names, body = await page("model=none")
    assert (names, body["total_count"], body["total_pages"]) == ([], 0, 0)
    assert (await page("page=9"))[0] == []
    assert (await page("include_team_models=true&user_models_only=false"))[0][0] == "Ab"
