"""What a caller sends beside its body goes no further, and one request is never read as two."""

from __future__ import annotations

import json

import pytest

from gateway.app import API
from tests.security.conftest import GATEWAY, Fortress
from tests.security.raw import Answers, bearer, exchange, request
from tests.servers import chunks

MARK = "smuggled-0123456789"
EVIL = f"http://{MARK}.example"
HEADERS = [
    "x-api-base",
    "api-base",
    "base-url",
    "x-litellm-api-base",
    "x-litellm-base-url",
    "x-litellm-timeout",
    "x-litellm-tags",
    "x-litellm-customer-id",
    "x-litellm-spend-logs-metadata",
    "litellm-params",
    "anthropic-beta",
    "anthropic-version",
    "openai-organization",
    "openai-project",
    "openai-beta",
    "x-stainless-lang",
    "x-stainless-retry-count",
    "x-stainless-helper-method",
    "helicone-auth",
    "user-agent",
    "cookie",
    "referer",
    "origin",
    "x-forwarded-for",
    "x-forwarded-host",
    "forwarded",
    "via",
    "traceparent",
    "tracestate",
    "baggage",
    "idempotency-key",
    "x-request-id",
    "x-amz-security-token",
    "x-goog-user-project",
    "proxy-authorization",
    "extra-headers",
    "accept-language",
    "accept",
    "content-type",
    "content-encoding",
]
CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "hello"}]}


async def ask(
    fortress: Fortress, *headers: str, query: str = "", body: bytes | None = None
) -> Answers:
    content = json.dumps(CHAT).encode() if body is None else body
    asked = request(
        "POST",
        f"/v1/chat/completions{query}",
        bearer(fortress.secrets[GATEWAY] or ""),
        f"content-length: {len(content)}",
        *headers,
        body=content,
    )
    fortress.gateway.provider.reset()
    return await exchange(fortress.gateway.url, asked)


def upstream(fortress: Fortress) -> str:
    """All that the provider got: one request."""
    [received] = fortress.gateway.provider.received
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == "Bearer sk-upstream-0123456789"
    return repr(received)


@pytest.mark.parametrize("header", HEADERS)
async def test_no_header_reaches_the_provider(fortress: Fortress, header: str) -> None:
    answers = await ask(fortress, f"{header}: {EVIL}")
    assert answers.statuses == [200], answers.text
    assert MARK not in upstream(fortress)


async def test_no_header_reaches_the_provider_of_a_stream(fortress: Fortress) -> None:
    provider = fortress.gateway.provider
    body = json.dumps(CHAT | {"stream": True}).encode()
    asked = request(
        "POST",
        "/v1/chat/completions",
        bearer(fortress.secrets[GATEWAY] or ""),
        f"content-length: {len(body)}",
        *(f"{name}: {EVIL}" for name in HEADERS),
        body=body,
    )
    provider.reset()
    provider.streams(chunks())
    answers = await exchange(fortress.gateway.url, asked)
    assert "data: [DONE]" in answers.text
    assert MARK not in upstream(fortress)


@pytest.mark.parametrize(
    "name",
    ["api_base", "base_url", "api_key", "model", "api-version", "extra_headers", "timeout", "key"],
)
async def test_no_query_reaches_the_provider(fortress: Fortress, name: str) -> None:
    answers = await ask(fortress, query=f"?{name}={EVIL}")
    assert answers.statuses == [200], answers.text
    assert MARK not in upstream(fortress)


async def test_the_callers_key_does_not_reach_the_provider(fortress: Fortress) -> None:
    for header in ("x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key"):
        await ask(fortress, f"{header}: {fortress.secrets[GATEWAY]}")
        assert str(fortress.secrets[GATEWAY]) not in upstream(fortress)


