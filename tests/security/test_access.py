"""Every route of the app, with every kind of key."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Route

from gateway.app import API, create_app
from gateway.records import Operation
from gateway.settings import Settings
from tests.security.access import Access, access, methods_of
from tests.security.conftest import ADMIN, GATEWAY, REFUSED, Fortress

ROUTES = list(create_app(Settings()).routes)
ENDPOINTS = sorted(
    {
        (method, route.path)
        for route in ROUTES
        if isinstance(route, Route)
        for method in methods_of(route)
    }
)
GUARDED = [endpoint for endpoint in ENDPOINTS if access(*endpoint) in ("call", "admin")]
# Their errors are in Anthropic's format.
ANTHROPICS = (Operation.MESSAGES, Operation.COUNT_TOKENS)
PARAMETER = re.compile(r"\{\w+(:\w+)?\}")


def endpoints(who: Access) -> pytest.MarkDecorator:
    chosen = [(method, path) for method, path in ENDPOINTS if access(method, path) == who]
    ids = [f"{method} {path}" for method, path in chosen]
    return pytest.mark.parametrize(("method", "path"), chosen, ids=ids)


def existing(path: str, fortress: Fortress) -> str:
    """The path of something that is there."""
    name = "model" if "/model" in path else "team" if "/team" in path else "key"
    target = "gpt" if path.endswith("{name:path}") else fortress.ids[name]
    return PARAMETER.sub(target, path)


def test_every_route_says_who_may_use_it() -> None:
    assert [route for route in ROUTES if not isinstance(route, Route)] == []
    assert [endpoint for endpoint in ENDPOINTS if access(*endpoint) is None] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/files"), ("PUT", f"{API}/settings"), ("PUT", "/v1/models"), ("GET", "/admin")],
)
def test_a_route_that_is_not_declared_is_noticed(method: str, path: str) -> None:
    assert access(method, path) is None


@endpoints("public")
async def test_public_routes_ask_for_no_key(fortress: Fortress, method: str, path: str) -> None:
    for kind in (*REFUSED, GATEWAY, ADMIN):
        answer = await fortress.ask(method, path, kind)
        assert answer.status_code in (200, 503), kind


@endpoints("call")
async def test_call_routes_take_both_kinds_of_live_key(
    fortress: Fortress, method: str, path: str
) -> None:
    # An empty body is no call, and there is no such request in the usage, and no such response.
    expected = 404 if "{id}" in path else 400 if method == "POST" else 200
    for kind in (GATEWAY, ADMIN):
        answer = await fortress.ask(method, existing(path, fortress), kind, {})
        assert answer.status_code == expected, answer.text


@endpoints("admin")
async def test_admin_routes_take_an_admin_key(fortress: Fortress, method: str, path: str) -> None:
    answer = await fortress.ask(method, PARAMETER.sub("none", path), ADMIN, {})
    assert answer.status_code not in (401, 403), answer.text
    assert answer.status_code < 500, answer.text
    assert "no such route" not in answer.text


@endpoints("admin")
async def test_admin_routes_take_no_gateway_key(fortress: Fortress, method: str, path: str) -> None:
    before = await fortress.stamps()
    answer = await fortress.ask(method, existing(path, fortress), GATEWAY, {})
    assert answer.status_code == 401
    if method != "HEAD":
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("auth_error", "401")
        assert error["message"].startswith("Authentication Error, Only an admin key can")
    assert await fortress.stamps() == before


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_no_route_takes_a_dead_or_wrong_key(
    fortress: Fortress, method: str, path: str
) -> None:
    before = await fortress.stamps()
    fortress.gateway.provider.reset()
    found = {}
    for kind in REFUSED:
        answer = await fortress.ask(method, existing(path, fortress), kind, {})
        assert answer.status_code == 401, kind
        assert answer.headers["www-authenticate"] == "Bearer"
        if method != "HEAD":
            error = answer.json()["error"]
            if path.endswith(ANTHROPICS):
                assert error.keys() == {"message", "type"}
                assert error["type"] == "authentication_error"
                found[kind] = REFUSED[kind]
                continue
            assert error.keys() == {"message", "type", "param", "code"}
            assert error["code"] == "401"
            found[kind] = (error["type"], error["param"])
    assert found == ({} if method == "HEAD" else REFUSED)
    assert await fortress.stamps() == before
    assert fortress.gateway.provider.received == []


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_nothing_of_a_body_is_read_without_a_key(
    fortress: Fortress, method: str, path: str
) -> None:
    answer = await fortress.ask(method, existing(path, fortress), "none", b"{")
    assert answer.status_code == 401


@endpoints("console")
async def test_no_key_opens_a_page(fortress: Fortress, method: str, path: str) -> None:
    before = await fortress.stamps()
    for kind in ("none", GATEWAY, ADMIN):
        answer = await fortress.ask(method, PARAMETER.sub("none", path), kind, b"model_name=x")
        if path == "/ui/sign-in":
            assert answer.status_code == (400 if method == "POST" else 200)
        elif path.startswith("/ui/static/"):
            assert answer.status_code == 404
        elif path == "/ui/playground/chat":
            # Asked by a script.
            assert answer.status_code == 401
        else:
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/ui/sign-in")
    assert await fortress.stamps() == before
