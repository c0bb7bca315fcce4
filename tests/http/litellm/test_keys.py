"""LiteLLM's routes for keys, driven by LiteLLM's own client where that has a method."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import requests
from litellm.proxy._types import GenerateKeyResponse, LiteLLM_VerificationToken
from litellm.proxy.client import Client
from litellm.proxy.client.exceptions import UnauthorizedError

from gateway.specs import key_spec
from gateway.vault import hash_key
from tests.servers import TESTER, Gateway

Json = dict[str, Any]
CUSTOM = "sk-custom-0123456789-abcdef"


@pytest.fixture
def client(gateway: Gateway) -> Client:
    """The official client with the admin key."""
    return Client(gateway.url, gateway.admin_key)


async def call(method: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """The client waits; so it does in a thread."""
    return await asyncio.to_thread(method, *args, **named)


async def send(gateway: Gateway, method: str, path: str, body: Any = None) -> httpx.Response:
    return await gateway.request(method, path, gateway.admin_key, body)


async def post(gateway: Gateway, path: str, **body: Any) -> Json:
    response = await send(gateway, "POST", path, body)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def get(gateway: Gateway, path: str) -> Json:
    response = await send(gateway, "GET", path)
    assert response.status_code == 200, response.text
    return dict(response.json())


def located(response: httpx.Response) -> tuple[int, list[Any], str]:
    """What FastAPI says of a body or a query: status, place and type."""
    assert response.status_code == 422, response.text
    (fault,) = response.json()["detail"]
    assert fault.keys() == {"loc", "msg", "type"}
    return response.status_code, fault["loc"], fault["type"]


def error(response: httpx.Response) -> tuple[int, str, str | None, str]:
    """The status of an error, its type, param and message."""
    shown = response.json()["error"]
    assert shown["code"] == str(response.status_code)
    return response.status_code, shown["type"], shown["param"], shown["message"]


# --- the client ---


async def test_a_key_comes_and_goes(gateway: Gateway, client: Client) -> None:
    await gateway.add_model()
    made = await call(
        client.keys.generate,
        models=["gpt"],
        aliases={"fast": "gpt"},
        spend=0,
        duration="24h",
        key_alias="ci",
        user_id="ann",
        config={},
    )
    secret = made["key"]
    assert (await gateway.chat(secret, "fast")).status_code == 200
    assert (await gateway.chat(secret, "other")).status_code == 403

    for name in (secret, made["token"]):
        shown = await call(client.keys.info, name)
        assert shown["key"] == name
        assert shown["info"]["key_alias"] == "ci"
        assert shown["info"]["status"] == "active"
        assert "token" not in shown["info"]

    listed = await call(client.keys.list)
    assert listed == {
        "keys": [made["token"]],
        "total_count": 1,
        "current_page": 1,
        "total_pages": 1,
    }
    (row,) = (await call(client.keys.list, return_full_object=True))["keys"]
    assert (row["token"], row["user_id"]) == (made["token"], "ann")
    assert (await call(client.keys.list, user_id="bob"))["keys"] == []

    changed = await call(client.keys.update, secret, models=["other"], key_alias="CI")
    assert (changed["key"], changed["models"], changed["key_alias"]) == (secret, ["other"], "CI")
    assert changed["user_id"] == "ann"
    assert (await gateway.chat(secret)).status_code == 403

    assert await call(client.keys.delete, keys=[secret]) == {"deleted_keys": [secret]}
    assert (await gateway.chat(secret)).status_code == 401
    assert (await call(client.keys.list))["keys"] == []
    deleted = (await call(client.keys.info, secret))["info"]
    assert deleted["status"] == "deleted"
    assert deleted["deleted_at"] is not None


async def test_keys_are_deleted_by_alias(gateway: Gateway, client: Client) -> None:
    made = await call(client.keys.generate, key_alias="ci")
    other = await call(client.keys.generate, key_alias="other")
    gone = await call(client.keys.delete, key_aliases=["ci", "none"])
    assert gone == {"deleted_keys": ["ci", "none"]}
    assert (await call(client.keys.list))["keys"] == [other["token"]]
    assert (await get(gateway, f"/key/info?key={made['token']}"))["info"]["status"] == "deleted"


async def test_the_clients_own_errors(gateway: Gateway, client: Client) -> None:
    nobody = Client(gateway.url, "sk-unknown-0123456789")
    for method in (nobody.keys.list, nobody.keys.generate):
        with pytest.raises(UnauthorizedError):
            await call(method)
    with pytest.raises(UnauthorizedError):
        await call(nobody.keys.delete, keys=["x"])
    with pytest.raises(requests.HTTPError, match="404 Client Error"):
        await call(client.keys.info, "0" * 64)
    with pytest.raises(requests.HTTPError, match="422 Client Error"):
        await call(client.keys.generate, budget_id="b")


# --- what is answered ---


async def test_a_new_key_has_all_of_litellms_fields(gateway: Gateway) -> None:
    """Those of the model that LiteLLM's route answers with, and they validate against it."""
    before = datetime.now(UTC).replace(microsecond=0)
    response = await send(
        gateway,
        "POST",
        "/key/generate",
        {
            "key": CUSTOM,
            "key_alias": "ci",
            "duration": "30d",
            "models": ["gpt"],
            "aliases": {"fast": "gpt"},
            "spend": 0,
            "max_budget": 10.5,
            "soft_budget": 5,
            "budget_duration": "30d",
            "user_id": "ann",
            "max_parallel_requests": 3,
            "rpm_limit": 5,
            "tpm_limit": 9,
            "model_rpm_limit": {"gpt": 2},
            "metadata": {"note": 1, "model_tpm_limit": {"gpt": 7}, "tags": ["a"]},
            "tags": ["b"],
            "blocked": False,
        },
    )
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    made = response.json()
    assert set(GenerateKeyResponse.model_fields) <= set(made)
    expires = GenerateKeyResponse(**made).expires
    assert expires is not None
    assert timedelta(0) <= expires - before - timedelta(days=30) < timedelta(seconds=30)
    assert made["token"] == made["token_id"] == hash_key(CUSTOM)
    assert made["litellm_budget_table"].pop("soft_budget") == 5
    assert set(made["litellm_budget_table"].values()) == {None}
    expected = {
        "key": CUSTOM,
        "key_name": "sk-...cdef",
        "key_alias": "ci",
        "models": ["gpt"],
        "aliases": {"fast": "gpt"},
        "spend": 0.0,
        "max_budget": 10.5,
        "budget_duration": "30d",
        "user_id": "ann",
        "team_id": None,
        "max_parallel_requests": 3,
        "rpm_limit": 5,
        "tpm_limit": 9,
        "metadata": {
            "note": 1,
            "model_rpm_limit": {"gpt": 2},
            "model_tpm_limit": {"gpt": 7},
            "tags": ["b"],
        },
        "blocked": False,
        "model_rpm_limit": None,
        "tags": None,
        "config": {},
        "permissions": {},
        "guardrails": None,
        "organization_id": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert {name: made[name] for name in expected} == expected
    own = (await gateway.manage("GET", "/keys")).json()["data"][-1]
    assert (own["label"], own["tags"], own["metadata"]) == ("ci", ["b"], {"note": 1})
    assert (own["model_rpm_limit"], own["model_tpm_limit"]) == ({"gpt": 2}, {"gpt": 7})
    assert own["soft_budget"] == 5


async def test_a_row_has_all_of_litellms_fields(gateway: Gateway) -> None:
    made = await post(gateway, "/key/generate", budget_duration="1d", max_budget=1)
    (row,) = (await get(gateway, "/key/list?return_full_object=true"))["keys"]
    assert set(LiteLLM_VerificationToken.model_fields) <= set(row)
    LiteLLM_VerificationToken(**row)
    info = (await get(gateway, f"/key/info?key={made['key']}"))["info"]
    assert info == {name: value for name, value in row.items() if name != "token"} | {
        "status": "active"
    }
    assert (await post(gateway, "/key/update", key=made["token"])) == {"key": made["token"]} | row
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert row["budget_reset_at"] == f"{tomorrow}T00:00:00Z"


async def test_what_is_empty_is_as_if_left_out(gateway: Gateway) -> None:
    """As LiteLLM's clients and dashboards send it."""
    made = await post(
        gateway,
        "/key/generate",
        key=None,
        key_alias=None,
        duration=None,
        models=[],
        aliases={},
        config={},
        spend=0,
        max_budget="",
        user_id="",
        team_id="",
        metadata=None,
        permissions={},
        model_max_budget={},
        allowed_cache_controls=[],
        guardrails=[],
        policies=None,
        allowed_routes=["llm_api_routes"],
        key_type="default",
        auto_rotate=False,
        organization_id="",
        object_permission={"mcp_servers": [], "vector_stores": None},
        router_settings={},
        tags=None,
        budget_id=None,
        blocked=None,
    )
    assert made["key"].startswith("sk-")
    assert (made["max_budget"], made["team_id"], made["user_id"]) == (None, None, None)
    assert (made["metadata"], made["blocked"]) == ({}, False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spend", 1.5),
        ("spend", "x"),
        ("guardrails", ["pii"]),
        ("permissions", {"get_spend_routes": True}),
        ("config", {"a": 1}),
        ("key_type", "management"),
        ("allowed_routes", ["management_routes"]),
        ("organization_id", "org"),
        ("project_id", "p"),
        ("budget_id", "b"),
        ("budget_limits", [{"budget_duration": "1d", "max_budget": 1}]),
        ("model_max_budget", {"gpt": {"budget_limit": 1, "time_period": "1d"}}),
        ("object_permission", {"mcp_servers": ["x"]}),
        ("auto_rotate", True),
        ("tpd_limit", 0),
        ("router_settings", {"num_retries": 1}),
        ("metadata.guardrails", ["pii"]),
        ("metadata.logging", [{"callback_name": "x"}]),
        ("metadata.temp_budget_increase", 5),
        ("metadata", "x"),
        ("models", ["all-team-models"]),
        ("models.1", ["a", 5]),
        ("key_alias", 5),
        ("max_budget", -1),
        ("rpm_limit", "5"),
        ("duration", "soon"),
        ("team_id", "none"),
        ("key", "sk-short"),
        ("key", "sk-aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("key", "not-a-key-0123456789"),
        ("key", 5),
        ("expires_at", "2030-01-01"),
        ("rpm_limits", 5),
    ],
)
async def test_what_cannot_be_done_is_refused_by_field(
    gateway: Gateway, field: str, value: Any
) -> None:
    """By the name that the body has, in FastAPI's shape; nothing is passed over."""
    name, _, inner = field.partition(".")
    inside = inner and name == "metadata"
    body = {"metadata": {inner: value}} if inside else {name: value}
    place = ["body", name, *([int(inner) if inner.isdigit() else inner] if inner else [])]
    made = await post(gateway, "/key/generate")
    if field != "key":
        update = await send(gateway, "POST", "/key/update", {"key": made["key"]} | body)
        assert located(update)[1] == place
        assert name.removesuffix("_id") in update.json()["detail"][0]["msg"]
        renewed = await send(gateway, "POST", "/key/regenerate", {"key": made["key"]} | body)
        assert located(renewed)[1] == place
    refused = await send(gateway, "POST", "/key/generate", body)
    assert located(refused)[1] == place
    if isinstance(value, str):
        assert not value.startswith("sk-") or value not in refused.text
    assert (await get(gateway, "/key/list"))["keys"] == [made["token"]]


async def test_a_field_that_does_not_exist_is_told_from_one_that_is_wrong(gateway: Gateway) -> None:
    unknown = await send(gateway, "POST", "/key/generate", {"rpm_limits": 5})
    assert located(unknown)[2] == "extra_forbidden"
    wrong = await send(gateway, "POST", "/key/generate", {"rpm_limit": 0})
    assert located(wrong)[2] == "value_error"
    for body in (b"", b"{", b"[]"):
        assert located(await send(gateway, "POST", "/key/generate", body))[1] == ["body"]


async def test_a_key_of_ones_own_choice_is_given_once(gateway: Gateway) -> None:
    await gateway.add_model()
    await post(gateway, "/key/generate", key=CUSTOM)
    assert (await gateway.chat(CUSTOM)).status_code == 200
    again = await send(gateway, "POST", "/key/generate", {"key": CUSTOM})
    assert error(again)[:3] == (409, "conflict_error", "key")
    assert CUSTOM not in again.text


async def test_two_keys_do_not_share_an_alias(gateway: Gateway) -> None:
    made = await post(gateway, "/key/generate", key_alias="ci")
    other = await post(gateway, "/key/generate", key_alias="other")
    message = "Key with alias 'ci' already exists. Unique key aliases across all keys are required."
    for path, body in (
        ("/key/generate", {"key_alias": " ci "}),
        ("/key/update", {"key": other["key"], "key_alias": "ci"}),
        ("/key/regenerate", {"key": other["key"], "key_alias": "ci"}),
    ):
        refused = await send(gateway, "POST", path, body)
        assert error(refused) == (400, "bad_request_error", "key_alias", message)
    await post(gateway, "/key/update", key=made["key"], key_alias="ci")
    await post(gateway, "/key/delete", keys=[made["key"]])
    await post(gateway, "/key/generate", key_alias="ci")


# --- /key/update ---


async def test_null_takes_a_value_away_and_leaving_out_keeps_it(gateway: Gateway) -> None:
    made = await post(
        gateway,
        "/key/generate",
        rpm_limit=5,
        tpm_limit=9,
        max_budget=1,
        budget_duration="1d",
        duration="1h",
        user_id="ann",
        blocked=True,
        aliases={"a": "b", "c": "d"},
    )
    changed = await post(
        gateway,
        "/key/update",
        key=made["key"],
        rpm_limit=None,
        max_budget=None,
        duration=None,
        blocked=None,
        aliases={"a": "z"},
    )
    assert (changed["rpm_limit"], changed["tpm_limit"]) == (None, 9)
    assert (changed["max_budget"], changed["budget_duration"]) == (None, "1d")
    assert (changed["expires"], changed["blocked"], changed["user_id"]) == (None, False, "ann")
    assert changed["aliases"] == {"a": "z"}, "whole, as LiteLLM's"


async def test_litellms_own_words_for_no_end_and_no_team(gateway: Gateway) -> None:
    await gateway.manage("POST", "/teams", {"team_id": "red", "name": "Red"})
    made = await post(gateway, "/key/generate", duration="1h", team_id="red")
    kept = await post(gateway, "/key/update", key=made["key"], duration="", team_id="")
    assert (kept["expires"], kept["team_id"]) == (made["expires"], "red")
    freed = await post(gateway, "/key/update", key=made["key"], duration="-1", team_id=None)
    assert (freed["expires"], freed["team_id"]) == (None, None)


async def test_metadata_stands_for_all_that_is_in_it(gateway: Gateway) -> None:
    limits = {"model_rpm_limit": {"gpt": 2}, "model_tpm_limit": {"gpt": 7}, "tags": ["a"]}
    made = await post(gateway, "/key/generate", metadata={"note": 1} | limits)

    async def update(**body: Any) -> Json:
        return dict((await post(gateway, "/key/update", key=made["key"], **body))["metadata"])

    assert await update(rpm_limit=5) == {"note": 1} | limits
    assert await update(tags=None, model_rpm_limit=None) == {"note": 1} | limits
    limits["model_rpm_limit"] = {"other": 3}
    assert await update(model_rpm_limit={"other": 3}) == {"note": 1} | limits
    # What a client reads and sends back with a change of its own.
    assert await update(metadata={"note": 2} | limits) == {"note": 2} | limits
    assert await update(metadata={"note": 3}, tags=["b"]) == {"note": 3, "tags": ["b"]}
    assert await update(tags=[]) == {"note": 3}
    assert await update(metadata=None) == {}


async def test_a_key_is_updated_by_its_alias(gateway: Gateway) -> None:
    made = await post(gateway, "/key/generate", key_alias="ci")
    changed = await post(gateway, "/key/update", key_alias="ci", rpm_limit=5)
    assert (changed["key"], changed["token"]) == (made["token"], made["token"])
    assert (changed["key_alias"], changed["rpm_limit"]) == ("ci", 5)
    missing = await send(gateway, "POST", "/key/update", {"key_alias": "none"})
    message = "Key not found. No key with key_alias='none'."
    assert error(missing) == (404, "not_found_error", "key_alias", message)
    # The gateway's own API is freer with its labels.
    await gateway.issue_key(label="ci")
    several = await send(gateway, "POST", "/key/update", {"key_alias": "ci"})
    assert error(several)[:3] == (400, "bad_request_error", "key_alias")
    assert located(await send(gateway, "POST", "/key/update", {"rpm_limit": 5}))[1] == ["body"]


# --- /key/delete, /key/block ---


async def test_of_several_keys_those_that_exist_are_deleted(gateway: Gateway) -> None:
    one, two, three = [await post(gateway, "/key/generate") for _ in range(3)]
    names = [one["key"], two["token"], "sk-unknown-0123456789"]
    assert await post(gateway, "/key/delete", keys=names) == {"deleted_keys": names}
    assert (await get(gateway, "/key/list"))["keys"] == [three["token"]]
    for unknown in ({"keys": names}, {"key_aliases": ["none"]}):
        missing = await send(gateway, "POST", "/key/delete", unknown)
        assert error(missing)[:2] == (404, "not_found_error")
    wrong: list[tuple[Json, list[str]]] = [
        ({}, ["body"]),
        ({"keys": [], "key_aliases": None}, ["body"]),
        ({"keys": "sk-x"}, ["body", "keys"]),
        ({"keys": [5]}, ["body", "keys"]),
        ({"ids": ["x"]}, ["body", "ids"]),
    ]
    for body, place in wrong:
        assert located(await send(gateway, "POST", "/key/delete", body))[1] == place


async def test_a_key_is_blocked_and_unblocked(gateway: Gateway) -> None:
    await gateway.add_model()
    made = await post(gateway, "/key/generate")
    blocked = await post(gateway, "/key/block", key=made["key"])
    assert (blocked["token"], blocked["blocked"]) == (made["token"], True)
    refused = await gateway.chat(made["key"])
    assert error(refused)[:3] == (401, "auth_error", None)
    assert (await get(gateway, f"/key/info?key={made['key']}"))["info"]["status"] == "revoked"
    unblocked = await post(gateway, "/key/unblock", key=made["token"])
    assert unblocked["blocked"] is False
    assert (await gateway.chat(made["key"])).status_code == 200


@pytest.mark.parametrize("path", ["/key/block", "/key/unblock", "/key/update", "/key/regenerate"])
async def test_a_key_that_is_unknown_or_deleted_is_not_found(gateway: Gateway, path: str) -> None:
    made = await post(gateway, "/key/generate")
    await post(gateway, "/key/delete", keys=[made["key"]])
    for name in (made["key"], made["token"], "sk-unknown-0123456789", "x"):
        missing = await send(gateway, "POST", path, {"key": name})
        assert error(missing) == (404, "not_found_error", "key", "Key not found.")
        assert name == "x" or name not in missing.text


async def test_a_block_names_a_key(gateway: Gateway) -> None:
    assert located(await send(gateway, "POST", "/key/block", {})) == (
        422,
        ["body", "key"],
        "missing",
    )
    assert located(await send(gateway, "POST", "/key/block", {"key": 5}))[1] == ["body", "key"]
    assert located(await send(gateway, "POST", "/key/block", {"key": "x", "a": 1}))[1] == [
        "body",
        "a",
    ]


# --- /key/regenerate ---


@pytest.mark.parametrize("by", ["body", "path", "hash in path"])
async def test_a_regenerated_key_has_another_secret(
    gateway: Gateway, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    await gateway.add_model()
    old = await post(gateway, "/key/generate", key_alias="ci", rpm_limit=50)
    with caplog.at_level(logging.INFO, "gateway"):
        if by == "body":
            response = await send(gateway, "POST", "/key/regenerate", {"key": old["key"]})
        else:
            name = old["key"] if by == "path" else old["token"]
            response = await send(gateway, "POST", f"/key/{name}/regenerate")
    assert "regenerate" in caplog.text
    assert old["key"] not in caplog.text, "the access log has no keys"
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    new = response.json()
    assert set(GenerateKeyResponse.model_fields) <= set(new)
    assert new["key"] != old["key"]
    assert new["token"] == new["token_id"] == hash_key(new["key"])
    assert (new["key_alias"], new["rpm_limit"]) == ("ci", 50)
    assert (await gateway.chat(new["key"])).status_code == 200
    assert (await gateway.chat(old["key"])).status_code == 401
    assert (await get(gateway, "/key/list"))["keys"] == [new["token"]]


async def test_in_its_grace_period_a_key_is_found_by_both_secrets(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.add_model()
    old = await post(gateway, "/key/generate")
    new = await post(
        gateway, "/key/regenerate", key=old["key"], grace_period="1h", new_key=CUSTOM, rpm_limit=50
    )
    assert (new["key"], new["rpm_limit"]) == (CUSTOM, 50)
    for name in (old["key"], old["token"], new["key"], new["token"]):
        info = (await get(gateway, f"/key/info?key={name}"))["info"]
        assert info["key_name"] == "sk-...cdef"
    for secret in (old["key"], CUSTOM):
        assert (await gateway.chat(secret)).status_code == 200
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    assert (await gateway.chat(old["key"])).status_code == 401
    assert (await gateway.chat(CUSTOM)).status_code == 200
    gone = await send(gateway, "GET", f"/key/info?key={old['token']}")
    assert error(gone) == (404, "not_found_error", "key", "Key not found in database")


async def test_a_bad_regeneration_changes_nothing(gateway: Gateway) -> None:
    await gateway.add_model()
    made = await post(gateway, "/key/generate")
    for body, place in (
        ({"grace_period": "soon"}, "grace_period"),
        ({"grace_period": 5}, "grace_period"),
        ({"new_key": "sk-short"}, "new_key"),
        ({"new_master_key": CUSTOM}, "new_master_key"),
        ({"rpm_limit": 0}, "rpm_limit"),
    ):
        refused = await send(gateway, "POST", f"/key/{made['token']}/regenerate", body)
        assert located(refused)[1] == ["body", place]
    unnamed = await send(gateway, "POST", "/key/regenerate")
    assert error(unnamed) == (400, "bad_request_error", "key", "No key passed in.")
    assert (await gateway.chat(made["key"])).status_code == 200


async def test_a_secret_that_was_given_up_does_not_come_back(gateway: Gateway) -> None:
    made = await post(gateway, "/key/generate", key=CUSTOM)
    await post(gateway, "/key/regenerate", key=CUSTOM)
    for path, body in (
        ("/key/generate", {"key": CUSTOM}),
        (f"/key/{made['token']}/regenerate", {"new_key": CUSTOM}),
    ):
        refused = await send(gateway, "POST", path, body)
        assert refused.status_code in (404, 409)
        assert CUSTOM not in refused.text


async def test_an_expired_key_is_regenerated_with_another_end(gateway: Gateway) -> None:
    made = await gateway.issue_key(expires_at="2020-01-01T00:00:00Z")
    refused = await send(gateway, "POST", "/key/regenerate", {"key": made["key"]})
    assert error(refused)[:2] == (409, "conflict_error")
    new = await post(gateway, "/key/regenerate", key=made["key"], duration="1h")
    assert (await get(gateway, f"/key/info?key={new['key']}"))["info"]["status"] == "active"


# --- /key/info and who may ---


async def test_a_key_may_see_itself_and_nothing_else(gateway: Gateway) -> None:
    made = await post(gateway, "/key/generate", key_alias="mine")
    other = await post(gateway, "/key/generate", key_alias="other")
    for query, echoed in (
        ("", made["token"]),
        ("?key=", made["token"]),
        (f"?key={made['key']}", made["key"]),
        (f"?key={made['token']}", made["token"]),
    ):
        own = await gateway.request("GET", f"/key/info{query}", made["key"])
        assert own.status_code == 200
        assert own.json()["key"] == echoed
        assert own.json()["info"]["key_alias"] == "mine"
    # Whether it exists or not.
    for name in (other["key"], other["token"], "0" * 64, "sk-unknown-0123456789"):
        refused = await gateway.request("GET", f"/key/info?key={name}", made["key"])
        assert error(refused)[:3] == (401, "auth_error", None)
    unknown = await send(gateway, "GET", "/key/info?key=sk-unknown-0123456789")
    assert error(unknown) == (404, "not_found_error", "key", "Key not found in database")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/key/generate"),
        ("GET", "/key/list"),
        ("GET", "/key/aliases"),
        ("POST", "/key/update"),
        ("POST", "/key/delete"),
        ("POST", "/key/block"),
        ("POST", "/key/unblock"),
        ("POST", "/key/regenerate"),
        ("POST", "/key/x/regenerate"),
    ],
)
async def test_all_else_takes_an_admin_key(gateway: Gateway, method: str, path: str) -> None:
    made = await post(gateway, "/key/generate")
    body = {"key": made["key"]} if method == "POST" else None
    refused = await gateway.request(method, path, made["key"], body)
    assert error(refused)[:3] == (401, "auth_error", None)
    assert "Only an admin key can manage" in error(refused)[3]
    nobody = await gateway.request(method, path, None, body)
    assert nobody.status_code == 401
    assert (await get(gateway, "/key/list"))["keys"] == [made["token"]]


async def test_the_last_admin_key_is_not_taken_away(gateway: Gateway) -> None:
    admin, token = gateway.admin_key, hash_key(gateway.admin_key)
    assert (await get(gateway, "/key/info"))["key"] == token
    made = await post(gateway, "/key/generate")
    for path, body in (
        ("/key/block", {"key": admin}),
        ("/key/delete", {"keys": [made["key"], token]}),
        ("/key/update", {"key": admin, "duration": "1h"}),
        ("/key/update", {"key": admin, "blocked": True}),
        ("/key/regenerate", {"key": admin}),
    ):
        refused = await send(gateway, "POST", path, body)
        assert error(refused)[:2] == (409, "conflict_error")
        assert admin not in refused.text
    assert (await get(gateway, "/key/list"))["keys"] == [made["token"]], "all or nothing"
    limited = await send(gateway, "POST", "/key/update", {"key": admin, "rpm_limit": 5})
    assert located(limited)[1] == ["body", "rpm_limit"]


async def test_an_admin_key_is_in_no_list_and_has_no_alias(gateway: Gateway) -> None:
    secret = "sk-second-admin-0123456789"
    spec = key_spec({"label": "boss"}).record(secret, int(time.time()), "admin")
    await gateway.app.state.services.store.keys.add(spec, TESTER)
    assert (await get(gateway, "/key/list"))["total_count"] == 0
    assert (await get(gateway, "/key/aliases"))["aliases"] == []
    missing = await send(gateway, "POST", "/key/delete", {"key_aliases": ["boss"]})
    assert missing.status_code == 404
    await post(gateway, "/key/delete", keys=[secret])
    assert (await gateway.request("GET", "/key/list", secret)).status_code == 401


# --- /key/list, /key/aliases ---


@pytest.fixture
async def many(gateway: Gateway) -> dict[str, str]:
    """Keys in many states: their hashes by alias."""
    await gateway.manage("POST", "/teams", {"team_id": "red", "name": "Red"})
    made = {
        "one": await gateway.issue_key(label="one", team_id="red", user_id="ann", max_budget=2),
        "Two": await gateway.issue_key(label="Two", user_id="bob", blocked=True),
        "ended": await gateway.issue_key(
            label="ended", user_id="ann-2", expires_at="2020-01-01T00:00:00Z", max_budget=1
        ),
        "both": await gateway.issue_key(
            label="both", expires_at="2020-01-01T00:00:00Z", blocked=True
        ),
        "gone": await gateway.issue_key(label="gone", team_id="red"),
    }
    await gateway.manage("DELETE", f"/keys/{made['gone']['id']}")
    return {name: hash_key(key["key"]) for name, key in made.items()}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort_by=created_at&sort_order=asc", ["one", "Two", "ended", "both"]),
        ("", ["both", "ended", "Two", "one"]),
        ("sort_by=key_alias&sort_order=asc", ["Two", "both", "ended", "one"]),
        ("sort_by=max_budget&sort_order=ASC&size=2", ["ended", "one"]),
        ("user_id=ann", ["one"]),
        ("user_id=an", []),
        ("user_id=AN&substring_matching=true", ["ended", "one"]),
        ("key_alias=two", []),
        ("key_alias=two&substring_matching=1", ["Two"]),
        ("search=O", ["both", "Two", "one"]),
        ("search=%25", []),
        ("team_id=red", ["one"]),
        ("team_id=red&status=deleted", ["gone"]),
        ("status=active", ["one"]),
        ("status=expired", ["ended"]),
        ("status=revoked", ["both", "Two"]),
        ("status=deleted", ["gone"]),
        ("expires=expired", ["both", "ended"]),
        ("expires=active", ["Two", "one"]),
        ("status=revoked&expires=expired", ["both"]),
        ("status=active&expires=expired", []),
        ("organization_id=x", []),
        ("agent_id=x&key_alias=one", []),
        ("organization_id=&status=", ["both", "ended", "Two", "one"]),
    ],
)
async def test_keys_are_listed_by_what_they_are(
    gateway: Gateway, many: dict[str, str], query: str, expected: list[str]
) -> None:
    listed = await get(gateway, f"/key/list?{query}")
    aliases = {token: alias for alias, token in many.items()}
    found = [aliases[token] for token in listed["keys"]]
    # Made in the same second, keys sort by an id that grows.
    assert found == expected
    if "size" not in query:
        assert listed["total_count"] == len(expected)
        rows = (await get(gateway, f"/key/list?{query}&return_full_object=true"))["keys"]
        assert [row["key_alias"] for row in rows] == expected
        assert rows == (await get(gateway, f"/key/list?{query}&expand=user"))["keys"]


