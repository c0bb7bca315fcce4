"""Managing teams: `/api/v1/gateway/teams`."""

from __future__ import annotations

import dataclasses
import time

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.owners import all_shown, shown
from gateway.http.requests import actor, admin, json_response, read_object, services
from gateway.specs import patched_team, team_spec


async def add_team(request: Request) -> Response:
    by = actor(request)
    team = team_spec(await read_object(request)).record(int(time.time()))
    await services(request).store.teams.add(team, by)
    return json_response(await shown(request, team), 201)


async def list_teams(request: Request) -> Response:
    """Every team, by name."""
    admin(request)
    teams = await services(request).store.teams.all()
    return json_response(
        {"object": "list", "data": await all_shown(request, teams), "has_more": False}
    )


async def get_team(request: Request) -> Response:
    admin(request)
    return json_response(
        await shown(request, await services(request).store.teams.get(_named(request)))
    )


async def patch_team(request: Request) -> Response:
    """Change the fields that the body names; null gives one its default (RFC 7396)."""
    by = actor(request)
    patch = await read_object(request)
    team = await services(request).store.teams.change(
        _named(request), lambda team: patched_team(team, patch, int(time.time())), by
    )
    return json_response(await shown(request, team))


async def block_team(request: Request) -> Response:
    """Refuse the calls of a team's keys until it is unblocked. Once more is no error."""
    return await _set_blocked(request, True)


async def unblock_team(request: Request) -> Response:
    return await _set_blocked(request, False)


async def delete_team(request: Request) -> Response:
    """Remove a team; refused as long as it has keys that are not revoked."""
    by = actor(request)
    team_id = _named(request)
    await services(request).store.teams.remove(team_id, by)
    return json_response({"team_id": team_id, "object": "team", "deleted": True})


async def _set_blocked(request: Request, blocked: bool) -> Response:
    by = actor(request)
    team = await services(request).store.teams.change(
        _named(request),
        lambda team: dataclasses.replace(team, blocked=blocked, updated_at=int(time.time())),
        by,
    )
    return json_response(await shown(request, team))


def _named(request: Request) -> str:
    return str(request.path_params["id"])
