"""LiteLLM's routes for teams, driven by LiteLLM's own client where that has a method."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litellm.proxy._types import LiteLLM_TeamTable
from litellm.proxy.client import Client
from litellm.proxy.client.exceptions import UnauthorizedError

from tests.servers import Gateway

Json = dict[str, Any]


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


async def get(gateway: Gateway, path: str) -> Any:
    response = await send(gateway, "GET", path)
    assert response.status_code == 200, response.text
    return response.json()


def located(response: httpx.Response) -> list[Any]:
    """Where FastAPI finds a body or a query wrong."""
    assert response.status_code == 422, response.text
    (fault,) = response.json()["detail"]
    return list(fault["loc"])


def error(response: httpx.Response) -> tuple[int, str, str | None]:
    shown = response.json()["error"]
    assert shown["code"] == str(response.status_code)
    return response.status_code, shown["type"], shown["param"]


async def test_the_client_lists_teams(gateway: Gateway, client: Client) -> None:
    assert await call(client.teams.list) == []
    red = await post(gateway, "/team/new", team_id="red", team_alias="Red")
    blue = await post(gateway, "/team/new", team_alias="Blue")
    ann = await post(gateway, "/key/generate", team_id="red", user_id="ann", key_alias="a")
    await post(gateway, "/key/generate", user_id="bob")

    first, second = await call(client.teams.list)
    assert (first.pop("keys"), first.pop("team_memberships")) == ([], [])
    assert first == blue
    (key,) = second.pop("keys")
    assert (key["token"], key["key_alias"]) == (ann["token"], "a")
    assert second == red | {"team_memberships": []}
    assert [team["team_id"] for team in await call(client.teams.list, user_id="ann")] == ["red"]
    assert await call(client.teams.list, user_id="bob") == []
    assert await call(client.teams.list, organization_id="x") == []
    assert len(await call(client.teams.list, organization_id="default_organization")) == 2

    paged = await call(client.teams.list_v2, sort_by="team_alias", page_size=1)
    assert paged == {
        "teams": [blue | {"members_count": 0, "keys_count": 0}],
        "total": 2,
        "page": 1,
        "page_size": 1,
        "total_pages": 2,
    }
    (last,) = (await call(client.teams.list_v2, sort_by="team_alias", page_size=1, page=2))["teams"]
    assert last == red | {"members_count": 0, "keys_count": 1}
    assert await call(client.teams.get_available) == []
    nobody = Client(gateway.url, ann["key"])
    for method in (nobody.teams.list, nobody.teams.list_v2, nobody.teams.get_available):
        with pytest.raises(UnauthorizedError):
            await call(method)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["c", "b", "a"]),
        ("sort_by=team_id", ["a", "b", "c"]),
        ("sort_by=team_id&sort_order=desc", ["c", "b", "a"]),
        ("sort_by=created_at", ["a", "b", "c"]),
        ("sort_by=team_alias", ["b", "a", "c"]),
        ("sort_by=spend", ["c", "b", "a"]),
        ("team_id=b", ["b"]),
        ("team_alias=RE", ["c", "a"]),
        ("search=c", ["c"]),
        ("search=blu", ["b"]),
        ("user_id=ann", ["b"]),
        ("organization_id=x", []),
        ("status=deleted", []),
    ],
)
async def test_teams_are_listed_by_what_they_are(
    gateway: Gateway, query: str, expected: list[str]
) -> None:
    for team_id, alias in (("a", "Red"), ("b", "Blue"), ("c", "Reed")):
        await post(gateway, "/team/new", team_id=team_id, team_alias=alias)
    await post(gateway, "/key/generate", team_id="b", user_id="ann")
    listed = await get(gateway, f"/v2/team/list?{query}")
    assert [team["team_id"] for team in listed["teams"]] == expected
    assert listed["total"] == len(expected)


async def test_a_bad_list_is_refused(gateway: Gateway) -> None:
    assert located(await send(gateway, "GET", "/v2/team/list?page=0")) == ["query", "page"]
    assert located(await send(gateway, "GET", "/v2/team/list?page_size=101")) == [
        "query",
        "page_size",
    ]
    refused = await send(gateway, "GET", "/v2/team/list?status=live")
    assert error(refused) == (400, "bad_request_error", "status")


async def test_a_new_team_has_all_of_litellms_fields(gateway: Gateway) -> None:
    made = await post(
        gateway,
        "/team/new",
        team_id="red",
        team_alias="Red",
        max_budget=12.5,
        soft_budget=10,
        budget_duration="1d",
        metadata={"note": 1},
        blocked=True,
        models=[],
        members_with_roles=[],
        organization_id=None,
        tpm_limit=None,
        guardrails=[],
    )
    assert set(LiteLLM_TeamTable.model_fields) <= set(made)
    LiteLLM_TeamTable(**made)
    expected = {
        "team_id": "red",
        "team_alias": "Red",
        "max_budget": 12.5,
        "soft_budget": 10.0,
        "budget_duration": "1d",
        "budget_reset_at": f"{datetime.now(UTC).date() + timedelta(days=1)}T00:00:00Z",
        "spend": 0.0,
        "metadata": {"note": 1},
        "blocked": True,
        "models": [],
        "members_with_roles": [],
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert {name: made[name] for name in expected} == expected
    own = (await gateway.manage("GET", "/teams/red")).json()
    assert (own["name"], own["max_budget"], own["metadata"]) == ("Red", 12.5, {"note": 1})


async def test_a_team_without_an_alias_is_called_by_its_id(gateway: Gateway) -> None:
    made = await post(gateway, "/team/new")
    assert (made["team_id"][:5], made["team_alias"]) == ("team_", None)
    assert (await gateway.manage("GET", f"/teams/{made['team_id']}")).json()["name"] == made[
        "team_id"
    ]
    named = await post(gateway, "/team/update", team_id=made["team_id"], team_alias="Red")
    assert named["data"]["team_alias"] == "Red"
    nameless = await post(gateway, "/team/update", team_id=made["team_id"], team_alias=None)
    assert nameless["data"]["team_alias"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("models", ["gpt"]),
        ("rpm_limit", 5),
        ("tpm_limit", 5),
        ("max_parallel_requests", 5),
        ("model_rpm_limit", {"gpt": 5}),
        ("tags", ["a"]),
        ("metadata.tags", ["a"]),
        ("metadata.model_tpm_limit", {"gpt": 5}),
        ("metadata.guardrails", ["x"]),
        ("members_with_roles", [{"role": "admin", "user_id": "ann"}]),
        ("model_aliases", {"fast": "gpt"}),
        ("organization_id", "x"),
        ("team_member_budget", 5),
        ("team_alias", 5),
        ("team_alias", {}),
        ("team_alias", False),
        ("max_budget", -1),
        ("budget_duration", "soon"),
        ("metadata", []),
        ("name", "Red"),
        ("spend", 0),
    ],
)
async def test_what_cannot_be_done_is_refused_by_field(
    gateway: Gateway, field: str, value: Any
) -> None:
    name, _, inner = field.partition(".")
    body = {name: {inner: value} if inner else value}
    await post(gateway, "/team/new", team_id="red", team_alias="Red")
    before = await get(gateway, "/team/info?team_id=red")
    for path in ("/team/new", "/team/update"):
        given = {"team_id": "red"} if path == "/team/update" else {}
        refused = await send(gateway, "POST", path, given | body)
        assert located(refused) == ["body", *field.split(".")]
        assert field in refused.json()["detail"][0]["msg"]
    assert await get(gateway, "/team/info?team_id=red") == before
    assert len(await get(gateway, "/team/list")) == 1


async def test_two_teams_share_neither_id_nor_alias(gateway: Gateway) -> None:
    await post(gateway, "/team/new", team_id="red", team_alias="Red")
    await post(gateway, "/team/new", team_id="blue", team_alias="Blue")
    same_id = await send(gateway, "POST", "/team/new", {"team_id": "red"})
    assert error(same_id) == (400, "bad_request_error", "team_id")
    for path, body in (("/team/new", {}), ("/team/update", {"team_id": "blue"})):
        same_name = await send(gateway, "POST", path, body | {"team_alias": "Red"})
        assert error(same_name) == (409, "conflict_error", "team_alias")


async def test_null_takes_a_value_away_and_leaving_out_keeps_it(gateway: Gateway) -> None:
    await post(
        gateway,
        "/team/new",
        team_id="red",
        max_budget=5,
        budget_duration="1d",
        metadata={"a": 1, "b": 2},
    )
    changed = await post(
        gateway, "/team/update", team_id="red", max_budget=None, metadata={"a": 3}, blocked=True
    )
    assert changed["team_id"] == "red"
    assert (changed["data"]["max_budget"], changed["data"]["budget_duration"]) == (None, "1d")
    assert (changed["data"]["metadata"], changed["data"]["blocked"]) == ({"a": 3}, True)


async def test_the_keys_of_a_blocked_team_stop_until_it_is_unblocked(gateway: Gateway) -> None:
    await gateway.add_model()
    await post(gateway, "/team/new", team_id="red")
    key = (await post(gateway, "/key/generate", team_id="red"))["key"]
    assert (await post(gateway, "/team/block", team_id="red"))["blocked"] is True
    refused = await gateway.chat(key)
    assert error(refused) == (401, "auth_error", None)
    assert (await post(gateway, "/team/unblock", team_id="red"))["blocked"] is False
    assert (await gateway.chat(key)).status_code == 200


async def test_a_team_is_deleted_with_its_keys(gateway: Gateway) -> None:
    await gateway.add_model()
    for team_id in ("red", "blue", "green"):
        await post(gateway, "/team/new", team_id=team_id)
    red = await post(gateway, "/key/generate", team_id="red")
    green = await post(gateway, "/key/generate", team_id="green")
    missing = await send(gateway, "POST", "/team/delete", {"team_ids": ["red", "none"]})
    assert error(missing) == (404, "not_found_error", "team_id")
    assert (await gateway.chat(red["key"])).status_code == 200, "all or nothing"
    gone = await post(gateway, "/team/delete", team_ids=["red", "blue", "red"])
    assert gone == {"deleted_teams": ["red", "blue"]}
    assert [team["team_id"] for team in await get(gateway, "/team/list")] == ["green"]
    assert (await gateway.chat(red["key"])).status_code == 401
    assert (await gateway.chat(green["key"])).status_code == 200


async def test_a_team_is_shown_with_its_live_keys(gateway: Gateway) -> None:
    made = await post(gateway, "/team/new", team_id="red")
    keys = [await post(gateway, "/key/generate", team_id="red") for _ in range(3)]
    await post(gateway, "/key/delete", keys=[keys[0]["key"]])
    await gateway.issue_key(team_id="red", expires_at="2020-01-01T00:00:00Z")
    shown = await get(gateway, "/team/info?team_id=red")
    assert (shown["team_id"], shown["team_info"], shown["team_memberships"]) == ("red", made, [])
    assert [key["token"] for key in shown["keys"]] == [keys[2]["token"], keys[1]["token"]]
    limited = await get(gateway, "/team/info?team_id=red&key_limit=1")
    assert [key["token"] for key in limited["keys"]] == [keys[2]["token"]]
    assert located(await send(gateway, "GET", "/team/info?team_id=red&key_limit=0")) == [
        "query",
        "key_limit",
    ]
    assert located(await send(gateway, "GET", "/team/info")) == ["query", "team_id"]


@pytest.mark.parametrize("path", ["/team/update", "/team/block", "/team/unblock"])
async def test_a_team_has_to_be_named(gateway: Gateway, path: str) -> None:
    missing = await send(gateway, "POST", path, {"team_id": "none"})
    assert error(missing) == (404, "not_found_error", "team_id")
    assert "Team not found, passed team_id=none" in missing.text
    for body in ({}, {"team_id": None}, {"team_id": 5}):
        assert located(await send(gateway, "POST", path, body)) == ["body", "team_id"]
    for ids in ({}, {"team_ids": "red"}, {"team_ids": [5]}):
        assert located(await send(gateway, "POST", "/team/delete", ids)) == ["body", "team_ids"]
    missing = await send(gateway, "GET", "/team/info?team_id=none")
    assert error(missing) == (404, "not_found_error", "team_id")


async def test_a_team_spends_what_its_keys_do(gateway: Gateway) -> None:
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01}
    await gateway.add_model(litellm_params=prices)
    await post(gateway, "/team/new", team_id="red", team_alias="Red", budget_duration="1mo")
    for _ in range(2):
        key = await post(gateway, "/key/generate", team_id="red")
        assert (await gateway.chat(key["key"])).status_code == 200
    expected = pytest.approx(2 * (11 * 0.001 + 6 * 0.01))
    deadline = time.monotonic() + 10
    while (await get(gateway, "/team/info?team_id=red"))["team_info"]["spend"] != expected:
        assert time.monotonic() < deadline, "not in the ledger"
        await asyncio.sleep(0.05)
    (listed,) = await get(gateway, "/team/list")
    assert listed["spend"] == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/team/new"),
        ("GET", "/team/info?team_id=red"),
        ("GET", "/team/list"),
        ("GET", "/v2/team/list"),
        ("GET", "/team/available"),
        ("POST", "/team/update"),
        ("POST", "/team/delete"),
        ("POST", "/team/block"),
        ("POST", "/team/unblock"),
    ],
)
async def test_a_gateway_key_manages_no_teams(gateway: Gateway, method: str, path: str) -> None:
    made = await post(gateway, "/team/new", team_id="red")
    key = (await post(gateway, "/key/generate", team_id="red"))["key"]
    body = {"team_id": "red", "team_ids": ["red"]} if method == "POST" else None
    for secret in (key, None):
        refused = await gateway.request(method, path, secret, body)
        assert error(refused)[:2] == (401, "auth_error")
    (team,) = await get(gateway, "/team/list")
    assert (team["team_id"], team["blocked"]) == (made["team_id"], False)