async def test_a_key_is_listed_by_itself_or_its_hash(
    gateway: Gateway, many: dict[str, str]
) -> None:
    made = await post(gateway, "/key/generate")
    for query in (f"key_hash={made['token']}", f"key_hash={made['key']}"):
        assert (await get(gateway, f"/key/list?{query}"))["keys"] == [made["token"]]
    found = await get(gateway, f"/key/list?search={many['one']}")
    assert found["keys"] == [many["one"]]


async def test_lists_come_in_pages(gateway: Gateway, many: dict[str, str]) -> None:
    first = await get(gateway, "/key/list?size=3")
    second = await get(gateway, "/key/list?size=3&page=2")
    assert first["keys"] + second["keys"] == [many[n] for n in ("both", "ended", "Two", "one")]
    for number, listed in ((1, first), (2, second)):
        assert (listed["total_count"], listed["current_page"], listed["total_pages"]) == (
            4,
            number,
            2,
        )
    beyond = await get(gateway, "/key/list?page=9")
    assert (beyond["keys"], beyond["total_pages"]) == ([], 1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("size=101", "size"),
        ("size=-1", "size"),
        ("return_full_object=maybe", "return_full_object"),
    ],
)
async def test_a_bad_page_is_refused(gateway: Gateway, query: str, field: str) -> None:
    assert located(await send(gateway, "GET", f"/key/list?{query}"))[1] == ["query", field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=blocked", "status"),
        ("expires=soon", "expires"),
        ("sort_by=hint", "sort_by"),
        ("sort_by=", "sort_by"),
        ("sort_by=spend&sort_order=up", "sort_order"),
    ],
)
async def test_litellm_answers_400_to_these(gateway: Gateway, query: str, field: str) -> None:
    refused = await send(gateway, "GET", f"/key/list?{query}")
    assert error(refused)[:3] == (400, "bad_request_error", field)


