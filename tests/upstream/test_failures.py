"""litellm's exceptions, made into what a caller may see; and the hiding of secrets."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import Any

import httpx
import openai
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from litellm import exceptions as of_litellm
from starlette.responses import Response

from gateway.errors import Fault, UpstreamError
from gateway.upstream.failures import redact, upstream_error
from tests.servers import Gateway, answer
from tests.upstream.providers import PROVIDERS, SECRET, registration

Json = dict[str, Any]

REQUEST = httpx.Request("POST", "https://provider.example/v1/chat")


def raised(error: Exception, *causes: BaseException) -> Exception:
    """The error as if it was raised from these causes, nearest first."""
    link: BaseException = error
    for cause in causes:
        link.__cause__ = link = cause
    return error


def seen(error: Exception, secrets: Json | None = None) -> tuple[int, Json, dict[str, str]]:
    shown = upstream_error(error, secrets or {})
    return shown.status, shown.body()["error"], shown.headers


# --- Bodies, as each provider writes them -------------------------------------------------------

BODIES: list[tuple[str, int, Any, Json]] = [
    (
        "openai",
        400,
        {
            "error": {
                "message": "Too long",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            }
        },
        {
            "message": "Too long",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
    ),
    (
        "openai",
        500,
        {"error": {"message": "Boom", "type": "server_error", "param": None, "code": None}},
        {"message": "Boom", "type": "server_error", "param": None, "code": "500"},
    ),
    (
        "azure",
        404,
        {"error": {"code": "DeploymentNotFound", "message": "No such deployment"}},
        {
            "message": "No such deployment",
            "type": "not_found_error",
            "param": None,
            "code": "DeploymentNotFound",
        },
    ),
    (
        "anthropic",
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"message": "Overloaded", "type": "overloaded_error", "param": None, "code": "529"},
    ),
    (
        "gemini",
        400,
        {"error": {"code": 400, "message": "Bad key", "status": "INVALID_ARGUMENT"}},
        {"message": "Bad key", "type": "INVALID_ARGUMENT", "param": None, "code": "400"},
    ),
    (
        # As it answers streams.
        "gemini",
        429,
        [{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}],
        {"message": "Quota", "type": "RESOURCE_EXHAUSTED", "param": None, "code": "429"},
    ),
    (
        "mistral",
        400,
        {
            "object": "error",
            "message": "Bad model",
            "type": "invalid_model",
            "param": None,
            "code": "1500",
        },
        {"message": "Bad model", "type": "invalid_model", "param": None, "code": "1500"},
    ),
    (
        "mistral",
        401,
        {"detail": "Unauthorized"},
        {"message": "Unauthorized", "type": "authentication_error", "param": None, "code": "401"},
    ),
    (
        "ollama",
        404,
        {"error": "model 'x' not found"},
        {
            "message": "model 'x' not found",
            "type": "not_found_error",
            "param": None,
            "code": "404",
        },
    ),
    (
        "bedrock",
        403,
        {"message": "The security token is invalid"},
        {
            "message": "The security token is invalid",
            "type": "permission_error",
            "param": None,
            "code": "403",
        },
    ),
    (
        "bedrock",
        429,
        {"__type": "ThrottlingException", "Message": "Too many requests"},
        {
            "message": "Too many requests",
            "type": "ThrottlingException",
            "param": None,
            "code": "429",
        },
    ),
    (
        "hosted_vllm",
        400,
        {"object": "error", "message": "Long", "type": "BadRequestError", "code": 400},
        {"message": "Long", "type": "BadRequestError", "param": None, "code": "400"},
    ),
    (
        "hosted_vllm",
        404,
        {"detail": "Not Found"},
        {"message": "Not Found", "type": "not_found_error", "param": None, "code": "404"},
    ),
]


@pytest.mark.parametrize(("vendor", "status", "body", "expected"), BODIES)
@pytest.mark.parametrize("streams", [False, True])
async def test_what_the_provider_says(
    gateway: Gateway,
    key: str,
    vendor: str,
    status: int,
    body: Any,
    expected: Json,
    streams: bool,
) -> None:
    gateway.provider.does(answer(body, status, {"retry-after": "11"}))
    response = await gateway.chat(key, f"fake-{vendor}", stream=streams)
    assert response.status_code == status
    error = response.json()["error"]
    name, _, message = error["message"].partition(": ")
    assert re.fullmatch(r"litellm\.\w+", name)
    assert error | {"message": message} == expected
    assert response.headers["retry-after"] == "11"


@pytest.mark.parametrize("vendor", PROVIDERS)
async def test_answer_that_is_no_json(gateway: Gateway, key: str, vendor: str) -> None:
    """A proxy's page in between. What the provider's address is stays hidden in all of them."""
    page = "<html>Bad gateway</html>"
    gateway.provider.does(lambda: Response(page, 502, media_type="text/html"))
    response = await gateway.chat(key, f"fake-{vendor}")
    assert response.status_code in (500, 502, 503)
    assert "Bad gateway" in response.json()["error"]["message"]
    assert gateway.provider.url not in response.text


async def test_long_page_is_cut(gateway: Gateway, key: str) -> None:
    gateway.provider.does(lambda: Response("x" * 100_000, 502, media_type="text/html"))
    response = await gateway.chat(key, "fake-openai")
    assert len(response.content) < 3000


# --- Without an answer --------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("vendor", PROVIDERS)
@pytest.mark.parametrize("streams", [False, True])
async def test_refused_connection(
    gateway: Gateway,
    key: str,
    closed_port: int,
    vendor: str,
    streams: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """500 as LiteLLM's; its message would name the host and objects of the HTTP library."""
    caplog.set_level("INFO")
    fields = registration(vendor, f"http://127.0.0.1:{closed_port}")
    await gateway.add_model("absent", **fields)
    response = await gateway.chat(key, "absent", stream=streams)
    assert response.status_code == 500
    error = response.json()["error"]
    name, _, message = error["message"].partition(": ")
    assert message == "The provider could not be reached"
    assert re.fullmatch(r"litellm\.\w+", name)
    assert (error["type"], error["code"]) == ("api_error", "500")
    for hidden in ("127.0.0.1", str(closed_port), "ssl", SECRET):
        assert hidden not in response.text
    assert SECRET not in caplog.text


