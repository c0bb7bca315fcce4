"""Managing access keys over HTTP."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.app import CALL_PREFIXES, create_app
from gateway.records import Key
from gateway.settings import Settings
from gateway.specs import key_spec
from tests.servers import TESTER, Gateway, chunks, serving


async def test_a_key_is_shown_once_and_kept_nowhere(gateway: Gateway, tmp_path: Path) -> None:
    issued = await gateway.manage("POST", "/keys", {"label": "ci", "rpm_limit": 5, "tpm_limit": 9})
    assert issued.status_code == 201
    assert issued.headers["cache-control"] == "no-store"
    body = issued.json()
    secret = body.pop("key")
    assert secret.startswith("sk-")
    assert len(secret) >= 46
    assert body == {
        "id": body["id"],
        "object": "key",
        "kind": "gateway",
        "label": "ci",
        "hint": f"sk-…{secret[-4:]}",
        "state": "active",
        "blocked": False,
        "team_id": None,
        "user_id": None,
        "models": [],
        "aliases": {},
        "rpm_limit": 5,
        "tpm_limit": 9,
        "model_rpm_limit": {},
        "model_tpm_limit": {},
        "max_parallel_requests": None,
        "max_budget": None,
        "soft_budget": None,
        "budget_duration": None,
        "tags": [],
        "metadata": {},
        "created_at": body["created_at"],
        "updated_at": body["created_at"],
        "expires_at": None,
        "rotated_until": None,
        "revoked_at": None,
        "spend": 0.0,
        "budget_reset_at": None,
    }
    assert (await gateway.manage("GET", f"/keys/{body['id']}")).json() == body
    listed = await gateway.manage("GET", "/keys")
    assert body in listed.json()["data"]
    assert secret not in listed.text
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


async def test_a_key_needs_no_label_nor_body(gateway: Gateway) -> None:
    bare = await gateway.manage("POST", "/keys")
    assert bare.status_code == 201
    assert bare.json()["label"] is None
    assert bare.json()["rpm_limit"] is None


async def test_a_revoked_key_stops_at_once_and_stays_listed(gateway: Gateway) -> None:
    await gateway.add_model()
    key = await gateway.issue_key(label="leaver")
    assert (await gateway.chat(key["key"])).status_code == 200
    revoked = await gateway.manage("DELETE", f"/keys/{key['id']}")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    refused = await gateway.chat(key["key"])
    assert refused.status_code == 401
    assert "revoked" in refused.json()["error"]["message"]
    again = await gateway.manage("DELETE", f"/keys/{key['id']}")
    assert (again.status_code, again.json()) == (200, revoked.json())


async def test_a_revoked_key_stops_in_another_process_within_a_second(
    gateway: Gateway, settings: Settings
) -> None:
    await gateway.add_model()
    async with serving(create_app(settings)) as url:
        other = Gateway(url, gateway.admin_key, gateway.provider, gateway.app, gateway.http)
        key = await gateway.issue_key()
        await asyncio.sleep(1)
        assert (await other.chat(key["key"])).status_code == 200
        await gateway.manage("DELETE", f"/keys/{key['id']}")
        await asyncio.sleep(1)
        assert (await other.chat(key["key"])).status_code == 401


async def test_keys_are_revoked_one_by_one(gateway: Gateway) -> None:
    await gateway.add_model()
    one, other = await gateway.issue_key(), await gateway.issue_key()
    await gateway.manage("DELETE", f"/keys/{one['id']}")
    assert (await gateway.chat(one["key"])).status_code == 401
    assert (await gateway.chat(other["key"])).status_code == 200


async def test_keys_come_in_pages_oldest_first(gateway: Gateway) -> None:
    made = [(await gateway.issue_key(label=str(n)))["id"] for n in range(3)]
    first = (await gateway.manage("GET", "/keys?limit=2")).json()
    assert first["has_more"] is True
    after = first["data"][-1]["id"]
    second = (await gateway.manage("GET", f"/keys?limit=2&after={after}")).json()
    assert second["has_more"] is False
    # The admin key of the fixture is the oldest.
    assert [key["id"] for key in first["data"] + second["data"]][1:] == made


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "²", ""])
async def test_a_bad_page_size_is_refused(gateway: Gateway, limit: str) -> None:
    refused = await gateway.manage("GET", f"/keys?limit={limit}")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "limit")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"rpm_limit": 0}, "rpm_limit"),
        ({"rpm_limit": "5"}, "rpm_limit"),
        ({"tpm_limit": -1}, "tpm_limit"),
        ({"tpm_limit": 1.5}, "tpm_limit"),
        ({"label": 5}, "label"),
        ({"label": "x" * 201}, "label"),
        ({"key": "sk-mine"}, "key"),
        ({"kind": "admin"}, "kind"),
    ],
)
async def test_a_bad_key_is_refused_by_field(
    gateway: Gateway, body: dict[str, Any], param: str
) -> None:
    refused = await gateway.manage("POST", "/keys", body)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (422, param)
    assert error["message"].startswith(param)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/block"),
        ("POST", "/unblock"),
    ],
)
async def test_an_unknown_key_is_not_found(gateway: Gateway, method: str, path: str) -> None:
    missing = await gateway.manage(method, f"/keys/key_none{path}", {})
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "id")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/block"),
        ("POST", "/unblock"),
    ],
)
async def test_a_gateway_key_does_not_even_change_itself(
    gateway: Gateway, method: str, path: str
) -> None:
    key = await gateway.issue_key()
    where = f"/api/v1/gateway/keys/{key['id']}{path}"
    refused = await gateway.request(method, where, key["key"], {})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "auth_error")
    assert (await gateway.manage("GET", f"/keys/{key['id']}")).json()["state"] == "active"


async def test_keys_are_listed_by_what_they_are(gateway: Gateway) -> None:
    await gateway.manage("POST", "/teams", {"team_id": "red", "name": "Red"})
    made = {
        "one": await gateway.issue_key(label="x", team_id="red", user_id="ann"),
        "two": await gateway.issue_key(label="x", user_id="bob"),
        "three": await gateway.issue_key(label="X", team_id="red", blocked=True),
        "four": await gateway.issue_key(user_id="ann", expires_at="2020-01-01T00:00:00Z"),
        "five": await gateway.issue_key(user_id="ann", blocked=True),
    }
    await gateway.manage("DELETE", f"/keys/{made['five']['id']}")
    names = {key["id"]: name for name, key in made.items()}

    async def listed(query: str) -> list[str]:
        response = await gateway.manage("GET", f"/keys?{query}")
        assert response.status_code == 200, response.text
        return [names.get(key["id"], "admin") for key in response.json()["data"]]

    assert await listed("") == ["admin", "one", "two", "three", "four", "five"]
    assert await listed("label=x") == ["one", "two"]
    assert await listed("label=none") == []
    assert await listed("team_id=red") == ["one", "three"]
    assert await listed("user_id=ann") == ["one", "four", "five"]
    assert await listed("user_id=ann&team_id=red") == ["one"]
    assert await listed("state=active") == ["admin", "one", "two"]
    assert await listed("state=blocked") == ["three"]
    assert await listed("state=expired") == ["four"]
    assert await listed("state=revoked") == ["five"]
    assert await listed(f"state=active&limit=1&after={made['one']['id']}") == ["two"]


@pytest.mark.parametrize("query", ["state=gone", "state=", "status=active", "key=sk-x"])
async def test_a_filter_that_does_not_exist_is_refused(gateway: Gateway, query: str) -> None:
    refused = await gateway.manage("GET", f"/keys?{query}")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, query.split("=")[0])


async def test_a_patch_changes_what_it_names(gateway: Gateway) -> None:
    made = await gateway.issue_key(
        label="ci", rpm_limit=5, tpm_limit=9, metadata={"a": {"b": 1}}, aliases={"fast": "gpt"}
    )
    secret = made.pop("key")
    patch = {"label": "CI", "rpm_limit": None, "metadata": {"a": {"c": 2}}, "max_budget": 1.5}
    changed = await gateway.manage("PATCH", f"/keys/{made['id']}", patch)
    assert changed.status_code == 200
    assert changed.json() == made | {
        "label": "CI",
        "rpm_limit": None,
        "max_budget": 1.5,
        "metadata": {"a": {"b": 1, "c": 2}},
        "updated_at": changed.json()["updated_at"],
    }
    assert (await gateway.manage("GET", f"/keys/{made['id']}")).json() == changed.json()
    emptied = await gateway.manage(
        "PATCH", f"/keys/{made['id']}", {"aliases": {}, "metadata": None}
    )
    assert emptied.json()["aliases"] == {"fast": "gpt"}, "as RFC 7396 has it"
    assert emptied.json()["metadata"] == {}
    await gateway.add_model()
    assert (await gateway.chat(secret, "fast")).status_code == 200


async def test_a_patch_takes_effect_at_once(gateway: Gateway) -> None:
    await gateway.add_model()
    key = await gateway.issue_key()
    assert (await gateway.chat(key["key"])).status_code == 200
    await gateway.manage("PATCH", f"/keys/{key['id']}", {"models": ["other"]})
    assert (await gateway.chat(key["key"])).status_code == 403
    ended = await gateway.manage(
        "PATCH", f"/keys/{key['id']}", {"models": None, "expires_at": "2020-01-01T00:00:00Z"}
    )
    assert ended.json()["state"] == "expired"
    refused = (await gateway.chat(key["key"])).json()["error"]
    assert refused["type"] == "expired_key"
    alive = await gateway.manage("PATCH", f"/keys/{key['id']}", {"duration": "1h"})
    assert alive.json()["state"] == "active"
    assert (await gateway.chat(key["key"])).status_code == 200


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"rpm_limit": 0}, "rpm_limit"),
        ({"label": 5}, "label"),
        ({"kind": "admin"}, "kind"),
        ({"id": "key_mine"}, "id"),
        ({"secret_hash": "0" * 64}, "secret_hash"),
        ({"revoked_at": None}, "revoked_at"),
        ({"duration": "soon"}, "duration"),
        ({"team_id": "none"}, "team_id"),
    ],
)
async def test_a_bad_patch_changes_nothing(
    gateway: Gateway, patch: dict[str, Any], param: str
) -> None:
    made = await gateway.issue_key(label="ci")
    del made["key"]
    refused = await gateway.manage("PATCH", f"/keys/{made['id']}", {"label": "new"} | patch)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)
    assert (await gateway.manage("GET", f"/keys/{made['id']}")).json() == made


async def test_a_blocked_key_stops_until_it_is_unblocked(gateway: Gateway) -> None:
    await gateway.add_model()
    key = await gateway.issue_key()
    for _ in range(2):
        blocked = await gateway.manage("POST", f"/keys/{key['id']}/block")
        assert (blocked.status_code, blocked.json()["state"]) == (200, "blocked")
    refused = await gateway.chat(key["key"])
    assert refused.status_code == 401
    assert refused.json()["error"]["message"].startswith("Authentication Error, Key is blocked.")
    for _ in range(2):
        unblocked = await gateway.manage("POST", f"/keys/{key['id']}/unblock")
        assert (unblocked.status_code, unblocked.json()["state"]) == (200, "active")
    assert (await gateway.chat(key["key"])).status_code == 200
    changes = (await gateway.manage("GET", f"/audit?target={key['id']}")).json()["data"]
    assert [(each["action"], each["after"]["state"]) for each in changes] == [
        ("key.update", "active"),
        ("key.update", "blocked"),
        ("key.add", "active"),
    ], "what changes nothing is no change"


async def test_a_rotated_key_has_another_secret_from_now_on(gateway: Gateway) -> None:
    await gateway.add_model()
    made = await gateway.issue_key(label="ci", rpm_limit=50)
    old = made.pop("key")
    rotated = await gateway.manage("POST", f"/keys/{made['id']}/rotate")
    assert rotated.status_code == 200
    assert rotated.headers["cache-control"] == "no-store"
    body = rotated.json()
    new = body.pop("key")
    assert new.startswith("sk-")
    assert new != old
    changed = {name: body[name] for name in ("hint", "updated_at", "rotated_until")}
    assert body == made | changed
    assert body["hint"] == f"sk-…{new[-4:]}"
    assert (await gateway.chat(new)).status_code == 200
    refused = await gateway.chat(old)
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "token_not_found_in_db")
    shown = await gateway.manage("GET", f"/keys/{made['id']}")
    assert new not in shown.text


async def test_a_grace_period_keeps_the_old_secret_good(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.add_model()
    made = await gateway.issue_key()
    body = {"grace_period": "1h"}
    first = (await gateway.manage("POST", f"/keys/{made['id']}/rotate", body)).json()
    assert first["rotated_until"] is not None
    for secret in (made["key"], first["key"]):
        assert (await gateway.chat(secret)).status_code == 200
    second = (await gateway.manage("POST", f"/keys/{made['id']}/rotate", body)).json()
    assert (await gateway.chat(made["key"])).status_code == 401, "the one before the last ended"
    for secret in (first["key"], second["key"]):
        assert (await gateway.chat(secret)).status_code == 200
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    assert (await gateway.chat(first["key"])).status_code == 401
    assert (await gateway.chat(second["key"])).status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"grace_period": "soon"}, "grace_period"),
        ({"grace_period": 3600}, "grace_period"),
        ({"grace_period": "0s"}, "grace_period"),
        ({"grace": "1h"}, "grace"),
        ({"key": "sk-mine"}, "key"),
    ],
)
async def test_a_bad_rotation_changes_nothing(
    gateway: Gateway, body: dict[str, Any], param: str
) -> None:
    await gateway.add_model()
    key = await gateway.issue_key()
    refused = await gateway.manage("POST", f"/keys/{key['id']}/rotate", body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)
    assert (await gateway.chat(key["key"])).status_code == 200


async def test_a_revoked_key_is_not_changed_any_more(gateway: Gateway) -> None:
    key = await gateway.issue_key()
    await gateway.manage("DELETE", f"/keys/{key['id']}")
    before = (await gateway.manage("GET", f"/keys/{key['id']}")).json()
    for method, path in (
        ("PATCH", ""),
        ("POST", "/rotate"),
        ("POST", "/block"),
        ("POST", "/unblock"),
    ):
        refused = await gateway.manage(method, f"/keys/{key['id']}{path}", {})
        error = refused.json()["error"]
        assert (refused.status_code, error["type"], error["param"]) == (409, "conflict_error", "id")
        assert "issue another" in error["message"]
    assert (await gateway.manage("GET", f"/keys/{key['id']}")).json() == before


async def test_a_blocked_key_is_rotated_and_an_expired_one_is_not(gateway: Gateway) -> None:
    """A leaked key may be blocked first; but a new secret does not bring an ended key back."""
    blocked = await gateway.issue_key(blocked=True)
    rotated = await gateway.manage("POST", f"/keys/{blocked['id']}/rotate")
    assert (rotated.status_code, rotated.json()["state"]) == (200, "blocked")
    expired = await gateway.issue_key(expires_at="2020-01-01T00:00:00Z")
    refused = await gateway.manage("POST", f"/keys/{expired['id']}/rotate")
    assert (refused.status_code, refused.json()["error"]["param"]) == (409, "id")
    assert "has expired" in refused.json()["error"]["message"]


# --- admin keys ---


async def the_admin(gateway: Gateway) -> dict[str, Any]:
    listed = (await gateway.manage("GET", "/keys")).json()["data"]
    return next(key for key in listed if key["kind"] == "admin")


async def another_admin(gateway: Gateway, **fields: Any) -> Key:
    """Made as on the gateway's host: over HTTP there is no way."""
    spec = key_spec({"label": "second"} | fields)
    key = spec.record("sk-second-admin-0123456789", int(time.time()), "admin")
    await gateway.app.state.services.store.keys.add(key, TESTER)
    return key


