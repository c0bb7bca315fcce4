"""Managing access keys over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app import create_app
from gateway.settings import Settings
from tests.servers import Gateway, chunks, serving


async def test_a_key_is_shown_once_and_kept_nowhere(gateway: Gateway, tmp_path: Path) -> None:
    issued = await gateway.manage("POST", "/keys", {"label": "ci", "rpm_limit": 5, "tpm_limit": 9})
    assert issued.status_code == 201
    assert issued.headers["cache-control"] == "no-store"
    body = issued.json()
    secret = body.pop("key")
    assert secret.startswith("sk-")
    assert len(secret) >= 46
    assert body | {"id": "", "created_at": ""} == {
        "id": "",
        "object": "key",
        "kind": "gateway",
        "label": "ci",
        "hint": f"sk-…{secret[-4:]}",
        "state": "active",
        "rpm_limit": 5,
        "tpm_limit": 9,
        "created_at": "",
        "revoked_at": None,
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


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_key_is_not_found(gateway: Gateway, method: str) -> None:
    missing = await gateway.manage(method, "/keys/key_none")
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "id")


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
