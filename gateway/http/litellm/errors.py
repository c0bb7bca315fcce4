"""What LiteLLM's management routes answer where the gateway's own would answer something else."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import GatewayError, InvalidField, InvalidRequest, UnknownModel
from gateway.http.requests import json_response


class BadRequest(GatewayError):
    """Where LiteLLM answers 400 to a management request, and not 404 or 422."""

    status = 400

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        type: str = "bad_request_error",  # noqa: A002
    ) -> None:
        super().__init__(message, param=param)
        self.type = type


Endpoint = Callable[[Request], Awaitable[Response]]


def litellm_route(endpoint: Endpoint) -> Endpoint:
    """Answer the handler's InvalidField or InvalidRequest with 422 and `detail`.

    All other errors pass: LiteLLM has those in OpenAI's shape, as the gateway does.
    """

    @functools.wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except UnknownModel:
            raise
        except (InvalidField, InvalidRequest) as error:
            part = "query" if request.method in ("GET", "HEAD") else "body"
            return json_response(detail(error, part), InvalidField.status)

    return answered


def detail(error: GatewayError, part: str) -> dict[str, Any]:
    """`{"detail": [{"loc": ["body", field, …], "msg", "type"}]}`.

    `part` is where in the request the field is: `body` or `query`. A code that the error has of
    its own is the type.
    """
    shown = error.body()["error"]
    field = shown["param"]
    place = [part, *map(_step, field.split("."))] if field else [part]
    return {
        "detail": [{"loc": place, "msg": shown["message"], "type": error.code or "value_error"}]
    }


def _step(name: str) -> str | int:
    # FastAPI gives a position in a list as a number. No list is longer than this has digits.
    return int(name) if name.isascii() and name.isdigit() and len(name) < 10 else name
