"""LiteLLM's routes for teams: `/team/new`, `/team/info`, ….

Statuses, fields and wordings are LiteLLM 1.106's (management_endpoints/team_endpoints.py). What
differs is meant so:

- A team's alias is its name, which no two teams share. Without one it is called by its id.
- A team has keys, and no members. Where LiteLLM asks for the teams of a user, these are the teams
  with a live key whose `user_id` it is.
- A deleted team is gone, but for the audit log.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import Conflict, InvalidField, NotFound
from gateway.http.litellm.descriptions import litellms_names, refuse_rest, team_description
from gateway.http.litellm.errors import BadRequest, litellm_route
from gateway.http.litellm.keys import key_rows
from gateway.http.litellm.queries import given, page, whole_number
from gateway.http.litellm.rows import team_row
from gateway.http.requests import actor, admin, json_response, read_object, services
from gateway.records import Key, Team
from gateway.specs import described_team, new_id, team_spec
from gateway.store.keys import KeyFilter

Json = dict[str, Any]

_TO_SORT_BY = {"team_id": "id", "team_alias": "name", "created_at": "created_at"}
# LiteLLM's word for the lack of an organization.
_NO_ORGANIZATION = "default_organization"


async def new_team(request: Request) -> Response:
    by = actor(request)
    description = team_description(await read_object(request))
    team_id = _given(description.get("team_id"), new_id("team"))
    description |= {"team_id": team_id, "name": _given(description.get("name"), team_id)}
    with litellms_names(), _taken(team_id):
        team = team_spec(description).record(int(time.time()))
        await services(request).store.teams.add(team, by)
    return await _row(request, team)


async def info(request: Request) -> Response:
    """A team with its keys that are live."""
    admin(request)
    team_id = given(request, "team_id")
    if team_id is None:
        raise InvalidField("Malformed request. No team id passed in.", param="team_id")
    team = await _get(request, team_id)
    limit = None
    if "key_limit" in request.query_params:
        limit = whole_number(request, "key_limit", 1)
    wanted = KeyFilter(team_id=team_id, revoked=False, expired=False)
    keys, _ = await services(request).store.keys.find(wanted, limit)
    (row,) = await _rows(request, [team])
    return json_response(
        {
            "team_id": team_id,
            "team_info": row,
            "keys": await key_rows(request, keys),
            "team_memberships": [],
        }
    )


async def list_teams(request: Request) -> Response:
    """Every team with its keys, by name, as a bare list."""
    admin(request)
    teams = await _wanted(request)
    keys = await _keys_by_team(request)
    rows = await key_rows(request, [key for team in teams for key in keys[team.id]])
    shown: dict[str, list[Json]] = defaultdict(list)
    for row in rows:
        shown[row["team_id"]].append(row)
    return _list(
        row | {"team_memberships": [], "keys": shown[row["team_id"]]}
        for row in await _rows(request, teams)
    )


async def list_page(request: Request) -> Response:
    """A page of the teams, with how many keys each has."""
    admin(request)
    asked, state = page(request, "page_size", 10), given(request, "status")
    if state not in (None, "deleted"):
        raise BadRequest(
            "Invalid status value. Currently only 'deleted' is supported.", param="status"
        )
    found = [] if state == "deleted" else _sorted(request, await _wanted(request))
    some = found[asked.offset : asked.offset + asked.size]
    counts = await services(request).store.keys.count_by_team([team.id for team in some])
    return json_response(
        {
            "teams": [
                row | {"members_count": 0, "keys_count": counts.get(row["team_id"], 0)}
                for row in await _rows(request, some)
            ],
            "total": len(found),
            "page": asked.number,
            "page_size": asked.size,
            "total_pages": asked.of(len(found)),
        }
    )


async def list_available(request: Request) -> Response:
    """The teams that a user can join: none, as here nobody does."""
    admin(request)
    return _list([])


async def update(request: Request) -> Response:
    by = actor(request)
    body = await read_object(request)
    team_id = _team_id(body)
    description = team_description(body)
    if "name" in description:
        description["name"] = _given(description["name"], team_id)
    await _get(request, team_id)
    with litellms_names(), _taken(team_id):
        team = await services(request).store.teams.change(
            team_id, lambda team: described_team(team, description, int(time.time())), by
        )
    (row,) = await _rows(request, [team])
    return json_response({"team_id": team_id, "data": row})


async def delete(request: Request) -> Response:
    """Delete teams, and with them all their keys."""
    by = actor(request)
    body = await read_object(request)
    ids = body.pop("team_ids", None)
    refuse_rest(body)
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise InvalidField("team_ids: takes a list of texts", param="team_ids")
    store = services(request).store
    teams = [await _get(request, team_id) for team_id in dict.fromkeys(ids)]
    for team in teams:
        keys, _ = await store.keys.find(KeyFilter(team_id=team.id, revoked=False))
        await store.keys.revoke([key.id for key in keys], int(time.time()), by, keep_admin=True)
        await store.teams.remove(team.id, by)
    return json_response({"deleted_teams": [team.id for team in teams]})


async def block(request: Request) -> Response:
    return await _set_blocked(request, True)


async def unblock(request: Request) -> Response:
    return await _set_blocked(request, False)


async def _set_blocked(request: Request, blocked: bool) -> Response:
    by = actor(request)
    body = await read_object(request)
    team_id = _team_id(body)
    refuse_rest(body)
    await _get(request, team_id)
    team = await services(request).store.teams.change(
        team_id, lambda team: replace(team, blocked=blocked, updated_at=int(time.time())), by
    )
    return await _row(request, team)


def _given(value: object, default: str) -> Any:
    """The value, which need not be a text, or the default for one that counts as left out."""
    return default if value is None or value == "" else value


def _team_id(body: Json) -> str:
    """Take the team's id out of a body. Raises InvalidField."""
    team_id = body.pop("team_id", None)
    if team_id is None:
        raise InvalidField("team_id: field required", param="team_id", code="missing")
    if not isinstance(team_id, str):
        raise InvalidField("team_id: takes text", param="team_id")
    return team_id