async def test_tls_to_a_plain_port(gateway: Gateway, key: str) -> None:
    url = gateway.provider.url.replace("http:", "https:")
    await gateway.add_model("tls", base_url=url)
    response = await gateway.chat(key, "tls")
    assert response.status_code == 500
    assert response.json()["error"]["message"].endswith("The provider could not be reached")


@pytest.mark.parametrize(
    ("cause", "status", "message"),
    [
        (httpx.ReadTimeout("x", request=REQUEST), 408, "The provider did not answer in time"),
        (httpx.ConnectTimeout("x", request=REQUEST), 408, "The provider did not answer in time"),
        (TimeoutError(), 408, "The provider did not answer in time"),
        (httpx.ConnectError("x", request=REQUEST), 500, "The provider could not be reached"),
        (ConnectionRefusedError(), 500, "The provider could not be reached"),
        (httpx.ReadError("x"), 502, "The connection to the provider broke off"),
        (httpx.RemoteProtocolError("x"), 502, "The connection to the provider broke off"),
    ],
)
def test_transport_faults(cause: BaseException, status: int, message: str) -> None:
    wrapped = of_litellm.InternalServerError("host.example:443 failed", "openai", "gpt")
    shown, error, _ = seen(raised(wrapped, cause))
    assert (shown, error["message"].partition(": ")[2]) == (status, message)
    assert "host.example" not in str(error)


async def test_own_timeout() -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await asyncio.sleep(1)
    status, error, _ = seen(caught.value)
    assert (status, error["type"], error["code"]) == (408, "timeout_error", "408")


# --- What litellm cannot put into words, or read -----------------------------------------------


