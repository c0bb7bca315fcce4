"""Reading requests and writing answers: what every handler shares."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import orjson
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from gateway.auth import authenticate, credential, require_admin
from gateway.budgets import Budgets
from gateway.deployments import Deployments
from gateway.errors import (
    AdminRequired,
    BodyTooLarge,
    InvalidField,
    InvalidRequest,
    NotAuthenticated,
    NotReady,
    TooSlow,
)
from gateway.evals.service import RunService
from gateway.gauges import Gauges
from gateway.http.protocol import CLIENT_SECONDS
from gateway.ledger import Ledger
from gateway.metrics import Metrics
from gateway.pipeline import Answer, Pipeline
from gateway.records import Actor, Content, Key
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.shared import Link
from gateway.store import Store
from gateway.throttle import Throttle
from gateway.upstream.litellm_lane import LitellmLane
from gateway.vault import hash_key

T = TypeVar("T")

DATABASE_FAILS = (OperationalError, InterfaceError, PoolTimeout)
"""What a request ends in that needs a database that cannot be reached, or is locked or full."""

_MOST = 1000
_DEFAULT_LIMIT = 100
_UNWATCHED_SECONDS = 0.02
_HEADERS = "gateway.headers"
LOOKED_FOR = "looked_for"
"""In a request's state, once its key has been looked for in the database."""
log = logging.getLogger(__name__)
# As many digits as the most has, for int() refuses thousands of them with an error of its own.
_LIMIT = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with; one for each running app."""

    settings: Settings
    store: Store
    registry: Registry
    lane: LitellmLane
    ledger: Ledger
    budgets: Budgets
    pipeline: Pipeline
    metrics: Metrics
    gauges: Gauges
    deployments: Deployments
    runs: RunService
    link: Link | None
    throttle: Throttle = field(default_factory=Throttle)


class UnknownKey(Exception):
    """The key may have been made by another process a moment ago; see `NewKeys`."""


class ClientGone(Exception):
    """The client left before its answer was ready; there is nobody to tell."""


def database_fails(error: Exception, request_id: str) -> NotReady:
    """What to answer; the log has the rest."""
    log.error("Request %s needs the database, which fails: %s", request_id, error)
    return NotReady("The gateway's database cannot be reached just now; try again later")


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def headers_of(request: Request) -> Mapping[str, str]:
    """A request's headers, of several with one name the first.

    Starlette's own take long to say that there is none.
    """
    scope = request.scope
    found: dict[str, str] | None = scope.get(_HEADERS)
    if found is None:
        found = scope[_HEADERS] = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reversed(scope["headers"])
        }
    return found


def caller(request: Request, *, however_old: bool = False) -> Key:
    """The key of the caller, as it is known; `however_old` that is.

    Raises:
        NotAuthenticated: See `authenticate`.
        UnknownKey: It is not known, and has not been looked for in the database yet.
        RateLimited: Too many wrong keys came from the address, and this one is wrong, or an admin
            key that is new there: the answer must not tell which. Gateway keys are never refused.
        NotReady: See `Registry.check_age`.
    """
    found = services(request)
    registry, throttle = found.registry, found.throttle
    try:
        key = authenticate(registry, headers_of(request))
    except NotAuthenticated:
        secret_hash = _secret_hash(request)
        # A key that has expired, or was revoked or blocked, is no guess.
        if registry.key(secret_hash) is None:
            if LOOKED_FOR not in request.scope["state"]:
                raise UnknownKey from None
            throttle.check(address_of(request), secret_hash)
            throttle.failed(address_of(request))
        raise
    if not however_old:
        registry.check_age()
    if key.is_admin:
        secret_hash = _secret_hash(request)
        throttle.check(address_of(request), secret_hash)
        throttle.accepted(address_of(request), secret_hash)
    return key


def admin(request: Request, *, however_old: bool = False) -> Key:
    """The admin key of the caller; see `caller`.

    Raises NotAuthenticated, AdminRequired, NotReady; RateLimited, before the key is looked at.
    """
    services(request).throttle.check(address_of(request), _secret_hash(request))
    key = caller(request, however_old=however_old)
    require_admin(key)
    return key


def actor(request: Request) -> Actor:
    """The admin who makes the request, for the audit log. Raises what `admin` raises."""
    key = admin(request)
    return Actor(key.id, key.label, address_of(request))


async def admin_by_secret(request: Request, secret: str) -> Key:
    """The admin key that somebody signs in with.

    Raises:
        NotAuthenticated: It is none; which else it may be is not told.
        RateLimited: See `admin`.
        NotReady: The key is not known, or what is known is too old, and the database cannot be
            read.
    """
    found, throttle, secret_hash = services(request), services(request).throttle, hash_key(secret)
    throttle.check(address_of(request), secret_hash)
    if found.registry.key(secret_hash) is None:
        await found.registry.refresh_since(time.monotonic())
    try:
        key = authenticate(found.registry, {"authorization": f"Bearer {secret}"})
        require_admin(key)
    except (NotAuthenticated, AdminRequired) as error:
        throttle.failed(address_of(request))
        raise NotAuthenticated(
            "This is no admin key, or it is good no more. On the host, `gateway admin create-key` "
            "makes one.",
            param="key",
        ) from error
    found.registry.check_age()
    throttle.accepted(address_of(request), secret_hash)
    return key


def address_of(request: Request) -> str | None:
    """The client's IP address."""
    # The socket's: what X-Forwarded-For says is the client's to choose.
    return request.client.host if request.client else None


