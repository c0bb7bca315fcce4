"""LiteLLM's routes for keys: `/key/generate`, `/key/info`, ….

Statuses, fields and wordings are LiteLLM 1.106's (management_endpoints/
key_management_endpoints.py). What differs is meant so:

- To delete a key is to revoke it: it stays known, with the status `deleted`.
- An admin key can be looked up and changed by itself or its hash, but is in no list and has no
  alias, as LiteLLM's master key; the last one cannot be taken away.
- An error never repeats a key.
- A time of grace that is no length of time is refused; LiteLLM ends the old key at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.auth import require_admin
from gateway.errors import InvalidField, NotFound
from gateway.http.keys import NO_STORE, rotation
from gateway.http.litellm.descriptions import (
    key_description,
    litellms_names,
    refuse_rest,
    secret_of,
)
from gateway.http.litellm.errors import BadRequest, litellm_route
from gateway.http.litellm.queries import Page, descending, flag, given, page
from gateway.http.litellm.rows import Spent, key_row, new_key_answer, status
from gateway.http.requests import actor, admin, caller, json_response, read_object, services
from gateway.records import Actor, Key
from gateway.specs import described_key, key_spec
from gateway.store.keys import Column, KeyFilter
from gateway.vault import KEY_PREFIX, hash_key

Json = dict[str, Any]

_UNUSED = Spent(0, 0)
_TO_SORT_BY: dict[str, Column | None] = {
    "spend": None,
    "max_budget": "max_budget",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "token": "secret_hash",
    "key_alias": "label",
}
_OF_STATUS: dict[str | None, Json] = {
    None: {"revoked": False},
    "active": {"revoked": False, "blocked": False, "expired": False},
    "expired": {"revoked": False, "blocked": False, "expired": True},
    "revoked": {"revoked": False, "blocked": True},
    "deleted": {"revoked": True},
}
# No key belongs to one of these, so none is found by it.
_OTHER_OWNERS = ("organization_id", "project_id", "access_group_id", "agent_id")


async def generate(request: Request) -> Response:
    by = actor(request)
    body = await read_object(request)
    secret = secret_of(body, "key")
    description = key_description(body, new=True)
    with litellms_names():
        key = key_spec(description).record(secret, int(time.time()))
    await _refuse_taken_alias(request, key.label)
    await services(request).store.keys.add(key, by)
    return json_response(new_key_answer(key, secret, _UNUSED), headers=NO_STORE)


async def info(request: Request) -> Response:
    """The key that `?key=` or its hash names, or else the caller's own, which anyone may see."""
    own = caller(request)
    name = given(request, "key")
    key: Key | None = own
    if name is not None:
        key = await services(request).store.keys.by_secret(_hash(name))
    if key is None or key.id != own.id:
        require_admin(own)
    if key is None:
        raise NotFound("Key not found in database", param="key")
    (row,) = await key_rows(request, [key])
    del row["token"]
    return json_response(
        {
            "key": name or own.secret_hash,
            "info": row | {"status": status(key, int(time.time()))},
        }
    )


async def list_keys(request: Request) -> Response:
    """A page of the gateway keys' hashes, or with `?return_full_object=true` of their rows."""
    admin(request)
    asked, wanted = page(request, "size", 10), _wanted(request)
    full = flag(request, "return_full_object") or "user" in request.query_params.getlist("expand")
    sort_by, newest_first = _order(request)
    found: Sequence[Key] = []
    total = 0
    if wanted is not None:
        found, total = await _page_of(request, wanted, asked, sort_by, newest_first)
    return json_response(
        {
            "keys": await key_rows(request, found) if full else [key.secret_hash for key in found],
            "total_count": total,
            "current_page": asked.number,
            "total_pages": asked.of(total),
        }
    )


async def aliases(request: Request) -> Response:
    """A page of the gateway keys' aliases, in their order."""
    admin(request)
    asked = page(request, "size", 50)
    wanted = KeyFilter(
        kind="gateway",
        revoked=False,
        label_part=given(request, "search") or "",
        team_id=given(request, "team_id"),
    )
    found, total = await services(request).store.keys.find(
        wanted, asked.size, asked.offset, "label", descending=False
    )
    return json_response(
        {
            "aliases": [key.label for key in found],
            "total_count": total,
            "current_page": asked.number,
            "total_pages": asked.of(total),
            "size": asked.size,
        }
    )


