"""The tree of errors: each renders in the one shape, and the docstring names them all."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator

import orjson
import pytest

import gateway
from gateway import errors
from gateway.errors import GatewayError, UnknownModel, UpstreamError
from gateway.specs.routing import Unsupported

MADE: dict[str, Callable[[], GatewayError]] = {
    "UnknownModel": lambda: UnknownModel("/chat/completions", "gpt"),
    "NotAuthenticated": lambda: errors.NotAuthenticated("no", type="expired_key", param="key"),
    "AdminRequired": lambda: errors.AdminRequired(),
    "Unsupported": lambda: Unsupported("fallbacks", (), "is not supported"),
    "NoDeployment": lambda: errors.NoDeployment("gpt", 5, cooling=True),
    "UpstreamError": lambda: UpstreamError("no", status=418, type="teapot", code="short"),
}


def _tree(root: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def _everywhere() -> list[type[GatewayError]]:
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    return sorted(set(_tree()), key=lambda error: error.__name__)


def test_every_error_renders_in_openais_shape_with_a_string_code() -> None:
    for error in _everywhere():
        _check_rendering(error)


def _check_rendering(error: type[GatewayError]) -> None:
    make = MADE.get(error.__name__)
    made = make() if make else error("It went wrong")
    body = made.body()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["message"] == str(made)
    assert isinstance(body["error"]["code"], str)
    assert isinstance(body["error"]["type"], str)
    assert 400 <= made.status <= 599
    assert all(isinstance(value, str) for value in made.headers.values())
    assert orjson.loads(orjson.dumps(body)) == body
    told = made.anthropic_body("request")
    assert told["error"].keys() == {"type", "message"}
    assert told["error"]["message"] == str(made)
    assert told["request_id"] == "request"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (408, "timeout_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (529, "overloaded_error"),
    ],
)
def test_anthropics_types_go_by_the_status(status: int, kind: str) -> None:
    made = UpstreamError("half \ud83d", status=status, type="whatever", param="model")
    assert made.anthropic_body("request") == {
        "type": "error",
        "error": {"type": kind, "message": "half \\ud83d"},
        "request_id": "request",
    }


def test_the_docstring_names_every_error_and_draws_those_of_the_module() -> None:
    text = errors.__doc__ or ""
    drawn = {line.strip(" │├└─").partition(" ")[0]: line.split() for line in text.splitlines()}
    for error in _everywhere():
        assert error.__name__ in text, f"{error} is not in the docstring of gateway/errors.py"
        if error.__module__ == "gateway.errors":
            statuses = [word for word in drawn[error.__name__] if word.isdigit()]
            assert statuses in ([], [str(error.status)])


def test_a_code_of_its_own_takes_the_place_of_the_status() -> None:
    made = UpstreamError("Slow down", status=429, type="rate", param="model", code="too_fast")
    assert (made.status, made.body()["error"]) == (
        429,
        {"message": "Slow down", "type": "rate", "param": "model", "code": "too_fast"},
    )
    assert errors.NotFound("gone").body()["error"]["code"] == "404"


def test_an_unknown_model_is_worded_as_litellm_words_it() -> None:
    assert UnknownModel("/chat/completions", "gpt-9").body() == {
        "error": {
            "message": "/chat/completions: Invalid model name passed in model=gpt-9. "
            "Call `/v1/models` to view available models for your key.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "400",
        }
    }


def test_headers_are_the_errors_own_copy() -> None:
    given = {"retry-after": "7"}
    made = errors.RateLimited("Slow down", headers=given)
    given["retry-after"] = "8"
    assert made.headers == {"retry-after": "7"}
    assert errors.NotReady("starting").headers == {"retry-after": "1"}
    assert errors.NotAuthenticated("no").headers == {"www-authenticate": "Bearer"}


def test_half_a_surrogate_pair_from_a_provider_can_still_be_answered() -> None:
    """JSON may escape one (`"\\ud83d"`), and orjson would refuse to write it."""
    half = "\ud83d"
    made = UpstreamError(f"bad {half}", status=400, type=half, param=half, code=half)
    assert orjson.loads(orjson.dumps(made.body()))["error"] == {
        "message": "bad \\ud83d",
        "type": "\\ud83d",
        "param": "\\ud83d",
        "code": "\\ud83d",
    }


def test_types_and_statuses_of_the_tree_are_litellms() -> None:
    found = {
        error.__name__: (error.status, error.type)
        for _, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, GatewayError)
    }
    assert found == {
        "GatewayError": (500, "internal_server_error"),
        "InvalidRequest": (400, "invalid_request_error"),
        "UnknownModel": (400, "invalid_request_error"),
        "NotAuthenticated": (401, "auth_error"),
        "AdminRequired": (401, "auth_error"),
        "ModelDenied": (403, "key_model_access_denied"),
        "NotFound": (404, "not_found_error"),
        "MethodNotAllowed": (405, "invalid_request_error"),
        "TooSlow": (408, "timeout_error"),
        "Conflict": (409, "conflict_error"),
        "BodyTooLarge": (413, "invalid_request_error"),
        "InvalidField": (422, "invalid_request_error"),
        "BudgetExceeded": (422, "budget_exceeded"),
        "RateLimited": (429, "throttling_error"),
        "NoDeployment": (429, "throttling_error"),
        "HeadTooLarge": (431, "invalid_request_error"),
        "UpstreamError": (500, "internal_server_error"),
        "Misconfigured": (500, "internal_server_error"),
        "NotReady": (503, "service_unavailable_error"),
    }
