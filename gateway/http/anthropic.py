"""What Anthropic's clients, Claude Code among them, expect beside the answers of models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from gateway.errors import GatewayError, InvalidRequest
from gateway.http.requests import json_response
from gateway.records import Operation

Json = dict[str, Any]

REQUEST_ID = "request-id"
"""The header by which Anthropic's clients know an answer."""
VERSION = "anthropic-version"
_BETA = "anthropic-beta"
_ROUTES = (Operation.MESSAGES, Operation.COUNT_TOKENS)
# A version is a date; betas are names with dates, of which Claude Code sends a dozen.
_PASSED = {VERSION: re.compile(r"[\w.-]{1,64}", re.ASCII)}
_PASSED[_BETA] = re.compile(r"[\w.,: -]{1,2048}", re.ASCII)
_LIMIT = re.compile(r"[0-9]{1,4}")
_DEFAULT_LIMIT = 20
_MOST = 1000


def is_meant(scope: Scope) -> bool:
    """Whether a request wants an answer in Anthropic's format, on a route that has one."""
    path: str = scope["path"]
    if path.endswith(_ROUTES):
        return True
    return "/models" in path and VERSION in Headers(scope=scope)


def error_body(error: GatewayError, scope: Scope) -> Json:
    """The error in the format that the request wants."""
    if is_meant(scope):
        return error.anthropic_body(scope["state"]["request_id"])
    return error.body()


def passed_headers(operation: Operation, request: Request) -> dict[str, str]:
    """Those of the caller's headers that Anthropic shall get, and no other.

    Raises:
        InvalidRequest: One is of no use there.
    """
    passed: dict[str, str] = {}
    if operation not in _ROUTES:
        return passed
    for name, form in _PASSED.items():
        # Of several, proxies make one in this way.
        given = ",".join(value.strip() for value in request.headers.getlist(name) if value.strip())
        if not given:
            continue
        if not form.fullmatch(given):
            raise InvalidRequest(f"The header {name} is none of Anthropic's.", param=name)
        passed[name] = given
    return passed


async def answer_probe(_request: Request) -> Response:
    """`HEAD /`, by which Claude Code sees whether there is a server."""
    return json_response({"object": "gateway", "documentation": "/openapi.json"})


def model_object(name: str, created_at: int) -> Json:
    """An entry of Anthropic's list of models."""
    created = datetime.fromtimestamp(created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": created}


def models_page(models: Sequence[Json], query: Mapping[str, str]) -> Json:
    """A page of Anthropic's list: `limit`, `after_id` and `before_id` say which.

    Raises:
        InvalidRequest: They say nothing sensible.
    """
    given = query.get("limit", str(_DEFAULT_LIMIT))
    if not _LIMIT.fullmatch(given) or not 1 <= int(given) <= _MOST:
        raise InvalidRequest(f"limit takes a whole number from 1 to {_MOST}", param="limit")
    limit = int(given)
    position = {model["id"]: index for index, model in enumerate(models)}

    def place(name: str) -> int | None:
        if name not in query:
            return None
        if query[name] not in position:
            raise InvalidRequest(f"{name} takes the id of a model of the list", param=name)
        return position[query[name]]

    after, before = place("after_id"), place("before_id")
    if after is not None and before is not None:
        raise InvalidRequest("after_id and before_id exclude each other", param="before_id")
    if before is not None:
        page = models[max(before - limit, 0) : before]
        more = before > limit
    else:
        start = 0 if after is None else after + 1
        page = models[start : start + limit]
        more = len(models) > start + limit
    ids = [model["id"] for model in page] or [None]
    return {"data": list(page), "has_more": more, "first_id": ids[0], "last_id": ids[-1]}