async def test_of_two_authorizations_one_decides(fortress: Fortress) -> None:
    """The first: a proxy that puts its own in front cannot be overruled."""
    assert (await ask(fortress, bearer(MARK))).statuses == [200]
    assert MARK not in upstream(fortress)
    fortress.forget_guesses()
    fortress.gateway.provider.reset()
    wrong_first = request(
        "GET", "/v1/models", bearer(f"sk-{MARK}"), bearer(fortress.secrets[GATEWAY] or "")
    )
    assert (await exchange(fortress.gateway.url, wrong_first)).statuses == [401]
    folded = f"authorization: Bearer {fortress.secrets[GATEWAY]}, Bearer {MARK}"
    both = request("GET", "/v1/models", folded)
    assert (await exchange(fortress.gateway.url, both)).statuses == [401]


# --- One request read as two ---

# What stands between a request's headers and its body, or in place of them; the second request
# would be another caller's, were a proxy in front to see its bytes as a body.
SECOND = b"GET /health/liveness HTTP/1.1\r\nhost: gateway\r\n\r\n"
AMBIGUOUS = {
    "both lengths": ("content-length: 6", "transfer-encoding: chunked"),
    "both, the other way round": ("transfer-encoding: chunked", "content-length: 6"),
    "two content-lengths": ("content-length: 0", "content-length: 52"),
    "two equal content-lengths": ("content-length: 5", "content-length: 5"),
    "a list of lengths": ("content-length: 0, 52",),
    "a signed length": ("content-length: +5",),
    "a negative length": ("content-length: -1",),
    "a hexadecimal length": ("content-length: 0x5",),
    "an enormous length": ("content-length: 99999999999999999999999",),
    "an unknown encoding": ("transfer-encoding: xchunked",),
    "chunked not last": ("transfer-encoding: chunked, identity",),
    "chunked twice": ("transfer-encoding: chunked", "transfer-encoding: identity"),
    "a blank before the colon": ("transfer-encoding : chunked",),
    "a length before the colon": ("content-length : 5",),
    "a folded header": ("x-folded: a\r\n content-length: 52",),
    "a bare CR": ("x-bare: a\rcontent-length: 52",),
    "a NUL": ("x-nul: a\0b",),
    "no name": (": value",),
    "no colon": ("value",),
}


@pytest.mark.parametrize("headers", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_an_ambiguous_request_is_refused_and_the_connection_closed(
    fortress: Fortress, headers: tuple[str, ...]
) -> None:
    key = bearer(fortress.secrets[GATEWAY] or "")
    asked = request("POST", "/v1/chat/completions", key, *headers, body=b"0\r\n\r\nX" + SECOND)
    answers = await exchange(fortress.gateway.url, asked.replace(b"connection: close\r\n", b""))
    assert answers.statuses == [400], answers.text
    assert "alive" not in answers.text


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhelloXX\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\nhello\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
    ],
)
async def test_a_malformed_chunk_is_no_body(fortress: Fortress, body: bytes) -> None:
    asked = request(
        "POST", f"{API}/keys", bearer(fortress.gateway.admin_key), "transfer-encoding: chunked",
        body=body,
    )  # fmt: skip
    before = await fortress.stamps()
    answers = await exchange(fortress.gateway.url, asked)
    assert answers.statuses[:1] in ([400], []), answers.text
    assert await fortress.stamps() == before


@pytest.mark.parametrize("version", ["HTTP/3.0", "HTTP/1.1x", "HTP/1.1", "1.1"])
async def test_other_versions_are_refused(fortress: Fortress, version: str) -> None:
    asked = request("GET", "/health/liveness").replace(b"HTTP/1.1", version.encode())
    answers = await exchange(fortress.gateway.url, asked)
    assert answers.statuses in ([400], []), answers.text


async def test_a_refused_request_is_told_so_in_the_gateways_shape(fortress: Fortress) -> None:
    answers = await exchange(fortress.gateway.url, b"NONSENSE\r\n\r\n")
    assert answers.error == {
        "message": "This is no valid HTTP/1.1 request",
        "type": "invalid_request_error",
        "param": None,
        "code": "400",
    }
