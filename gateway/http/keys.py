"""Managing access keys: `/api/v1/gateway/keys`."""

from __future__ import annotations

import dataclasses
import time
from typing import cast, get_args

from starlette.requests import Request
from starlette.responses import Response

from gateway import vault
from gateway.errors import Conflict, InvalidField
from gateway.http.owners import all_shown, shown
from gateway.http.requests import (
    actor,
    admin,
    json_response,
    page_limit,
    read_object,
    services,
)
from gateway.records import Key, KeyState
from gateway.specs import key_spec, patched_key, rotated
from gateway.store.keys import KeyFilter

# No cache on the way may keep a secret.
NO_STORE = {"cache-control": "no-store"}

_FILTERS = ("label", "team_id", "user_id")
_STATES = get_args(KeyState)
_PARAMETERS = {"limit", "after", "state", *_FILTERS}


async def issue_key(request: Request) -> Response:
    """Make a gateway key. Its secret is in this answer and nowhere else, ever."""
    by = actor(request)
    body = await read_object(request, optional=True)
    secret = vault.new_key()
    key = key_spec(body).record(secret, int(time.time()))
    await services(request).store.keys.add(key, by)
    return json_response({**await shown(request, key), "key": secret}, 201, NO_STORE)


async def list_keys(request: Request) -> Response:
    """A page of keys, oldest first: `?limit=` and `?after=` the last id of the page before.

    `?label=`, `?team_id=`, `?user_id=` and `?state=` say which.
    """
    admin(request)
    given = request.query_params
    unknown = sorted(set(given) - _PARAMETERS)
    if unknown:
        raise InvalidField(
            f"{unknown[0]}: no such parameter; there are {', '.join(sorted(_PARAMETERS))}",
            param=unknown[0],
        )
    state = given.get("state")
    if state is not None and state not in _STATES:
        raise InvalidField(f"state takes one of {', '.join(_STATES)}", param="state")
    wanted = KeyFilter.in_state(
        cast(KeyState | None, state), **{name: given.get(name) for name in _FILTERS}
    )
    found, more = await services(request).store.keys.page(
        page_limit(request), given.get("after"), wanted
    )
    return json_response(
        {"object": "list", "data": await all_shown(request, found), "has_more": more}
    )


async def get_key(request: Request) -> Response:
    admin(request)
    key = await services(request).store.keys.get(request.path_params["id"])
    return json_response(await shown(request, key))


async def patch_key(request: Request) -> Response:
    """Change the fields that the body names; null gives one its default (RFC 7396)."""
    by = actor(request)
    patch = await read_object(request)
    key = await services(request).store.keys.change(
        request.path_params["id"],
        lambda key: patched_key(key, patch, int(time.time())),
        by,
        keep_admin=True,
    )
    return json_response(await shown(request, key))


async def block_key(request: Request) -> Response:
    """Refuse a key's calls until it is unblocked. Once more is no error."""
    return await _set_blocked(request, True)


async def unblock_key(request: Request) -> Response:
    return await _set_blocked(request, False)


async def rotate_key(request: Request) -> Response:
    """Give a key a new secret, which is in this answer and nowhere else, ever.

    `{"grace_period": "1h"}` keeps the old secret good for that long; without, it ends at once.
    """
    by = actor(request)
    body = await read_object(request, optional=True)
    unknown = sorted(set(body) - {"grace_period"})
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    secret = vault.new_key()
    key = await services(request).store.keys.change(
        request.path_params["id"],
        lambda key: rotation(request, key, secret, body.get("grace_period")),
        by,
        keep_admin=True,
    )
    return json_response({**await shown(request, key), "key": secret}, 200, NO_STORE)


async def revoke_key(request: Request) -> Response:
    """Revoke a key for good. Once more is no error: the key is as was asked."""
    by = actor(request)
    keys = services(request).store.keys
    key_id = request.path_params["id"]
    await keys.get(key_id)  # raises NotFound
    await keys.revoke([key_id], int(time.time()), by, keep_admin=True)
    return json_response(await shown(request, await keys.get(key_id)))


def rotation(request: Request, key: Key, secret: str, grace: object) -> Key:
    """The key with this secret.

    Raises:
        InvalidField: `grace` is no length of time.
        Conflict: The key has expired; or the next start would bring its old secret back.
    """
    if not isinstance(grace, str | None):
        raise InvalidField("grace_period takes a length of time such as 1h", param="grace_period")
    given = services(request).settings.admin_key
    if given is not None and vault.hash_key(given) == key.secret_hash:
        raise Conflict(
            "This admin key is the one in GATEWAY_ADMIN_KEY; change it there, and start the "
            "gateway again",
            param="id",
        )
    return rotated(key, secret, grace, int(time.time()))


async def _set_blocked(request: Request, blocked: bool) -> Response:
    by = actor(request)
    key = await services(request).store.keys.change(
        request.path_params["id"],
        lambda key: dataclasses.replace(key, blocked=blocked, updated_at=int(time.time())),
        by,
        keep_admin=True,
    )
    return json_response(await shown(request, key))
