"""Ways to spell a route, or to name another: none gets a gateway key to the admin's side."""

from __future__ import annotations

import pytest

from gateway.app import API
from tests.security.conftest import ADMIN, GATEWAY, Fortress
from tests.security.raw import bearer, exchange, request

# The list of keys, spelled in ways that a router, a proxy or a check may read differently.
SPELLINGS = [
    f"{API}/keys",
    f"/{API}/keys",
    f"{API}//keys",
    f"{API}/keys/",
    f"{API}/./keys",
    f"{API}/%2e/keys",
    f"{API}/../gateway/keys",
    f"{API}/%2e%2e/gateway/keys",
    f"{API}/models/../keys",
    f"{API}/models/..%2fkeys",
    f"{API}/models/%2e%2e%2fkeys",
    f"{API}/models/..;/keys",
    f"{API}%2fkeys",
    f"{API}%2Fkeys",
    f"{API}%252fkeys",
    f"{API}\\keys",
    f"{API}%5ckeys",
    f"{API}/KEYS",
    f"{API.upper()}/keys",
    f"{API}/keys;x",
    f"{API}/keys;/health/liveness",
    f"{API}/keys%00",
    f"{API}/keys%20",
    f"{API}/keys%3f",
    f"{API}/keys%23",
    f"{API}/keys.json",
    f"{API}/%6beys",
    f"{API}/keys?/health/liveness",
    f"{API}/keys#/health/liveness",
    f"{API}/ke%C5%BFys",
    f"/v1/..{API}/keys",
    f"/v1{API}/keys",
    f"/health/liveness/../..{API}/keys",
    f"/health/liveness%2f..%2f..{API}/keys",
    f"http://gateway{API}/keys",
    f"http://evil.example{API}/keys",
    f"http://health/liveness@gateway{API}/keys",
    f"//evil.example{API}/keys",
    "*",
]
HOSTS = [
    "gateway/health/liveness",
    "gateway/health/liveness?",
    "gateway/health/liveness#",
    "evil.example/v1/models?x=",
    "evil.example:80@gateway",
    "",
    "../health/liveness",
]
OVERRIDES = [
    f"x-original-url: {API}/keys",
    f"x-rewrite-url: {API}/keys",
    f"x-forwarded-uri: {API}/keys",
    f"x-forwarded-path: {API}/keys",
    f"x-forwarded-prefix: {API}/keys",
    f"x-original-uri: {API}/keys",
    f"referer: http://gateway{API}/keys",
    f"forwarded: host=gateway;path={API}/keys",
]


def secret(fortress: Fortress, kind: str) -> str:
    fortress.forget_guesses()
    found = fortress.secrets[kind]
    assert found
    return found


@pytest.mark.parametrize("kind", [GATEWAY, "unknown", "revoked admin"])
@pytest.mark.parametrize("target", SPELLINGS)
async def test_no_spelling_lets_a_gateway_key_manage(
    fortress: Fortress, target: str, kind: str
) -> None:
    asked = request("GET", target, bearer(secret(fortress, kind)))
    answers = await exchange(fortress.gateway.url, asked)
    [status] = answers.statuses
    assert status in (400, 401, 404, 405), answers.text
    assert "sk-…" not in answers.text


@pytest.mark.parametrize("target", SPELLINGS)
async def test_no_spelling_lets_anyone_change(fortress: Fortress, target: str) -> None:
    before = await fortress.stamps()
    asked = request(
        "POST", target, bearer(secret(fortress, GATEWAY)), "content-length: 2", body=b"{}"
    )
    answers = await exchange(fortress.gateway.url, asked)
    assert answers.statuses[0] in (400, 401, 404, 405), answers.text
    assert await fortress.stamps() == before


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", [f"{API}/keys", "/health"])
async def test_the_host_header_has_no_say(fortress: Fortress, path: str, host: str) -> None:
    asked = request("GET", path, bearer(secret(fortress, GATEWAY)), host=host)
    answers = await exchange(fortress.gateway.url, asked)
    assert answers.statuses == [401], answers.text
    assert "evil" not in answers.text


@pytest.mark.parametrize("header", OVERRIDES)
async def test_no_header_names_another_path(fortress: Fortress, header: str) -> None:
    asked = request("GET", "/health/liveness", header, bearer(secret(fortress, ADMIN)))
    answers = await exchange(fortress.gateway.url, asked)
    assert answers.statuses == [200]
    assert answers.text.endswith('"I\'m alive!"')


@pytest.mark.parametrize(
    "header", ["x-http-method-override", "x-http-method", "x-method-override", "_method"]
)
async def test_no_header_names_another_method(fortress: Fortress, header: str) -> None:
    before = await fortress.stamps()
    for place in ("", f"?{header}=DELETE"):
        asked = request(
            "GET", f"{API}/models/gpt{place}", f"{header}: DELETE", bearer(secret(fortress, ADMIN))
        )
        answers = await exchange(fortress.gateway.url, asked)
        assert answers.statuses == [200]
    assert await fortress.stamps() == before


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PUT", "PROPFIND", "FOO", "get"])
async def test_other_methods_reach_nothing(fortress: Fortress, method: str) -> None:
    asked = request(method, f"{API}/keys", bearer(secret(fortress, GATEWAY)))
    answers = await exchange(fortress.gateway.url, asked)
    assert answers.statuses[0] in (400, 404, 405), answers.text
    # TRACE would repeat the key.
    assert secret(fortress, GATEWAY) not in answers.text


async def test_a_websocket_is_not_opened(fortress: Fortress) -> None:
    asked = request(
        "GET",
        f"{API}/keys",
        bearer(secret(fortress, GATEWAY)),
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version: 13",
    )
    assert (await exchange(fortress.gateway.url, asked)).statuses == [401]