LOCKING_OUT = [
    ("DELETE", "", None),
    ("POST", "/block", None),
    ("PATCH", "", {"blocked": True}),
    ("PATCH", "", {"duration": "10d"}),
    ("PATCH", "", {"expires_at": "2020-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize(("method", "path", "body"), LOCKING_OUT)
async def test_the_last_admin_key_is_not_taken_away(
    gateway: Gateway, method: str, path: str, body: Any
) -> None:
    admin = await the_admin(gateway)
    refused = await gateway.manage(method, f"/keys/{admin['id']}{path}", body)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["param"]) == (409, "conflict_error", "id")
    assert "Nobody could manage the gateway any more" in error["message"]
    assert await the_admin(gateway) == admin


@pytest.mark.parametrize(("method", "path", "body"), LOCKING_OUT)
@pytest.mark.parametrize("other", [{"blocked": True}, {"duration": "9d"}])
async def test_another_admin_key_has_to_work_and_to_last_as_long(
    gateway: Gateway, method: str, path: str, body: Any, other: dict[str, Any]
) -> None:
    await another_admin(gateway, **other)
    admin = await the_admin(gateway)
    refused = await gateway.manage(method, f"/keys/{admin['id']}{path}", body)
    assert refused.status_code == 409
    assert await the_admin(gateway) == admin


@pytest.mark.parametrize(("method", "path", "body"), LOCKING_OUT)
async def test_one_of_two_admin_keys_can_go(
    gateway: Gateway, method: str, path: str, body: Any
) -> None:
    await another_admin(gateway)
    admin = await the_admin(gateway)
    gone = await gateway.manage(method, f"/keys/{admin['id']}{path}", body)
    assert gone.status_code == 200
    left = Gateway(
        gateway.url, "sk-second-admin-0123456789", gateway.provider, gateway.app, gateway.http
    )
    changed = (await left.manage("GET", f"/keys/{admin['id']}")).json()
    assert (changed["state"], changed["expires_at"]) != ("active", None)


async def test_an_admin_key_is_bound_by_no_limit_and_takes_none(gateway: Gateway) -> None:
    await gateway.manage("POST", "/teams", {"team_id": "red", "name": "Red"})
    admin = await the_admin(gateway)
    for field, value in {
        "team_id": "red",
        "models": ["gpt"],
        "rpm_limit": 1,
        "tpm_limit": 1,
        "model_rpm_limit": {"gpt": 1},
        "model_tpm_limit": {"gpt": 1},
        "max_parallel_requests": 1,
        "max_budget": 0,
        "soft_budget": 1,
        "budget_duration": "1d",
    }.items():
        refused = await gateway.manage("PATCH", f"/keys/{admin['id']}", {field: value})
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, field)
        empty = await gateway.manage("PATCH", f"/keys/{admin['id']}", {field: None})
        assert empty.status_code == 200
    named = await gateway.manage("PATCH", f"/keys/{admin['id']}", {"label": "boss", "tags": ["a"]})
    assert (named.json()["label"], named.json()["tags"]) == ("boss", ["a"])


async def test_the_admin_key_of_the_environment_is_changed_there(gateway: Gateway) -> None:
    """Rotated here, the next start would bring the old secret back."""
    admin = await the_admin(gateway)
    refused = await gateway.manage("POST", f"/keys/{admin['id']}/rotate")
    assert refused.status_code == 409
    assert "GATEWAY_ADMIN_KEY" in refused.json()["error"]["message"]


async def test_another_admin_key_is_rotated_like_any(gateway: Gateway) -> None:
    second = await another_admin(gateway)
    rotated = (await gateway.manage("POST", f"/keys/{second.id}/rotate")).json()
    assert rotated["kind"] == "admin"
    listed = await gateway.request("GET", "/api/v1/gateway/keys", rotated["key"])
    assert listed.status_code == 200


# --- what a key may call ---


async def test_a_key_lists_what_it_may_call(gateway: Gateway) -> None:
    for name in ("gpt", "openai/a", "openai/b"):
        await gateway.add_model(name)
    key = await gateway.issue_key(
        models=["openai/*"], aliases={"fast": "openai/a", "big": "gpt", "dead": "openai/none"}
    )
    for prefix in CALL_PREFIXES:
        listed = await gateway.request("GET", f"{prefix}/models", key["key"])
        names = [model["id"] for model in listed.json()["data"]]
        assert names == ["fast", "openai/a", "openai/b"]
        one = await gateway.request("GET", f"{prefix}/models/fast", key["key"])
        assert one.json() == listed.json()["data"][0]
        for name in ("gpt", "big", "dead", "none"):
            missing = await gateway.request("GET", f"{prefix}/models/{name}", key["key"])
            assert missing.status_code == 404
            assert missing.json()["error"]["code"] == "model_not_found"
    for name in names:
        assert (await gateway.chat(key["key"], name)).status_code == 200
    assert gateway.provider.received[-3].body["model"] == "a"
    denied = await gateway.chat(key["key"], "gpt")
    assert (denied.status_code, denied.json()["error"]["type"]) == (403, "key_model_access_denied")
    everything = (await gateway.manage("GET", "/models")).json()["data"]
    assert [model["id"] for model in everything] == ["gpt", "openai/a", "openai/b"]


async def test_requests_a_minute_are_limited(gateway: Gateway) -> None:
    await gateway.add_model()
    secret = (await gateway.issue_key(rpm_limit=2))["key"]
    first, second, third = [await gateway.chat(secret) for _ in range(3)]
    assert (first.status_code, first.headers["x-ratelimit-remaining-requests"]) == (200, "1")
    assert (second.status_code, second.headers["x-ratelimit-api_key-remaining-requests"]) == (
        200,
        "0",
    )
    assert third.status_code == 429
    assert 1 <= int(third.headers["retry-after"]) <= 60
    assert third.headers["x-ratelimit-limit-requests"] == "2"
    assert third.headers["rate_limit_type"] == "requests"
    error = third.json()["error"]
    assert (error["type"], error["code"]) == ("throttling_error", "429")
    assert "Limit type: requests. Current limit: 2, Remaining: 0." in error["message"]
    assert len(gateway.provider.received) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_a_minute_are_limited(gateway: Gateway, stream: bool) -> None:
    await gateway.add_model()
    if stream:
        gateway.provider.streams(chunks())
    secret = (await gateway.issue_key(tpm_limit=30))["key"]
    # 17 tokens each: the second call is let in with 13 left, the third is not.
    first, second, third = [await gateway.chat(secret, stream=stream) for _ in range(3)]
    assert (first.status_code, first.headers["x-ratelimit-remaining-tokens"]) == (200, "30")
    assert (second.status_code, second.headers["x-ratelimit-remaining-tokens"]) == (200, "13")
    assert third.status_code == 429
    assert third.headers["rate_limit_type"] == "tokens"
    assert (
        "Limit type: tokens. Current limit: 30, Remaining: 0." in third.json()["error"]["message"]
    )


async def test_limits_are_each_keys_own(gateway: Gateway) -> None:
    await gateway.add_model()
    one = (await gateway.issue_key(rpm_limit=1))["key"]
    other = (await gateway.issue_key(rpm_limit=1))["key"]
    assert (await gateway.chat(one)).status_code == 200
    assert (await gateway.chat(one)).status_code == 429
    assert (await gateway.chat(other)).status_code == 200
