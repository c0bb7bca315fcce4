"""Managing teams over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Gateway

FULL = {
    "team_id": "red",
    "name": "Red",
    "max_budget": 12.5,
    "soft_budget": 10.0,
    "budget_duration": "1mo",
    "metadata": {"cost_centre": {"number": 7}},
}


async def add(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    made = await gateway.manage("POST", "/teams", fields)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def test_a_team_is_added_and_listed_by_name(gateway: Gateway) -> None:
    red = await add(gateway, **FULL)
    times = {"created_at": red["created_at"], "updated_at": red["created_at"]}
    spending = {"spend": 0.0, "budget_reset_at": red["budget_reset_at"]}
    assert red == FULL | {"object": "team", "blocked": False} | times | spending
    assert red["budget_reset_at"].endswith("-01T00:00:00Z")
    blue = await add(gateway, name="Blue")
    assert blue["team_id"].startswith("team_")
    assert (blue["max_budget"], blue["budget_duration"], blue["metadata"]) == (None, None, {})
    assert (await gateway.manage("GET", "/teams/red")).json() == red
    listed = (await gateway.manage("GET", "/teams")).json()
    assert listed == {"object": "list", "data": [blue, red], "has_more": False}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "Red", "team_id": "a b"}, "team_id"),
        ({"name": "Red", "max_budget": -1}, "max_budget"),
        ({"name": "Red", "budget_duration": "soon"}, "budget_duration"),
        ({"name": "Red", "blocked": "yes"}, "blocked"),
        ({"name": "Red", "rpm_limit": 5}, "rpm_limit"),
        ({"name": "Red", "team_alias": "Red"}, "team_alias"),
    ],
)
async def test_a_bad_team_is_refused_by_field(
    gateway: Gateway, body: dict[str, Any], param: str
) -> None:
    refused = await gateway.manage("POST", "/teams", body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)
    assert (await gateway.manage("GET", "/teams")).json()["data"] == []


async def test_two_teams_share_neither_id_nor_name(gateway: Gateway) -> None:
    await add(gateway, **FULL)
    blue = await add(gateway, name="Blue")
    for method, path, body, param in (
        ("POST", "", {"name": "New", "team_id": "red"}, "team_id"),
        ("POST", "", {"name": "Red"}, "name"),
        ("PATCH", f"/{blue['team_id']}", {"name": "Red"}, "name"),
    ):
        refused = await gateway.manage(method, f"/teams{path}", body)
        error = refused.json()["error"]
        assert (refused.status_code, error["type"], error["param"]) == (
            409,
            "conflict_error",
            param,
        )
    assert (await gateway.manage("GET", f"/teams/{blue['team_id']}")).json() == blue


async def test_a_patch_changes_what_it_names(gateway: Gateway) -> None:
    red = await add(gateway, **FULL)
    patch = {"name": "RED", "max_budget": None, "metadata": {"cost_centre": {"of": "x"}}}
    changed = await gateway.manage("PATCH", "/teams/red", patch)
    assert changed.status_code == 200
    assert changed.json() == red | {
        "name": "RED",
        "max_budget": None,
        "metadata": {"cost_centre": {"number": 7, "of": "x"}},
        "updated_at": changed.json()["updated_at"],
    }
    assert (await gateway.manage("GET", "/teams/red")).json() == changed.json()


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"team_id": "blue"}, "team_id"),
        ({"name": None}, "name"),
        ({"max_budget": "1"}, "max_budget"),
        ({"keys": []}, "keys"),
    ],
)
async def test_a_bad_patch_changes_nothing(
    gateway: Gateway, patch: dict[str, Any], param: str
) -> None:
    red = await add(gateway, **FULL)
    refused = await gateway.manage("PATCH", "/teams/red", {"soft_budget": 1} | patch)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)
    assert (await gateway.manage("GET", "/teams/red")).json() == red


async def test_the_keys_of_a_blocked_team_stop_until_it_is_unblocked(gateway: Gateway) -> None:
    await gateway.add_model()
    await add(gateway, **FULL)
    key = (await gateway.issue_key(team_id="red"))["key"]
    free = (await gateway.issue_key())["key"]
    for _ in range(2):
        blocked = await gateway.manage("POST", "/teams/red/block")
        assert (blocked.status_code, blocked.json()["blocked"]) == (200, True)
    refused = await gateway.chat(key)
    assert refused.status_code == 401
    assert refused.json()["error"]["message"].startswith("Authentication Error, Team=red is block")
    assert (await gateway.chat(free)).status_code == 200
    unblocked = await gateway.manage("POST", "/teams/red/unblock")
    assert (unblocked.status_code, unblocked.json()["blocked"]) == (200, False)
    assert (await gateway.chat(key)).status_code == 200


async def test_a_team_goes_once_it_has_no_live_keys(gateway: Gateway) -> None:
    await add(gateway, **FULL)
    key = await gateway.issue_key(team_id="red")
    refused = await gateway.manage("DELETE", "/teams/red")
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "conflict_error")
    assert "1 live key(s)" in refused.json()["error"]["message"]
    await gateway.manage("DELETE", f"/keys/{key['id']}")
    gone = await gateway.manage("DELETE", "/teams/red")
    assert gone.status_code == 200
    assert gone.json() == {"team_id": "red", "object": "team", "deleted": True}
    assert (await gateway.manage("GET", "/teams/red")).status_code == 404
    refused = await gateway.manage("POST", "/keys", {"team_id": "red"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "team_id")


ROUTES = [
    ("GET", "/teams"),
    ("POST", "/teams"),
    ("GET", "/teams/red"),
    ("PATCH", "/teams/red"),
    ("DELETE", "/teams/red"),
    ("POST", "/teams/red/block"),
    ("POST", "/teams/red/unblock"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_gateway_key_manages_no_teams(gateway: Gateway, method: str, path: str) -> None:
    await add(gateway, **FULL)
    key = (await gateway.issue_key(team_id="red"))["key"]
    refused = await gateway.request(method, f"/api/v1/gateway{path}", key, {"name": "Mine"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "auth_error")
    (team,) = (await gateway.manage("GET", "/teams")).json()["data"]
    assert (team["name"], team["blocked"]) == ("Red", False)


@pytest.mark.parametrize(("method", "path"), ROUTES[2:])
async def test_an_unknown_team_is_not_found(gateway: Gateway, method: str, path: str) -> None:
    missing = await gateway.manage(method, path, {})
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "team_id")