@contextmanager
def _taken(team_id: str) -> Iterator[None]:
    """Raises BadRequest for an id that another team has; Conflict for a name."""
    try:
        yield
    except Conflict as error:
        if error.param == "team_id":
            raise BadRequest(
                f"Team id = {team_id} already exists. Please use a different team id.",
                param="team_id",
            ) from None
        raise Conflict(error.message, param="team_alias") from None


async def _get(request: Request, team_id: str) -> Team:
    try:
        return await services(request).store.teams.get(team_id)
    except NotFound:
        raise NotFound(f"Team not found, passed team_id={team_id}", param="team_id") from None


async def _wanted(request: Request) -> list[Team]:
    """The teams that the query asks for, by name."""
    organization = given(request, "organization_id")
    if organization not in (None, _NO_ORGANIZATION):
        return []
    team_id, user_id = given(request, "team_id"), given(request, "user_id")
    alias, search = given(request, "team_alias") or "", given(request, "search") or ""
    teams = await services(request).store.teams.all()
    if user_id is not None:
        keys = await _keys_by_team(request, user_id)
        teams = [team for team in teams if keys[team.id]]
    return [
        team
        for team in teams
        if team_id in (None, team.id)
        and alias.lower() in team.name.lower()
        and (search == team.id or search.lower() in team.name.lower())
    ]


def _sorted(request: Request, teams: Sequence[Team]) -> list[Team]:
    """LiteLLM sorts by the newest first where it does not know the column."""
    query = request.query_params
    field = _TO_SORT_BY.get(query.get("sort_by", ""))
    reverse = field is None or query.get("sort_order", "asc").lower() == "desc"
    name = field or "created_at"
    return sorted(teams, key=lambda team: (getattr(team, name), team.id), reverse=reverse)


async def _keys_by_team(
    request: Request, user_id: str | None = None
) -> defaultdict[str | None, list[Key]]:
    wanted = KeyFilter(kind="gateway", revoked=False, user_id=user_id)
    keys, _ = await services(request).store.keys.find(wanted)
    found: defaultdict[str | None, list[Key]] = defaultdict(list)
    for key in keys:
        found[key.team_id].append(key)
    return found


def _list(items: Iterable[Json]) -> Response:
    return Response(orjson.dumps(list(items)), media_type="application/json")


async def _row(request: Request, team: Team) -> Response:
    (row,) = await _rows(request, [team])
    return json_response(row)


async def _rows(request: Request, teams: Sequence[Team]) -> list[Json]:
    now = int(time.time())
    spent = await services(request).store.ledger.spent_by_each(teams, now)
    return [team_row(team, spent[team.id], now) for team in teams]


ROUTES = [
    Route("/team/new", litellm_route(new_team), methods=["POST"]),
    Route("/team/info", litellm_route(info), methods=["GET"]),
    Route("/team/list", litellm_route(list_teams), methods=["GET"]),
    Route("/v2/team/list", litellm_route(list_page), methods=["GET"]),
    Route("/team/available", litellm_route(list_available), methods=["GET"]),
    Route("/team/update", litellm_route(update), methods=["POST"]),
    Route("/team/delete", litellm_route(delete), methods=["POST"]),
    Route("/team/block", litellm_route(block), methods=["POST"]),
    Route("/team/unblock", litellm_route(unblock), methods=["POST"]),
]