class OfAws(Exception):
    """An error of a library that litellm asks for credentials."""

    __module__ = "botocore.exceptions"


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (KeyError("function"), "litellm cannot put the request into the provider's form"),
        (TypeError("x"), "litellm cannot put the request into the provider's form"),
        (
            json.JSONDecodeError("x", "y", 0),
            "litellm cannot put the request into the provider's form",
        ),
        (ValueError("Unsupported image type"), "Unsupported image type"),
        (Exception("Unsupported image type"), "Unsupported image type"),
        (NotImplementedError("Unsupported image type"), "Unsupported image type"),
    ],
)
def test_a_request_that_never_reached_a_provider_is_at_fault(
    cause: Exception, message: str
) -> None:
    """Not the deployment, which would cool down."""
    said = str(cause) if message.startswith("Unsupported") else "x"
    error = raised(of_litellm.APIConnectionError(said, "anthropic", "claude"), cause)
    shown = upstream_error(error, {}, answered=False)
    assert (shown.status, shown.type, shown.fault) == (
        *(400, "invalid_request_error"),
        Fault.BAD_REQUEST,
    )
    assert shown.message == f"litellm.BadRequestError: {message}"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (raised(of_litellm.APIConnectionError("x", "a", "b"), OfAws("no credentials")), 500),
        (raised(of_litellm.APIConnectionError("x", "a", "b"), RuntimeError("no loop")), 500),
        (raised(of_litellm.AuthenticationError("x", "a", "b"), ValueError("no key")), 401),
        (raised(of_litellm.APIConnectionError("x", "a", "b"), httpx.ConnectError("x")), 500),
    ],
)
def test_what_else_fails_before_a_provider_is_reached(error: Exception, status: int) -> None:
    shown = upstream_error(error, {}, answered=False)
    expected = Fault.AUTHENTICATION if status == 401 else Fault.SERVER
    assert (shown.status, shown.fault) == (status, expected)


def test_the_status_of_an_answer_goes_before_what_litellm_makes_of_it() -> None:
    """It may fail to read the page that an error came with."""
    cause = api_error(503, {})
    cause.__context__ = json.JSONDecodeError("x", "y", 0)
    for answered in (None, False, True):
        error = raised(of_litellm.APIError(500, "x", "openai", "gpt"), cause)
        shown = upstream_error(error, {}, answered=answered)
        assert (shown.status, shown.fault) == (503, Fault.SERVER)


@pytest.mark.parametrize(
    "cause",
    [
        *(KeyError("x"), AttributeError("x"), ValueError("Got unexpected response: secrets")),
        json.JSONDecodeError("x", "y", 0),
    ],
)
def test_an_answer_that_litellm_cannot_read(cause: Exception) -> None:
    for error in (
        of_litellm.APIConnectionError(str(cause), "openai", "gpt"),
        # As which litellm takes it for some providers.
        of_litellm.BadRequestError(str(cause), "gpt", "openai"),
    ):
        shown = upstream_error(raised(error, cause), {}, answered=True)
        assert (shown.status, shown.type, shown.fault) == (502, "api_error", Fault.SERVER)
        assert shown.message == "litellm.APIError: The provider's answer cannot be read"


@pytest.mark.parametrize(
    ("code", "status", "fault"),
    [
        # What litellm takes where there is none.
        (422, 502, Fault.SERVER),
        ("busy", 502, Fault.SERVER),
        (None, 502, Fault.SERVER),
        (429, 429, Fault.RATE_LIMIT),
        (400, 400, Fault.BAD_REQUEST),
    ],
)
def test_an_error_in_an_answer_with_a_good_status(code: object, status: int, fault: Fault) -> None:
    cause: Any = Exception()
    cause.status_code, cause.message = code, "Overloaded"
    error = raised(of_litellm.BadRequestError("Overloaded", "gpt", "openai"), cause)
    shown = upstream_error(error, {}, answered=True)
    assert (shown.status, shown.fault) == (status, fault)
    assert shown.message == "litellm.APIError: Overloaded"


# --- Chains of exceptions -----------------------------------------------------------------------


def api_error(status: int, body: Any, headers: dict[str, str] | None = None) -> Exception:
    response = httpx.Response(status, headers=headers, json=body, request=REQUEST)
    return openai.APIStatusError("message", response=response, body=body.get("error"))


