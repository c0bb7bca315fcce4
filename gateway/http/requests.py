"""Reading requests and writing answers: what every handler shares."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from gateway.auth import authenticate, require_admin
from gateway.errors import BodyTooLarge, InvalidRequest
from gateway.pipeline import Pipeline
from gateway.records import Actor, Key
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.store import Store
from gateway.upstream.litellm_lane import LitellmLane

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with; one for each running app."""

    settings: Settings
    store: Store
    registry: Registry
    lane: LitellmLane
    pipeline: Pipeline


class ClientGone(Exception):
    """The client left before its answer was ready; there is nobody to tell."""


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def caller(request: Request) -> Key:
    """The key of the caller. Raises NotAuthenticated."""
    return authenticate(services(request).registry, request.headers)


def admin(request: Request) -> Key:
    """The admin key of the caller. Raises NotAuthenticated, AdminRequired."""
    key = caller(request)
    require_admin(key)
    return key


def actor(request: Request) -> Actor:
    """The admin who makes the request, for the audit log. Raises what `admin` raises."""
    key = admin(request)
    return Actor(key.id, key.label, request.client.host if request.client else None)


def json_response(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(encode(body), status, headers, "application/json")


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON, also where a provider's text holds half of a surrogate pair, which orjson refuses."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return json.dumps(body).encode()


async def read_object(request: Request) -> dict[str, Any]:
    """The request's body, which must be a JSON object.

    Raises:
        InvalidRequest: It is something else.
        BodyTooLarge: It is larger than the settings allow; it has not been read to its end.
    """
    try:
        body = orjson.loads(await _read(request, services(request).settings.max_body_bytes))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}. Send a JSON object."
        ) from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return body


async def _read(request: Request, limit: int) -> bytes:
    too_large = BodyTooLarge(
        f"The body is larger than {limit} bytes, the most this gateway reads "
        "(GATEWAY_MAX_BODY_BYTES)."
    )
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large
    return bytes(body)


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T:
    """Await `work`, or cancel it as soon as the client leaves.

    The request's body must have been read.

    Raises:
        ClientGone: The client left first. `work` has ended by then.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