async def update(request: Request) -> Response:
    """Change the fields that the body has; the key is named by `key`, or else by `key_alias`."""
    by = actor(request)
    body = await read_object(request)
    name = _text(body.pop("key", None), "key")
    if name is None:
        key = await _by_alias(request, _text(body.get("key_alias"), "key_alias"))
    else:
        key = await _live(request, name)
    description = key_description(body, new=False)
    changed = await _change(request, key, description, lambda key: key, by)
    (row,) = await key_rows(request, [changed])
    return json_response({"key": name or key.secret_hash} | row)


async def delete(request: Request) -> Response:
    """Revoke `keys`, or else those that have one of `key_aliases`; unknown ones are passed over."""
    by = actor(request)
    body = await read_object(request)
    names, wanted = _texts(body, "keys"), _texts(body, "key_aliases")
    refuse_rest(body)
    if not names and not wanted:
        raise InvalidField("At least one of 'keys' or 'key_aliases' must be provided.")
    keys = services(request).store.keys
    if names:
        known = [await keys.by_secret(_hash(name)) for name in names]
        found = [key for key in known if key is not None and key.revoked_at is None]
    else:
        found = [key for alias in wanted for key in await _with_alias(request, alias)]
    if not found:
        raise NotFound("No keys found", param="keys" if names else "key_aliases")
    await keys.revoke([key.id for key in found], int(time.time()), by, keep_admin=True)
    return json_response({"deleted_keys": names or wanted})


async def block(request: Request) -> Response:
    return await _set_blocked(request, True)


async def unblock(request: Request) -> Response:
    return await _set_blocked(request, False)


async def regenerate(request: Request) -> Response:
    """Give a key a new secret, and what else the body says.

    The key is named in the body or in the path; `grace_period` keeps its old secret good.
    """
    in_path = request.path_params.get("key")
    if in_path is not None:
        # The access log has the path, and must not have a key.
        request.scope["path"] = "/key/…/regenerate"
    by = actor(request)
    body = await read_object(request, optional=True)
    name = _text(body.pop("key", None), "key") or in_path
    grace = body.pop("grace_period", None)
    secret = secret_of(body, "new_key")
    description = key_description(body, new=False)
    if not name:
        raise BadRequest("No key passed in.", param="key")
    key = await _live(request, name)
    changed = await _change(
        request, key, description, lambda key: rotation(request, key, secret, grace), by
    )
    spent = await _spent(request, [changed])
    return json_response(new_key_answer(changed, secret, spent[changed.id]), headers=NO_STORE)


async def _change(
    request: Request, key: Key, description: Json, then: Callable[[Key], Key], by: Actor
) -> Key:
    """Apply a description to a key, and then something else."""
    alias = description.get("label")
    if isinstance(alias, str) and alias.strip() != key.label:
        await _refuse_taken_alias(request, alias.strip())
    with litellms_names():
        return await services(request).store.keys.change(
            key.id,
            lambda key: then(described_key(key, description, int(time.time()))),
            by,
            keep_admin=True,
        )


async def _set_blocked(request: Request, blocked: bool) -> Response:
    by = actor(request)
    body = await read_object(request)
    name = _text(body.pop("key", None), "key")
    refuse_rest(body)
    if name is None:
        raise InvalidField("key: field required", param="key", code="missing")
    key = await services(request).store.keys.change(
        (await _live(request, name)).id,
        lambda key: replace(key, blocked=blocked, updated_at=int(time.time())),
        by,
        keep_admin=True,
    )
    (row,) = await key_rows(request, [key])
    return json_response(row)


async def _live(request: Request, name: str) -> Key:
    """The key that is not revoked with this secret or hash. Raises NotFound."""
    key = await services(request).store.keys.by_secret(_hash(name))
    if key is None or key.revoked_at is not None:
        raise NotFound("Key not found.", param="key")
    return key


async def _by_alias(request: Request, alias: str | None) -> Key:
    """Raises NotFound; InvalidField for None; BadRequest where several keys have it."""
    if alias is None:
        raise InvalidField("either key or key_alias must be provided")
    found = await _with_alias(request, alias)
    if not found:
        raise NotFound(f"Key not found. No key with key_alias='{alias}'.", param="key_alias")
    if len(found) > 1:
        raise BadRequest(
            f"Multiple keys share key_alias='{alias}', so it cannot be used as an identifier.",
            param="key_alias",
        )
    return found[0]


async def _with_alias(request: Request, alias: str) -> list[Key]:
    wanted = KeyFilter(kind="gateway", revoked=False, label=alias.strip())
    found, _ = await services(request).store.keys.find(wanted)
    return found