def test_body_is_found_down_the_chain() -> None:
    body = {"error": {"message": "Slow", "type": "rate", "code": "c", "param": "p"}}
    inner = api_error(429, body, {"retry-after": "5"})
    error = raised(of_litellm.RateLimitError("x", "openai", "gpt"), ValueError("between"), inner)
    assert seen(error) == (
        429,
        {"message": "litellm.RateLimitError: Slow", "type": "rate", "param": "p", "code": "c"},
        {"retry-after": "5"},
    )


def test_body_is_found_beside_a_cause() -> None:
    """An exception with a cause can have a context too."""
    error = raised(of_litellm.APIConnectionError("x", "openai", "gpt"), ValueError("cause"))
    error.__context__ = api_error(422, {"error": {"message": "Wrong"}})
    status, shown, _ = seen(error)
    assert (status, shown["message"]) == (422, "litellm.APIConnectionError: Wrong")


def test_circle_of_exceptions() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert seen(first)[1]["message"] == "litellm.ValueError: first"


def test_stream_error_is_named_after_what_it_wraps() -> None:
    inner = of_litellm.RateLimitError(
        "litellm.RateLimitError: OpenAIException - Slow", "openai", "g"
    )
    outer = of_litellm.MidStreamFallbackError(
        message=str(inner),
        model="gpt",
        llm_provider="openai",
        original_exception=inner,
        generated_content="",
        is_pre_first_chunk=False,
    )
    status, error, _ = seen(outer)
    assert (status, error["message"]) == (429, "litellm.RateLimitError: Slow")


def test_own_error_passes() -> None:
    """Raised within litellm, by what gateway.upstream.litellm_setup puts there."""
    ours = UpstreamError("Broken off", status=502, type="api_error")
    assert upstream_error(raised(of_litellm.APIError(500, "x", "openai", "g"), ours), {}) is ours


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("litellm.InternalServerError: InternalServerError: Hosted_vllmException - Busy", "Busy"),
        ("litellm.APIConnectionError: AzureException APIConnectionError - Busy", "Busy"),
        (
            "litellm.InternalServerError: AnthropicException - Busy. Handle with `litellm.X`.",
            "Busy.",
        ),
        ("litellm.Timeout: litellm.Timeout: Busy", "Busy"),
        ("Busy\nTraceback (most recent call last):\n  File x", "Busy"),
        ("gpt lacks x. To drop these, set `litellm.drop_params=True`", "gpt lacks x."),
        ("404 for url 'https://user@inside.example/v1?key=abc'", "404 for url '[hidden]'"),
        ("", "no message"),
        ("litellm.Timeout: ", "no message"),
    ],
)
def test_own_words_of_litellm(text: str, shown: str) -> None:
    assert seen(Exception(text))[1]["message"] == f"litellm.Exception: {shown}"


@pytest.mark.parametrize(
    "value", ["7", "0.5", "Wed, 21 Oct 2026 07:28:00 GMT", "Fri, 31 Dec 1999 23:59:59 GMT"]
)
def test_retry_after_as_seconds_and_as_date(value: str) -> None:
    for error in (
        api_error(429, {}, {"retry-after": value}),
        _with_headers(of_litellm.RateLimitError("x", "openai", "gpt"), {"retry-after": value}),
    ):
        assert seen(error)[2] == {"retry-after": value}


@pytest.mark.parametrize("value", ["", "7\r\nset-cookie: a=b", "später", "\x00"])
def test_retry_after_that_is_no_header(value: str) -> None:
    error = _with_headers(of_litellm.RateLimitError("x", "openai", "gpt"), {"retry-after": value})
    assert seen(error)[2] == {}


def _with_headers(error: Any, headers: dict[str, str]) -> Exception:
    error.litellm_response_headers = headers
    return error  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        [1],
        "text",
        {"error": None},
        {"error": []},
        {"error": {}},
        {"error": {"message": {"detail": ["x"]}}},
        {"error": {"message": "", "type": 5, "code": True, "param": []}},
        {"error": ""},
    ],
)
def test_odd_bodies(body: Any) -> None:
    response = httpx.Response(418, content=json.dumps(body), request=REQUEST)
    error = openai.APIStatusError("Teapot", response=response, body=None)
    status, shown, _ = seen(error)
    assert (status, shown["message"]) == (418, "litellm.APIStatusError: Teapot")
    assert isinstance(shown["type"], str)
    assert isinstance(shown["code"], str)


