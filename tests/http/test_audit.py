"""`GET /api/v1/gateway/audit`: what is in the log, and how it is read."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from dataclasses import replace
from typing import Any

import pytest
from starlette.routing import Route

from gateway.app import create_app
from gateway.records import Actor
from gateway.settings import Settings
from gateway.specs import team_spec
from gateway.store import Store
from tests.conftest import execute
from tests.http.evals.test_audit import CALLS
from tests.http.evals.test_audit import CHANGES as OF_EVALS
from tests.security.access import access
from tests.servers import Gateway

Json = dict[str, Any]

# The same handlers under other paths.
ALIASES = {
    ("PATCH", "/api/v1/gateway/models"),
    ("DELETE", "/api/v1/gateway/models"),
    ("POST", "/key/x/regenerate"),
}


async def read(gateway: Gateway, query: str = "") -> Json:
    answer = await gateway.manage("GET", f"/audit{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def actions(gateway: Gateway, query: str = "") -> list[str]:
    return [entry["action"] for entry in (await read(gateway, query))["data"]]


# What to ask, and what is then noted. `{id}` is the key, model or team that was made first.
CHANGES: list[tuple[str, str, Json | None, str]] = [
    ("POST", "/api/v1/gateway/keys", {"label": "a"}, "key.add"),
    ("PATCH", "/api/v1/gateway/keys/{key}", {"rpm_limit": 5}, "key.update"),
    ("POST", "/api/v1/gateway/keys/{key}/rotate", {"grace_period": "1h"}, "key.update"),
    ("POST", "/api/v1/gateway/keys/{key}/block", None, "key.update"),
    ("POST", "/api/v1/gateway/keys/{key}/unblock", None, "key.update"),
    ("DELETE", "/api/v1/gateway/keys/{key}", None, "key.revoke"),
    ("POST", "/key/generate", {"key_alias": "b"}, "key.add"),
    ("POST", "/key/update", {"key": "{secret}", "rpm_limit": 5}, "key.update"),
    ("POST", "/key/block", {"key": "{secret}"}, "key.update"),
    ("POST", "/key/unblock", {"key": "{secret}"}, "key.update"),
    ("POST", "/key/regenerate", {"key": "{secret}"}, "key.update"),
    ("POST", "/key/delete", {"keys": ["{secret}"]}, "key.revoke"),
    ("POST", "/api/v1/gateway/teams", {"name": "c"}, "team.add"),
    ("PATCH", "/api/v1/gateway/teams/{team}", {"max_budget": 5}, "team.update"),
    ("POST", "/api/v1/gateway/teams/{team}/block", None, "team.update"),
    ("POST", "/api/v1/gateway/teams/{team}/unblock", None, "team.update"),
    ("DELETE", "/api/v1/gateway/teams/{team}", None, "team.remove"),
    ("POST", "/team/new", {"team_alias": "d"}, "team.add"),
    ("POST", "/team/update", {"team_id": "{team}", "max_budget": 5}, "team.update"),
    ("POST", "/team/block", {"team_id": "{team}"}, "team.update"),
    ("POST", "/team/unblock", {"team_id": "{team}"}, "team.update"),
    ("POST", "/team/delete", {"team_ids": ["{team}"]}, "team.remove"),
    ("POST", "/api/v1/gateway/models", {"model_name": "e", "provider": "openai"}, "model.add"),
    ("PATCH", "/api/v1/gateway/models/gpt", {"api_key": "sk-other"}, "model.update"),
    ("DELETE", "/api/v1/gateway/models/gpt", None, "model.remove"),
    (
        "POST",
        "/model/new",
        {"model_name": "f", "litellm_params": {"model": "openai/f"}},
        "model.add",
    ),
    (
        "POST",
        "/model/update",
        {"model_info": {"id": "{model}"}, "litellm_params": {"temperature": 1}},
        "model.update",
    ),
    ("PATCH", "/model/{model}/update", {"litellm_params": {"temperature": 1}}, "model.update"),
    ("POST", "/model/delete", {"id": "{model}"}, "model.remove"),
    ("PATCH", "/api/v1/gateway/settings", {"drop_params": True}, "settings.update"),
]


@pytest.mark.parametrize(("method", "path", "body", "action"), CHANGES)
async def test_every_change_over_http_is_there(
    gateway: Gateway, method: str, path: str, body: Json | None, action: str
) -> None:
    model = await gateway.add_model()
    key = await gateway.issue_key(label="first")
    team = (await gateway.manage("POST", "/teams", {"name": "first"})).json()
    targets = {
        "{key}": key["id"],
        "{secret}": key["key"],
        "{team}": team["team_id"],
        "{model}": model["model_id"],
    }
    filled = json.dumps([path, body])
    for name, value in targets.items():
        filled = filled.replace(name, value)
    path, body = json.loads(filled)
    if "unblock" in path:
        await gateway.request(method, path.replace("unblock", "block"), gateway.admin_key, body)
    before = await read(gateway)
    answered = await gateway.request(method, path, gateway.admin_key, body)
    assert answered.status_code in (200, 201), answered.text
    entries = (await read(gateway))["data"][: -len(before["data"])]
    assert [entry["action"] for entry in entries] == [action]
    assert entries[0]["actor"]["label"] == "GATEWAY_ADMIN_KEY"
    assert entries[0]["before"] != entries[0]["after"]


def test_every_route_that_changes_something_is_in_the_list() -> None:
    listed = {(method, path) for method, path, _, _ in [*CHANGES, *OF_EVALS]}
    for route in create_app(Settings()).routes:
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            if access(method, route.path) == "admin":
                path = re.sub(r"\{(\w+)(:\w+)?\}", "x", route.path)
                named = r"\{\w+\}|gpt|(?<=/)(faq|exact|ci|n)(?=/|$)"
                shapes = {(m, re.sub(named, "x", p)) for m, p in listed}
                assert (method, path) in shapes | ALIASES | CALLS, (method, route.path)


async def test_what_changes_nothing_leaves_no_trace(gateway: Gateway, key: str) -> None:
    before = await read(gateway)
    await gateway.request("POST", "/api/v1/gateway/keys", key, {})
    await gateway.manage("POST", "/keys", {"rpm_limit": "many"})
    await gateway.add_model("other", api_key=None, base_url=None)
    await gateway.manage("POST", "/models", {"model_name": "other", "provider": "openai"})
    await gateway.manage("DELETE", "/models/none")
    await gateway.manage("GET", "/keys")
    after = await read(gateway)
    assert [entry["target"]["name"] for entry in after["data"]][: -len(before["data"])] == ["other"]


async def test_an_entry_says_who_from_where_and_what(gateway: Gateway) -> None:
    await gateway.add_model()
    [admin_key] = [
        key for key in (await gateway.manage("GET", "/keys")).json()["data"] if key["hint"]
    ]
    patch = {"litellm_params": {"temperature": 0.5}, "api_key": "sk-other-upstream-0123456789"}
    changed = (await gateway.manage("PATCH", "/models/gpt", patch)).json()
    [entry] = (await read(gateway, "?limit=1"))["data"]
    assert entry == {
        "id": entry["id"],
        "object": "audit_entry",
        "at": changed["updated_at"],
        "actor": {"id": admin_key["id"], "label": "GATEWAY_ADMIN_KEY", "address": "127.0.0.1"},
        "action": "model.update",
        "target": {"id": changed["model_id"], "name": "gpt"},
        "before": {"api_key": "[hidden]", "litellm_params": {"model": "gpt"}},
        "after": {
            "api_key": "[changed]",
            "litellm_params": {"model": "gpt", "temperature": 0.5},
        },
    }


async def test_teams_and_settings_are_in_it(gateway: Gateway) -> None:
    store: Store = gateway.app.state.services.store
    by = Actor("key_1", "ops", "203.0.113.5")
    team = team_spec({"name": "research"}).record(1000)
    await store.teams.add(team, by)
    await store.settings.change(lambda old: replace(old, drop_params=True), by)
    await store.teams.remove(team.id, by)
    entries = (await read(gateway, "?actor=ops"))["data"]
    assert [entry["action"] for entry in entries] == ["team.remove", "settings.update", "team.add"]
    assert entries[1]["after"] == {"drop_params": True}
    assert {entry["actor"]["address"] for entry in entries} == {"203.0.113.5"}


async def test_pages_follow_one_another(gateway: Gateway) -> None:
    for number in range(5):
        await gateway.issue_key(label=f"key-{number}")
    seen, after, more = [], "", True
    while more:
        page = await read(gateway, f"?limit=2{after}")
        assert len(page["data"]) <= 2
        seen += page["data"]
        more, after = page["has_more"], f"&after={page['data'][-1]['id']}"
        # What is added meanwhile is no reason to see anything twice.
        await gateway.issue_key(label="meanwhile")
    names = [entry["target"]["name"] for entry in seen]
    assert names == [*(f"key-{n}" for n in reversed(range(5))), "GATEWAY_ADMIN_KEY"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("target=a", ["key.revoke", "key.add"]),
        ("target={id}", ["key.revoke", "key.add"]),
        ("target=", ["key.revoke", "key.add", "model.add", "key.add"]),
        ("target=A", []),
        ("target=%25", []),
        ("actor=start", ["key.add"]),
        ("actor=GATEWAY_ADMIN_KEY", ["key.revoke", "key.add", "model.add"]),
        ("action=key", ["key.revoke", "key.add", "key.add"]),
        ("action=key.add", ["key.add", "key.add"]),
        ("action=ke", []),
        ("action=key_", []),
        ("action=model&target=gpt", ["model.add"]),
        ("since=1d", ["key.revoke", "key.add", "model.add", "key.add"]),
        ("since=2199-01-01", []),
        ("until=2020-01-01T00:00:00%2B01:00", []),
        ("until=1d", []),
        ("since=1970-01-01&until=2199-01-01", ["key.revoke", "key.add", "model.add", "key.add"]),
    ],
)
async def test_filters(gateway: Gateway, query: str, found: list[str]) -> None:
    await gateway.add_model()
    issued = await gateway.issue_key(label="a")
    await gateway.manage("DELETE", f"/keys/{issued['id']}")
    assert await actions(gateway, "?" + query.format(id=issued["id"])) == found


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=%D9%A1", "limit"),
        ("after=x", "after"),
        ("after=-1", "after"),
        ("after=" + "9" * 30, "after"),
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("traget=a", "traget"),
        ("action=key&action=model", "action"),
    ],
)
async def test_what_cannot_be_read_is_refused(gateway: Gateway, query: str, param: str) -> None:
    refused = await gateway.manage("GET", f"/audit?{query}")
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (422, param)
    assert error["message"].startswith(param)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_method_changes_it(gateway: Gateway, method: str) -> None:
    before = await read(gateway)
    assert (await gateway.manage(method, "/audit", {})).status_code == 405
    assert (await gateway.manage(method, "/audit/1", {})).status_code == 404
    assert await read(gateway) == before


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor_id = 'nobody'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
        "UPDATE OR IGNORE audit SET at = 0",
    ],
)
async def test_the_database_itself_refuses_to_change_it(
    gateway: Gateway, settings: Settings, statement: str
) -> None:
    before = await read(gateway)
    with pytest.raises(sqlite3.IntegrityError, match="the audit log cannot be changed"):
        # In a thread: what the gateway writes just now could not end, and would hold the lock.
        await asyncio.to_thread(execute, settings, statement)
    assert await read(gateway) == before


async def test_no_secret_is_in_it(gateway: Gateway) -> None:
    await gateway.add_model(api_key="sk-upstream-one-0123456789")
    await gateway.manage("PATCH", "/models/gpt", {"api_key": "sk-upstream-two-0123456789"})
    await gateway.manage(
        "PATCH", "/models/gpt", {"litellm_params": {"aws_secret_access_key": "aws-0123456789"}}
    )
    issued = await gateway.issue_key()
    await gateway.manage("DELETE", "/models/gpt")
    text = (await gateway.manage("GET", "/audit")).text
    for secret in (
        gateway.admin_key,
        issued["key"],
        "sk-upstream-one-0123456789",
        "sk-upstream-two-0123456789",
        "aws-0123456789",
    ):
        assert secret not in text
