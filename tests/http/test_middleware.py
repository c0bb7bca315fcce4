"""Request ids, the access log, and the answers to what goes wrong."""

from __future__ import annotations

import logging
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.middleware import Boundary
from tests.servers import Gateway, serving


async def test_a_request_id_is_echoed_on_every_answer(gateway: Gateway, key: str) -> None:
    given = {"x-request-id": "trace-1:a/b.c_d=e+f@g"}
    for path, secret in (("/v1/models", key), ("/v1/models", None), ("/nowhere", None)):
        response = await gateway.request("GET", path, secret, headers=given)
        assert response.headers["x-request-id"] == given["x-request-id"]


@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 129, "né"])
async def test_an_unfit_request_id_is_replaced(gateway: Gateway, sent: str | None) -> None:
    headers = {} if sent is None else {b"x-request-id": sent.encode()}
    response = await gateway.http.get(f"{gateway.url}/health/liveness", headers=headers)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


async def test_each_request_is_logged_with_its_id(
    gateway: Gateway, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    await gateway.request("GET", "/v1/models%0Aevil", key, headers={"x-request-id": "abc"})
    [record] = [r for r in caplog.records if r.name == "gateway.access"]
    assert re.fullmatch(r"GET /v1/models\\nevil 404 \d+\.\dms abc", record.getMessage())
    assert key not in caplog.text


async def test_a_key_in_a_path_is_not_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    await gateway.manage("GET", "/keys/sk-0123456789abcdefghij")
    await gateway.request("GET", "/key/sk-0123456789abcdefghij/regenerate", gateway.admin_key)
    assert "0123456789" not in caplog.text
    assert "/key/sk-****/regenerate 405" in caplog.text


async def test_a_route_that_is_not_there(gateway: Gateway) -> None:
    missing = await gateway.http.get(f"{gateway.url}/api/v2/x", headers={"host": "evil"})
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "GET /api/v2/x: no such route"


async def test_a_method_that_is_not_there(gateway: Gateway) -> None:
    refused = await gateway.http.get(f"{gateway.url}/v1/chat/completions")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"
    assert refused.json()["error"]["type"] == "invalid_request_error"


async def test_a_refused_method_names_those_of_every_route_of_the_path(gateway: Gateway) -> None:
    refused = await gateway.manage("PUT", "/keys/none")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "DELETE, GET, HEAD, PATCH"


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/chat/completions/", "//v1/models"])
async def test_no_redirect_is_built_from_the_host_header(gateway: Gateway, path: str) -> None:
    response = await gateway.http.get(gateway.url + path, headers={"host": "evil.example"})
    assert response.status_code in (401, 404)
    assert "evil" not in response.text


async def test_an_unforeseen_failure_is_an_error_without_its_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: Request) -> Response:
        raise RuntimeError("secret detail")

    app = Starlette(routes=[Route("/", broken)], middleware=[Middleware(Boundary, count=print)])
    async with serving(app) as url, httpx.AsyncClient() as http:
        response = await http.get(url, headers={"x-request-id": "abc"})
    assert response.status_code == 500
    error = response.json()["error"]
    assert error["type"] == "internal_server_error"
    assert "abc" in error["message"]
    assert "secret detail" not in response.text
    assert "secret detail" in caplog.text