async def _refuse_taken_alias(request: Request, alias: str | None) -> None:
    """Raises BadRequest. The gateway's own API lets keys have the same label; LiteLLM does not."""
    if alias and await _with_alias(request, alias):
        raise BadRequest(
            f"Key with alias '{alias}' already exists. Unique key aliases across all keys are "
            "required.",
            param="key_alias",
        )


def _wanted(request: Request) -> KeyFilter | None:
    """Which keys a list is to have; None for none at all. Raises InvalidField, BadRequest."""
    named, ended = given(request, "status"), given(request, "expires")
    if named not in _OF_STATUS:
        raise BadRequest(
            "Invalid status value. Supported: 'active', 'expired', 'revoked', 'deleted'.",
            param="status",
        )
    if ended not in (None, "active", "expired"):
        raise BadRequest("Invalid expires value. Supported: 'active', 'expired'.", param="expires")
    if any(given(request, name) for name in _OTHER_OWNERS):
        return None
    state = dict(_OF_STATUS[named])
    if ended is not None and state.setdefault("expired", ended == "expired") is not (
        ended == "expired"
    ):
        return None
    part = "_part" if flag(request, "substring_matching") else ""
    state |= {
        f"label{part}": given(request, "key_alias"),
        f"user{part or '_id'}": given(request, "user_id"),
    }
    token = given(request, "key_hash")
    return KeyFilter(
        kind="gateway",
        team_id=given(request, "team_id"),
        secret_hash=_hash(token) if token else None,
        search=given(request, "search"),
        **state,
    )


def _order(request: Request) -> tuple[str, bool]:
    """By what to sort, and whether the highest comes first. Raises BadRequest."""
    sort_by = request.query_params.get("sort_by")
    if sort_by is None:
        return "created_at", True
    if sort_by not in _TO_SORT_BY:
        raise BadRequest(
            f"Invalid sort column. Must be one of: {', '.join(_TO_SORT_BY)}", param="sort_by"
        )
    return sort_by, descending(request, "desc")


async def _page_of(
    request: Request, wanted: KeyFilter, asked: Page, sort_by: str, reverse: bool
) -> tuple[list[Key], int]:
    keys = services(request).store.keys
    column = _TO_SORT_BY[sort_by]
    if column is not None:
        return await keys.find(wanted, asked.size, asked.offset, column, reverse)
    found, total = await keys.find(wanted)
    spent = await services(request).store.ledger.spent_by_each(found, int(time.time()))
    found.sort(key=lambda key: spent[key.id], reverse=reverse)
    return found[asked.offset : asked.offset + asked.size], total


async def key_rows(request: Request, found: Sequence[Key]) -> list[Json]:
    now = int(time.time())
    spent = await _spent(request, found)
    return [key_row(key, spent[key.id], now) for key in found]


async def _spent(request: Request, found: Iterable[Key]) -> dict[str, Spent]:
    ledger, now = services(request).store.ledger, int(time.time())
    keys = list(found)
    period = await ledger.spent_by_each(keys, now)
    ever = await ledger.spent_by_each([replace(key, budget_duration=None) for key in keys], now)
    return {key.id: Spent(period[key.id], ever[key.id]) for key in keys}


def _hash(name: str) -> str:
    return hash_key(name) if name.startswith(KEY_PREFIX) else name


def _text(value: object, field: str) -> str | None:
    """Raises InvalidField where it is something else."""
    if value is not None and not isinstance(value, str):
        raise InvalidField(f"{field}: takes text", param=field)
    return value or None


def _texts(body: Json, field: str) -> list[str]:
    """Take a list of texts out of the body. Raises InvalidField."""
    value = body.pop(field, None)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidField(f"{field}: takes a list of texts", param=field)
    return cast(list[str], value)


ROUTES = [
    Route("/key/generate", litellm_route(generate), methods=["POST"]),
    Route("/key/info", litellm_route(info), methods=["GET"]),
    Route("/key/list", litellm_route(list_keys), methods=["GET"]),
    Route("/key/aliases", litellm_route(aliases), methods=["GET"]),
    Route("/key/update", litellm_route(update), methods=["POST"]),
    Route("/key/delete", litellm_route(delete), methods=["POST"]),
    Route("/key/block", litellm_route(block), methods=["POST"]),
    Route("/key/unblock", litellm_route(unblock), methods=["POST"]),
    Route("/key/regenerate", litellm_route(regenerate), methods=["POST"]),
    Route("/key/{key:path}/regenerate", litellm_route(regenerate), methods=["POST"]),
]
