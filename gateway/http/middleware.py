"""The outermost layer: gives each request an id, and each failure its answer."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import GatewayError, MethodNotAllowed, NotFound, fault_within
from gateway.http import anthropic
from gateway.http.requests import (
    DATABASE_FAILS,
    ClientGone,
    database_fails,
    json_response,
)
from gateway.ids import request_id as new_request_id
from gateway.logs import request_id as logged_request_id

log = logging.getLogger(__name__)
access = logging.getLogger("gateway.access")

REQUEST_ID = "x-request-id"
_REQUEST_ID = REQUEST_ID.encode()
# What is echoed must be safe in a header and in a log line.
_ACCEPTED_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
# LiteLLM has routes with a key in the path, and some put one where an id belongs.
_SECRET = re.compile("sk-[^/]+")

Count = Callable[[str, str | None, int, float], None]
"""Counts a request: its method, the template of its path if it has one, status, seconds."""


class Boundary:
    """Echoes `x-request-id` or makes one, logs each request, and turns exceptions into JSON."""

    def __init__(self, app: ASGIApp, count: Count) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = next((value for name, value in scope["headers"] if name == _REQUEST_ID), b"").decode(
            "latin-1"
        )
        request_id = sent if _ACCEPTED_ID.fullmatch(sent) else new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        logged_request_id.set(request_id)
        started = time.perf_counter()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [(_REQUEST_ID, request_id.encode())]
                if anthropic.is_meant(scope):
                    own.append((anthropic.REQUEST_ID.encode(), request_id.encode()))
                message["headers"] = [*message["headers"], *own]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except (ClientGone, ClientDisconnect):
            pass
        except GatewayError as error:
            await self._answer(error, scope, receive, send_with_id, status)
        except DATABASE_FAILS as error:
            gone = database_fails(error, request_id)
            await self._answer(gone, scope, receive, send_with_id, status)
        except Exception:
            log.exception("Request %s failed", request_id)
            await self._answer(fault_within(request_id), scope, receive, send_with_id, status)
        finally:
            # nginx's number for a client that closed its connection first
            status = status or 499
            seconds = time.perf_counter() - started
            route = scope.get("route")
            self._count(scope["method"], route and route.path, status, seconds)
            if access.isEnabledFor(logging.INFO):
                told = {
                    "method": scope["method"],
                    "path": _logged(scope["path"]),
                    "status": status,
                    "duration_ms": round(seconds * 1000, 1),
                }
                access.info(
                    "%(method)s %(path)s %(status)s %(duration_ms).1fms %(request_id)s",
                    {**told, "request_id": request_id},
                    extra=told,
                )

    async def _answer(
        self, error: GatewayError, scope: Scope, receive: Receive, send: Send, status: int | None
    ) -> None:
        if status is None:
            body = anthropic.error_body(error, scope)
            await json_response(body, error.status, error.headers)(scope, receive, send)


def _logged(path: str) -> str:
    """A path as it may stand in a log line."""
    if "sk-" in path:
        path = _SECRET.sub("sk-****", path)
    if path.isascii() and path.isprintable() and "\\" not in path:
        return path
    return path.encode("unicode_escape").decode()


def unrouted(request: Request, error: Exception) -> Response:
    """Answers 404 and 405, which Starlette raises itself."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    where = f"{request.method} {request.scope['path']}"
    answer: GatewayError
    if error.status_code == MethodNotAllowed.status:
        allow = {"allow": ", ".join(_methods(request))}
        answer = MethodNotAllowed(f"{where}: no such method here", headers=allow)
    else:
        answer = NotFound(f"{where}: no such route")
    return json_response(anthropic.error_body(answer, request.scope), answer.status, answer.headers)


def _methods(request: Request) -> list[str]:
    """Those of the path, which may have a route for each; Starlette tells those of the first."""
    found: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods
    return sorted(found)