async def test_aliases_are_listed_in_their_order(gateway: Gateway, many: dict[str, str]) -> None:
    await post(gateway, "/key/generate")
    assert many
    assert await get(gateway, "/key/aliases") == {
        "aliases": ["Two", "both", "ended", "one"],
        "total_count": 4,
        "current_page": 1,
        "total_pages": 1,
        "size": 50,
    }
    assert (await get(gateway, "/key/aliases?size=3&page=2"))["aliases"] == ["one"]
    assert (await get(gateway, "/key/aliases?search=O"))["aliases"] == ["Two", "both", "one"]
    assert (await get(gateway, "/key/aliases?team_id=red"))["aliases"] == ["one"]
    assert (await get(gateway, "/key/aliases?search=_"))["aliases"] == []


# --- spend ---


async def test_what_a_key_spent_in_its_period_and_in_all(gateway: Gateway) -> None:
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01}
    await gateway.add_model(litellm_params=prices)
    cheap = await post(gateway, "/key/generate", key_alias="cheap", budget_duration="1d")
    dear = await post(gateway, "/key/generate", key_alias="dear")
    unused = await post(gateway, "/key/generate", key_alias="unused")
    for key, calls in ((cheap, 1), (dear, 2)):
        for _ in range(calls):
            assert (await gateway.chat(key["key"])).status_code == 200
    # 11 tokens of the prompt, 6 of the completion.
    cost = 11 * 0.001 + 6 * 0.01
    expected_spend = {"cheap": cost, "dear": 2 * cost, "unused": 0}
    deadline = time.monotonic() + 10
    while (rows := await spends(gateway)) != pytest.approx(expected_spend):
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.05)
    info = (await get(gateway, f"/key/info?key={dear['key']}"))["info"]
    assert info["total_spend"] == pytest.approx(2 * cost)
    for order, expected in (
        ("asc", [unused, cheap, dear]),
        ("desc", [dear, cheap, unused]),
    ):
        listed = await get(gateway, f"/key/list?sort_by=spend&sort_order={order}")
        assert listed["keys"] == [key["token"] for key in expected]
    paged = await get(gateway, "/key/list?sort_by=spend&size=1&page=2")
    assert (paged["keys"], paged["total_pages"]) == ([cheap["token"]], 3)
    # A new secret spends on.
    renewed = await post(gateway, "/key/regenerate", key=dear["key"])
    assert renewed["spend"] == pytest.approx(2 * cost)


async def spends(gateway: Gateway) -> dict[str, float]:
    rows = (await get(gateway, "/key/list?return_full_object=true"))["keys"]
    return {row["key_alias"]: row["spend"] for row in rows}


async def test_spend_starts_anew_with_each_period(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01}
    await gateway.add_model(litellm_params=prices)
    key = await post(gateway, "/key/generate", key_alias="daily", budget_duration="1d")
    await gateway.chat(key["key"])
    deadline = time.monotonic() + 10
    while not (await spends(gateway))["daily"]:
        assert time.monotonic() < deadline, "it never was in the ledger"
        await asyncio.sleep(0.05)
    later = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: later)
    info = (await get(gateway, f"/key/info?key={key['key']}"))["info"]
    assert info["spend"] == 0
    assert info["total_spend"] == pytest.approx(0.071)
