"""What is said of the gateway's own management routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.http import audit, keys, models, settings, teams, transcripts, usage
from gateway.http.openapi import answers, bodies, queries
from gateway.http.openapi.description import Description
from gateway.specs import KeySpec, ModelSpec, TeamSpec
from gateway.usage import RequestView

_MODEL = {"name": "The model's name, or the id of one of its deployments. Slashes may stay"}
_KEY = {"id": "The key's id"}
_TEAM = {"id": "The team's id"}
_REQUEST = {"id": "The gateway's id of the request, `x-litellm-call-id`"}

DESCRIPTIONS: Mapping[Callable[..., Any], Description] = {
    models.add_model: Description(
        id="add_model", tag="models", summary="Register a model",
        body=ModelSpec, answer=answers.Model, statuses=(201,), errors=(409,),
    ),
    models.patch_model: Description(
        id="change_model", tag="models", summary="Change a model",
        body=bodies.MODEL_PATCH, query_for_path=queries.NamesModel, path=_MODEL,
        answer=answers.Model, errors=(404, 409, 422),
    ),
    models.delete_model: Description(
        id="delete_model", tag="models", summary="Remove a model",
        body=bodies.NamedModel, body_optional=True, query_for_path=queries.NamesModel, path=_MODEL,
        answer=answers.DeletedModel, errors=(404, 409, 422),
    ),
    keys.list_keys: Description(
        id="list_keys", tag="keys", summary="List keys, oldest first",
        query=queries.ListsKeys, answer=answers.KeyPage, errors=(404,),
    ),
    keys.issue_key: Description(
        id="issue_key", tag="keys", summary="Issue a gateway key",
        body=KeySpec, body_optional=True, answer=answers.IssuedKey, statuses=(201,), errors=(409,),
    ),
    keys.get_key: Description(
        id="get_key", tag="keys", summary="Get a key",
        path=_KEY, answer=answers.Key,
    ),
    keys.patch_key: Description(
        id="change_key", tag="keys", summary="Change a key",
        path=_KEY, body=bodies.KEY_PATCH, answer=answers.Key, errors=(409,),
    ),
    keys.revoke_key: Description(
        id="revoke_key", tag="keys", summary="Revoke a key for good",
        path=_KEY, answer=answers.Key, errors=(409,),
    ),
    keys.rotate_key: Description(
        id="rotate_key", tag="keys", summary="Give a key a new secret",
        path=_KEY, body=bodies.Rotation, body_optional=True, answer=answers.IssuedKey,
        errors=(409,),
    ),
    keys.block_key: Description(
        id="block_key", tag="keys", summary="Refuse a key's calls for the time being",
        path=_KEY, answer=answers.Key, errors=(409,),
    ),
    keys.unblock_key: Description(
        id="unblock_key", tag="keys", summary="Take a key's calls again",
        path=_KEY, answer=answers.Key, errors=(409,),
    ),
    teams.list_teams: Description(
        id="list_teams", tag="teams", summary="List teams, by name", answer=answers.TeamList,
    ),
    teams.add_team: Description(
        id="add_team", tag="teams", summary="Make a team",
        body=TeamSpec, answer=answers.Team, statuses=(201,), errors=(409,),
    ),
    teams.get_team: Description(
        id="get_team", tag="teams", summary="Get a team", path=_TEAM, answer=answers.Team,
    ),
    teams.patch_team: Description(
        id="change_team", tag="teams", summary="Change a team",
        path=_TEAM, body=bodies.TEAM_PATCH, answer=answers.Team, errors=(409,),
    ),
    teams.delete_team: Description(
        id="delete_team", tag="teams", summary="Remove a team without keys",
        path=_TEAM, answer=answers.DeletedTeam, errors=(409,),
    ),
    teams.block_team: Description(
        id="block_team", tag="teams", summary="Refuse the calls of a team's keys",
        path=_TEAM, answer=answers.Team,
    ),
    teams.unblock_team: Description(
        id="unblock_team", tag="teams", summary="Take the calls of a team's keys again",
        path=_TEAM, answer=answers.Team,
    ),
    audit.list_changes: Description(
        id="list_changes", tag="usage", summary="List who changed what, newest first",
        query=queries.ListsChanges, answer=answers.AuditPage,
    ),
    usage.report: Description(
        id="report_usage", tag="usage", summary="Add up requests; of a gateway key, its own",
        access="call", query=queries.ReportsUsage, answer=answers.UsageReport,
        media={"text/csv": "The groups, a row each"},
    ),
    usage.list_requests: Description(
        id="list_requests", tag="usage", summary="List requests, newest first",
        access="call", query=queries.ListsRequests, answer=answers.RequestPage,
        media={"text/csv": "The requests, a row each"}, errors=(404,),
    ),
    usage.get_request: Description(
        id="get_request", tag="usage", summary="Get a request",
        access="call", path=_REQUEST, answer=RequestView, errors=(422,),
    ),
    transcripts.get_transcript: Description(
        id="get_transcript", tag="usage", summary="Read what was asked and answered, if it is kept",
        path=_REQUEST, answer=answers.Transcript,
    ),
    settings.get_settings: Description(
        id="get_settings", tag="settings", summary="Get the settings", answer=answers.Settings,
    ),
    settings.patch_settings: Description(
        id="change_settings", tag="settings", summary="Change settings",
        body=bodies.SettingsPatch, answer=answers.Settings,
    ),
}  # fmt: skip
