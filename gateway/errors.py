"""Every error a caller can see, as one tree.

    GatewayError
    ├── InvalidRequest         400  the body of a call
    │   └── UnknownModel
    ├── NotAuthenticated       401  no key, or not one of ours
    ├── AdminRequired          401  a gateway key on an admin route
    ├── ModelDenied            403  a model that the key may not call
    ├── NotFound               404
    ├── MethodNotAllowed       405
    ├── TooSlow                408  a body that does not go on coming
    ├── Conflict               409
    ├── BodyTooLarge           413
    ├── InvalidField           422  the body of a management request
    ├── BudgetExceeded         422
    ├── RateLimited            429
    │   └── NoDeployment            no deployment of the model can take the call
    ├── HeadTooLarge           431  the request's line and headers
    ├── UpstreamError          the provider's own status
    ├── Misconfigured          500  a registered model that cannot work
    └── NotReady               503  still starting

Others are raised below HTTP and defined where that happens. They stop a start or a command:
SettingsError (`settings`), VaultError and WeakKey (`vault`), DatabaseUnusable (`store.database`),
CopyRefused (`store.copying`), ConfigUnreadable and ConfigRefused (`config.values`). NoRedis
(`cache.redis`) turns the cache off, and Unreachable (`shared.outage`) is NotReady without it.
Unsupported (`specs.routing`) is InvalidField for what LiteLLM has and the gateway has not, and
BadDataset (`evals.datasets.rows`) for rows that are no cases. BadRequest (`http.litellm.errors`) is
400 on LiteLLM's management routes.

An error knows how it is rendered (status, body, headers), so that every place that answers
one answers the same. Statuses and types are those of LiteLLM 1.109 (proxy/_types.py,
proxy/auth/auth_exception_handler.py); `code` is a string there, and so it is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class GatewayError(Exception):
    """A failure with an HTTP rendering in OpenAI's error shape."""

    status: int = 500
    type: str = "internal_server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        return {
            "error": {
                "message": _encodable(self.message),
                "type": _encodable(self.type),
                "param": None if self.param is None else _encodable(self.param),
                "code": _encodable(self.code or str(self.status)),
            }
        }

    def anthropic_body(self, request_id: str) -> dict[str, Any]:
        """Anthropic's shape: `{"type": "error", "error": {"type", "message"}, "request_id"}`."""
        return {
            "type": "error",
            "error": {
                "type": _anthropic_type(self.status),
                "message": _encodable(self.message),
            },
            "request_id": request_id,
        }


# https://platform.claude.com/docs/en/api/errors
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _anthropic_type(status: int) -> str:
    return _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def _encodable(text: str) -> str:
    # A provider's JSON, or a command line, may hold half of a surrogate pair: no UTF-8 has that.
    return text.encode(errors="backslashreplace").decode()


class InvalidRequest(GatewayError):
    status = 400
    type = "invalid_request_error"


class UnknownModel(InvalidRequest):
    """LiteLLM's wording for a name that no model is registered under."""

    def __init__(self, route: str, name: str) -> None:
        super().__init__(
            f"{route}: Invalid model name passed in model={name}. "
            "Call `/v1/models` to view available models for your key.",
            param="model",
        )


class NotAuthenticated(GatewayError):
    status = 401
    type = "auth_error"

    def __init__(self, message: str, *, type: str = "auth_error", param: str | None = None) -> None:  # noqa: A002
        super().__init__(message, param=param, headers={"www-authenticate": "Bearer"})
        self.type = type


class AdminRequired(GatewayError):
    status = 401
    type = "auth_error"

    def __init__(self) -> None:
        super().__init__(
            "Authentication Error, Only an admin key can manage models and keys. "
            "This is a gateway key, which can call models and nothing else.",
            headers={"www-authenticate": "Bearer"},
        )


class ModelDenied(GatewayError):
    """LiteLLM's wording for a model that is not in the key's list."""

    status = 403
    type = "key_model_access_denied"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The requested model '{name}' is not available for this API key, or the model name "
            "is invalid. Check the models available to you and try again.",
            param="model",
        )


class NotFound(GatewayError):
    status = 404
    type = "not_found_error"


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"


class TooSlow(GatewayError):
    status = 408
    type = "timeout_error"


class Conflict(GatewayError):
    status = 409
    type = "conflict_error"


class BodyTooLarge(GatewayError):
    status = 413
    type = "invalid_request_error"


class InvalidField(GatewayError):
    """A management request that names a field it cannot have; `param` is that field."""

    status = 422
    type = "invalid_request_error"


class BudgetExceeded(GatewayError):
    """Not 429, which clients would try again; LiteLLM's, since `budget_exceeded_status_code`."""

    status = 422
    type = "budget_exceeded"


class RateLimited(GatewayError):
    status = 429
    type = "throttling_error"


class NoDeployment(RateLimited):
    """LiteLLM's wording for a model none of whose deployments can take a call just now."""

    def __init__(self, name: str, seconds: int, *, cooling: bool) -> None:
        why = "they are cooling down after failures" if cooling else "their limits are reached"
        super().__init__(
            f"No deployments available for selected model, Try again in {seconds} seconds. Passed "
            f"model={name}: {why}.",
            headers={"retry-after": str(seconds)},
        )
        if cooling:
            self.type = "all_deployments_in_cooldown"


class HeadTooLarge(GatewayError):
    status = 431
    type = "invalid_request_error"


class Fault(StrEnum):
    """Why a provider did not serve a call, as far as it matters for what to do next."""

    BAD_REQUEST = "bad request"
    """The request is at fault: no other try would help."""
    CONTEXT_WINDOW = "context window"
    CONTENT_POLICY = "content policy"
    AUTHENTICATION = "authentication"
    """The provider refuses the operator's key."""
    NOT_FOUND = "not found"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate limit"
    SERVER = "server"
    """The provider failed, or could not be reached."""


class UpstreamError(GatewayError):
    """What a provider answered, with its own status, type, code and message."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,  # noqa: A002
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        fault: Fault = Fault.SERVER,
    ) -> None:
        super().__init__(message, param=param, code=code, headers=headers)
        self.status = status
        self.type = type
        self.fault = fault


def broken_answer(message: str) -> UpstreamError:
    """A provider's answer that is none, or not all of one."""
    return UpstreamError(message, status=502, type="api_error")


class Misconfigured(GatewayError):
    """The registered model, not the request, is at fault; an operator has to mend it."""


class NotReady(GatewayError):
    status = 503
    type = "service_unavailable_error"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"retry-after": "1"})


def fault_within(request_id: str) -> GatewayError:
    """What is told of an exception that nobody reckoned with, and that the log has."""
    return GatewayError(
        f"Something went wrong inside the gateway; its log says more under {request_id}."
    )
