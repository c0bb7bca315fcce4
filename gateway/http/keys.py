"""Managing access keys: `/api/v1/gateway/keys`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from gateway import vault
from gateway.display import key_view
from gateway.errors import InvalidField
from gateway.http.requests import actor, admin, json_response, read_object, services
from gateway.specs import key_spec

_MOST = 1000
_DEFAULT_LIMIT = 100


async def issue_key(request: Request) -> Response:
    """Make a gateway key. Its secret is in this answer and nowhere else, ever."""
    by = actor(request)
    body = await read_object(request) if await request.body() else {}
    secret = vault.new_key()
    key = key_spec(body).record(secret, int(time.time()))
    await services(request).store.keys.add(key, by)
    # No cache on the way may keep the secret.
    return json_response({**key_view(key), "key": secret}, 201, {"cache-control": "no-store"})


async def list_keys(request: Request) -> Response:
    """A page of keys, oldest first: `?limit=` and `?after=` the last id of the page before."""
    admin(request)
    limit = request.query_params.get("limit", str(_DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= _MOST):
        raise InvalidField(f"limit takes a whole number from 1 to {_MOST}", param="limit")
    store = services(request).store
    found, more = await store.keys.page(int(limit), request.query_params.get("after"))
    return json_response(
        {"object": "list", "data": [key_view(key) for key in found], "has_more": more}
    )


async def get_key(request: Request) -> Response:
    admin(request)
    key = await services(request).store.keys.get(request.path_params["id"])
    return json_response(key_view(key))


async def revoke_key(request: Request) -> Response:
    """Revoke a key for good. Once more is no error: the key is as was asked."""
    by = actor(request)
    keys = services(request).store.keys
    key_id = request.path_params["id"]
    await keys.get(key_id)  # raises NotFound
    await keys.revoke([key_id], int(time.time()), by)
    return json_response(key_view(await keys.get(key_id)))
