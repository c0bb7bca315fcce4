"""What is said of LiteLLM's routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gateway.http.litellm import calculate, health, keys, models, spend, teams
from gateway.http.openapi import litellm_answers as rows
from gateway.http.openapi import litellm_bodies as bodies
from gateway.http.openapi import queries
from gateway.http.openapi.description import Description

_litellm = partial(Description, tag="litellm", envelope="litellm")
_probe = partial(Description, tag="health", access="public")

DESCRIPTIONS: Mapping[Callable[..., Any], Description] = {
    keys.generate: _litellm(
        id="litellm_generate_key", summary="Issue a key",
        body=bodies.KEY, answer=rows.NewKey, errors=(409,),
    ),
    keys.info: _litellm(
        id="litellm_get_key", summary="Get a key, the caller's own if none is named",
        access="call", query=queries.NamesKey, answer=rows.KeyInfo, errors=(404,),
    ),
    keys.list_keys: _litellm(
        id="litellm_list_keys", summary="List keys, by their hashes or whole",
        query=queries.LitellmKeys, answer=rows.KeyNames, errors=(400,),
    ),
    keys.aliases: _litellm(
        id="litellm_list_key_aliases", summary="List the aliases of keys",
        query=queries.LitellmAliases, answer=rows.KeyAliases,
    ),
    keys.update: _litellm(
        id="litellm_change_key", summary="Change a key",
        body=bodies.KEY_PATCH, answer=rows.UpdatedKey, errors=(404, 409),
    ),
    keys.delete: _litellm(
        id="litellm_delete_keys", summary="Revoke keys",
        body=bodies.NAMED_KEYS, answer=rows.DeletedKeys, errors=(404, 409),
    ),
    keys.block: _litellm(
        id="litellm_block_key", summary="Refuse a key's calls for the time being",
        body=bodies.NamedKey, answer=rows.KeyRow, errors=(404, 409),
    ),
    keys.unblock: _litellm(
        id="litellm_unblock_key", summary="Take a key's calls again",
        body=bodies.NamedKey, answer=rows.KeyRow, errors=(404, 409),
    ),
    keys.regenerate: _litellm(
        id="litellm_rotate_key", summary="Give a key a new secret",
        body=bodies.NEW_SECRET, body_optional=True, path={"key": "The key, or its hash"},
        answer=rows.NewKey, errors=(404, 409),
    ),
    models.new_model: _litellm(
        id="litellm_add_model", summary="Register a model",
        body=bodies.MODEL, answer=rows.ModelRow, errors=(409,),
    ),
    models.update_model: _litellm(
        id="litellm_change_model", summary="Change a model; null leaves a field as it is",
        body=bodies.MODEL_PATCH, answer=rows.ModelRow, errors=(409,),
    ),
    models.patch_model: _litellm(
        id="litellm_patch_model", summary="Change a model; null takes a price away",
        path={"id": "The model's id. Slashes in it may stand as they are"},
        body=bodies.MODEL_MERGE, answer=rows.ModelRow, errors=(409,),
    ),
    models.delete_model: _litellm(
        id="litellm_delete_model", summary="Remove a model",
        body=bodies.NamedId, answer=rows.Said,
    ),
    models.list_info: _litellm(
        id="litellm_list_models", summary="List the models that the key may call",
        access="call", query=queries.LitellmModels, answer=rows.ModelEntries, errors=(400,),
    ),
    models.page_info: _litellm(
        id="litellm_page_models", summary="List the models that the key may call, by the page",
        access="call", query=queries.LitellmModelPage, answer=rows.ModelPage, errors=(400,),
    ),
    models.list_groups: _litellm(
        id="litellm_list_model_groups", summary="List the names that the key may call",
        access="call", query=queries.LitellmGroups, answer=rows.ModelGroups,
    ),
    teams.new_team: _litellm(
        id="litellm_add_team", summary="Make a team",
        body=bodies.TEAM, answer=rows.TeamRow, errors=(409,),
    ),
    teams.info: _litellm(
        id="litellm_get_team", summary="Get a team with its keys",
        query=queries.NamesTeam, answer=rows.TeamInfo, errors=(404,),
    ),
    teams.list_teams: _litellm(
        id="litellm_list_teams", summary="List teams with their keys",
        query=queries.LitellmTeams, answer=list[rows.TeamWithKeys],
    ),
    teams.list_page: _litellm(
        id="litellm_page_teams", summary="List teams, by the page",
        query=queries.LitellmTeamPage, answer=rows.TeamPage, errors=(400,),
    ),
    teams.list_available: _litellm(
        id="litellm_list_available_teams", summary="List the teams to join: none",
        answer=list[rows.TeamRow],
    ),
    teams.update: _litellm(
        id="litellm_change_team", summary="Change a team",
        body=bodies.TEAM_PATCH, answer=rows.UpdatedTeam, errors=(404, 409),
    ),
    teams.delete: _litellm(
        id="litellm_delete_teams", summary="Remove teams, and revoke their keys",
        body=bodies.NamedTeams, answer=rows.DeletedTeams, errors=(404, 409),
    ),
    teams.block: _litellm(
        id="litellm_block_team", summary="Refuse the calls of a team's keys",
        body=bodies.NamedTeam, answer=rows.TeamRow, errors=(404,),
    ),
    teams.unblock: _litellm(
        id="litellm_unblock_team", summary="Take the calls of a team's keys again",
        body=bodies.NamedTeam, answer=rows.TeamRow, errors=(404,),
    ),
    spend.logs: _litellm(
        id="litellm_list_spend", summary="List requests, or between two dates sums by day",
        access="call", query=queries.SpendLogs,
        answer=list[rows.SpendLog] | list[rows.SpendOfDay],
    ),
    spend.spend_of_keys: _litellm(
        id="litellm_spend_of_keys", summary="List keys, those that spent most first",
        access="call", answer=list[rows.KeyRow],
    ),
    spend.spend_of_tags: _litellm(
        id="litellm_spend_of_tags", summary="What was spent under each tag",
        query=queries.SpendOfDays, answer=list[rows.TagSpend],
    ),
    spend.total: _litellm(
        id="litellm_total_spend", summary="What was spent in the last 30 days, and today",
        answer=rows.TotalSpend,
    ),
    spend.total_by_day: _litellm(
        id="litellm_spend_by_day", summary="What was spent on each of these days",
        query=queries.SpendOfKey, answer=list[rows.DaySpend],
    ),
    spend.top_keys: _litellm(
        id="litellm_top_keys", summary="The keys that spent most in these days",
        query=queries.Top, answer=list[rows.KeySpend],
    ),
    spend.top_models: _litellm(
        id="litellm_top_models", summary="The models that most was spent on in these days",
        query=queries.Top, answer=list[rows.ModelSpend],
    ),
    spend.by_team: _litellm(
        id="litellm_spend_by_team", summary="What the teams spent on each of these days",
        answer=rows.TeamSpend,
    ),
    spend.by_tag: _litellm(
        id="litellm_spend_by_tag", summary="What was spent under each tag between two dates",
        query=queries.SpendOfTags, answer=rows.SpendPerTag, errors=(400,),
    ),
    spend.report: _litellm(
        id="litellm_report_spend", summary="What was spent between two dates, and by whom",
        query=queries.ReportsSpend, answer=list[rows.SpendReport], errors=(400,),
    ),
    calculate.calculate: _litellm(
        id="litellm_calculate_spend", summary="What a call would cost, or did",
        access="call", body=bodies.Calculation, answer=rows.Cost,
    ),
    health.check_models: Description(
        id="check_models", tag="health", summary="Call every model once, or those named",
        query=queries.TriesModels, answer=rows.Health, statuses=(200, 503), errors=(404,),
    ),
    health.liveness: _probe(
        id="is_alive", summary="Say that the process answers", answer=str,
    ),
    health.readiness: _probe(
        id="is_ready", summary="Say whether calls will be answered at once",
        answer=rows.Readiness, statuses=(200, 503),
    ),
    health.readiness_details: Description(
        id="is_ready_in_detail", tag="health", summary="Say so with versions",
        answer=rows.ReadinessDetails, statuses=(200, 503),
    ),
}  # fmt: skip