def _secret_hash(request: Request) -> str:
    """Of what the caller gave for a key. Raises NotAuthenticated."""
    return hash_key(credential(headers_of(request)))


def page_limit(request: Request) -> int:
    """How many things `?limit=` wants on a page. Raises InvalidField."""
    given = request.query_params.get("limit", str(_DEFAULT_LIMIT))
    if not _LIMIT.fullmatch(given) or not 1 <= int(given) <= _MOST:
        raise InvalidField(f"limit takes a whole number from 1 to {_MOST}", param="limit")
    return int(given)


def json_response(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(encode(body), status, headers, "application/json")


def whole_response(answer: Answer) -> Response:
    """A model's answer."""
    body = answer.body
    if isinstance(body, Content):
        return Response(body.data, 200, answer.headers, body.media_type)
    return Response(answer.raw or encode(body), 200, answer.headers, "application/json")


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON, also where a provider's text holds half of a surrogate pair, which orjson refuses."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return json.dumps(body).encode()


async def read_object(request: Request, optional: bool = False) -> dict[str, Any]:
    """The request's body, which must be a JSON object, or may be empty if that is `optional`.

    Raises:
        InvalidRequest: It is something else.
        BodyTooLarge: It is larger than the settings allow; it has not been read to its end.
        TooSlow: It does not go on coming.
    """
    read = await read_body(request)
    return {} if optional and not read else as_object(read)


def as_object(read: bytes) -> dict[str, Any]:
    """Raises InvalidRequest, as `read_object` does."""
    try:
        body = orjson.loads(read)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}. Send a JSON object."
        ) from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return body


async def read_body(request: Request) -> bytes:
    """Raises BodyTooLarge and TooSlow, as `read_object` does."""
    body = Body(request)
    read: list[bytes] = []
    while body.more:
        read.append(await body.piece())
    return b"".join(read)


class Body:
    """A request's body as it comes.

    Attributes:
        more: Whether there is more of it.
    """

    def __init__(self, request: Request) -> None:
        """Raises BodyTooLarge, as `read_object` does."""
        self.more = True
        self._receive = request.receive
        self._limit = self._left = services(request).settings.max_body_bytes
        declared = headers_of(request).get("content-length", "0")
        if declared.isascii() and declared.isdigit():
            self._check(int(declared))

    async def piece(self) -> bytes:
        """The next of it. Raises BodyTooLarge and TooSlow, as `read_object` does."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        self.more = message.get("more_body", False)
        self._check(len(piece))
        self._left -= len(piece)
        if self.more and not piece:
            # As `gateway.http.protocol` says it.
            raise TooSlow(
                f"Nothing of the body came for {CLIENT_SECONDS:.0f} s; send the request again",
                headers={"connection": "close"},
            )
        return piece

    def _check(self, size: int) -> None:
        if size > self._left:
            raise BodyTooLarge(
                f"The body is larger than {self._limit} bytes, the most this gateway reads "
                "(GATEWAY_MAX_BODY_BYTES)."
            )


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T:
    """Await `work`, or cancel it as soon as the client leaves.

    The request's body must have been read.

    Raises:
        ClientGone: The client left first. `work` has ended by then.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    asked = task.cancelling()
    watching: asyncio.Task[None] | None = None
    gone = False

    async def watch() -> None:
        nonlocal gone
        await _disconnect(receive)
        gone = True
        task.cancel()

    def begin() -> None:
        nonlocal watching
        watching = asyncio.create_task(watch())

    # Most answers are there before it is worth a task to look.
    waiting = asyncio.get_running_loop().call_later(_UNWATCHED_SECONDS, begin)
    try:
        return await work
    except asyncio.CancelledError:
        # Unless somebody else wants the task to end, too.
        if gone and task.uncancel() <= asked:
            raise ClientGone from None
        raise
    finally:
        waiting.cancel()
        if watching is not None:
            watching.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