def test_unread_answer() -> None:
    """httpx raises where the body of a stream was not read."""
    stream = httpx.ByteStream(b"{}")
    response = httpx.Response(400, stream=stream, request=REQUEST)
    error = httpx.HTTPStatusError("bad", request=REQUEST, response=response)
    assert seen(raised(of_litellm.BadRequestError("x", "gpt", "openai"), error))[0] == 400


def test_secrets_are_hidden_in_every_field() -> None:
    body = {"error": {"message": f"m {SECRET}", "type": SECRET, "code": SECRET, "param": SECRET}}
    shown = seen(api_error(400, body), {"api_key": SECRET})[1]
    assert SECRET not in json.dumps(shown)


# --- Redaction ----------------------------------------------------------------------------------

SECRETS = st.text(min_size=4, max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(SECRETS, st.text(max_size=60), st.text(max_size=60))
@example("hidden", "", "")
@example("a+b(c", "x", "y")
def test_secret_never_survives(secret: str, before: str, after: str) -> None:
    shown = redact(f"{before}{secret}{after}", {"api_key": secret})
    assert secret not in shown.replace("[hidden]", "\x00\x00")


@given(st.lists(SECRETS, min_size=1, max_size=4), st.lists(st.text(max_size=10), max_size=5))
def test_several_secrets(secrets: list[str], words: list[str]) -> None:
    """Nested as litellm's parameters may be, and one perhaps a part of another."""
    text = "".join(f"{word}{secret}" for word, secret in zip(words, secrets, strict=False))
    nested = {"api_key": secrets[0], "headers": {"x": secrets[1:]}}
    shown = redact(text, nested).replace("[hidden]", "\x00\x00")
    assert not [secret for secret in secrets if secret in shown]


@given(st.text(), st.dictionaries(st.text(max_size=5), VALUES))
def test_redact_never_raises(text: str, secrets: Json) -> None:
    assert isinstance(redact(text, secrets), str)


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-AbCdEfGhIjKlMnOp",
        "sk-ant-api03-AbCdEfGhIjKlMnOp",
        "sk-ab**************wxyz",
        "sk-abcdefg…………wxyz",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "AKIAIOSFODNN7EXAMPLE",
        "gsk_abcdefghijklmnopqrstuvwxyz",
        "xai-abcdefghijklmnopqrstuvwxyz",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "Incorrect key: {}!", '{{"key":"{}"}}', "({})"])
def test_what_looks_like_a_key_is_hidden(key: str, frame: str) -> None:
    """An upstream may quote a key that is not the one it was sent."""
    assert redact(frame.format(key), {}) == frame.format("[hidden]")


@pytest.mark.parametrize(
    "text",
    [
        "The model sk-learn does not exist",
        "task-oriented answers, risk-free",
        "Use a bearer token",
        "hf is short",
    ],
)
def test_plain_words_are_kept(text: str) -> None:
    assert redact(text, {"api_key": "abc", "flag": True, "none": None}) == text


@pytest.mark.parametrize("vendor", PROVIDERS)
@pytest.mark.parametrize("streams", [False, True])
async def test_key_is_shown_nowhere(
    gateway: Gateway,
    key: str,
    vendor: str,
    streams: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever a provider answers and however it quotes the key."""
    caplog.set_level("INFO")
    quoted = {"message": f"{SECRET} or key={SECRET}&x", "type": "t", "code": SECRET}
    for status in (400, 401, 403, 404, 422, 429, 500, 503):
        gateway.provider.does(answer({"error": quoted}, status))
        response = await gateway.chat(key, f"fake-{vendor}", stream=streams)
        assert response.status_code == status
        assert "[hidden]" in response.json()["error"]["message"]
        assert SECRET not in response.text
        assert SECRET not in str(response.headers)
    assert SECRET not in caplog.text
