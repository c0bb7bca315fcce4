"""What was spent, in LiteLLM's rows; where they are from is said in `spend`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.display import timestamp
from gateway.money import dollars
from gateway.periods import DAY
from gateway.records import Key, LedgerRow
from gateway.store.ledger import day_of
from gateway.usage import Dimension, Group, Names, Report, day_start

Json = dict[str, Any]

NO_TEAM = "Unassigned"

_CALL_TYPES = {
    "/chat/completions": "acompletion",
    "/completions": "atext_completion",
    "/embeddings": "aembedding",
    "/messages": "anthropic_messages",
    "/responses": "aresponses",
}


def token(keys: Mapping[str, Key], key_id: str) -> str:
    """The hash by which LiteLLM calls a key."""
    key = keys.get(key_id)
    return key.secret_hash if key else key_id


def key_name(key: Key) -> str:
    """`sk-...abcd`."""
    return key.hint.replace("…", "...")


def team_name(names: Names, team_id: str, none: str) -> str:
    """A team's name, its id if it is gone, or `none` where there is no team."""
    return names.teams.get(team_id, team_id) if team_id else none


def by_tag(report: Report) -> Iterator[tuple[str, Group]]:
    """The groups that have a tag, each with it."""
    return ((group.values[0], group) for group in report.groups if group.values[0])


def log_row(row: LedgerRow, key: Key | None, names: Names) -> Json:
    """One request."""
    ended_ms = row.started_ms + row.latency_ms
    first_ms = ended_ms if row.first_token_ms is None else row.started_ms + row.first_token_ms
    succeeded = row.outcome in ("complete", "cancelled")
    error = None if succeeded else {"error_code": str(row.status), "error_class": row.error}
    hashed = key.secret_hash if key else row.key_id
    return {
        "request_id": row.id,
        "litellm_call_id": row.id,
        "call_type": _CALL_TYPES.get(row.operation, row.operation),
        "api_key": hashed,
        "spend": dollars(row.cost or 0),
        "total_tokens": row.prompt_tokens + row.completion_tokens,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "startTime": _time(row.started_ms),
        "endTime": _time(ended_ms),
        "completionStartTime": _time(first_ms),
        "request_duration_ms": row.latency_ms,
        "model": row.served_model or row.model,
        "model_id": row.deployment_id or "",
        "model_group": row.model,
        "custom_llm_provider": row.provider or "",
        "api_base": "",
        "user": (key.user_id if key else None) or "",
        "metadata": {
            "user_api_key": hashed,
            "user_api_key_alias": key.label if key else None,
            "user_api_key_user_id": key.user_id if key else None,
            "user_api_key_team_id": row.team_id,
            "user_api_key_team_alias": names.teams.get(row.team_id or ""),
            "status": "success" if succeeded else "failure",
            "error_information": error,
            "x_request_id": row.request_id,
        },
        "cache_hit": str(row.cache_hit),
        "cache_key": "",
        "request_tags": list(row.tags),
        "team_id": row.team_id,
        "organization_id": None,
        "end_user": row.end_user or "",
        "requester_ip_address": None,
        "messages": {},
        "response": {},
        "proxy_server_request": {},
        "session_id": None,
        "status": "success" if succeeded else "failure",
        "mcp_namespaced_tool_name": None,
        "agent_id": None,
    }


def _time(ms: int) -> str:
    return timestamp(ms // 1000).replace("Z", f".{ms % 1000:03d}Z")


def summary(report: Report, keys: Mapping[str, Key], end: int) -> list[Json]:
    """A day's spend in all and by key, user and model; days after the last one are empty."""
    days: dict[str, Json] = {}
    costs: dict[str, dict[str, dict[str, int]]] = {}
    for group in report.groups:
        day, key_id, model = group.values
        key = keys.get(key_id)
        user = (key.user_id if key else None) or ""
        of_day = costs.setdefault(day, {"keys": {}, "users": {}, "models": {}})
        for kind, name in (("keys", token(keys, key_id)), ("users", user), ("models", model)):
            of_day[kind][name] = of_day[kind].get(name, 0) + group.sums.cost
    for day, of_day in costs.items():
        of_keys, users, models = (
            {name: dollars(cost) for name, cost in of_day[kind].items()}
            for kind in ("keys", "users", "models")
        )
        spend = dollars(sum(of_day["keys"].values()))
        days[day] = {**of_keys, "startTime": day, "spend": spend, "users": users, "models": models}
    if days:
        for midnight in range(day_start(max(days)) + DAY, end + 1, DAY):
            empty: Json = {"spend": 0, "users": {}, "models": {}}
            days[day_of(midnight)] = {"startTime": day_of(midnight), **empty}
    return list(days.values())


def by_key(report: Report, keys: Mapping[str, Key]) -> list[Json]:
    """Of each key, what it spent in all and by model."""
    found: dict[str, list[Group]] = {}
    for group in report.groups:
        found.setdefault(group.values[0], []).append(group)
    rows = [
        {"api_key": token(keys, key_id), **_tokens_and_cost(groups)}
        | {
            "model_details": [
                {"model": group.values[1], **_tokens_and_cost([group])} for group in groups
            ]
        }
        for key_id, groups in found.items()
    ]
    return sorted(rows, key=lambda row: -row["total_cost"])


def _tokens_and_cost(groups: Sequence[Group]) -> Json:
    return {
        "total_cost": dollars(sum(group.sums.cost for group in groups)),
        "total_input_tokens": sum(group.sums.prompt_tokens for group in groups),
        "total_output_tokens": sum(group.sums.completion_tokens for group in groups),
    }


def by_day(report: Report, within: str, keys: Mapping[str, Key], names: Names) -> list[Json]:
    """Of each day, what each team, customer or both (`within`) spent, by model and key."""
    days: dict[str, dict[tuple[str, ...], list[Group]]] = {}
    for group in report.groups:
        day, *owners, _, _ = group.values
        days.setdefault(day, {}).setdefault(tuple(owners), []).append(group)
    dimensions = report.group_by[1:-2]
    rows: list[Json] = []
    for day, of_day in days.items():
        owners_of_day = [
            _owner(dict(zip(dimensions, owners, strict=True)), names)
            | {
                "total_spend": dollars(sum(group.sums.cost for group in groups)),
                "metadata": [_model_and_key(group, keys) for group in groups],
            }
            for owners, groups in of_day.items()
        ]
        owners_of_day.sort(key=lambda row: -row["total_spend"])
        rows.append({"group_by_day": f"{day}T00:00:00+00:00", within: owners_of_day})
    return rows


def _owner(values: Mapping[Dimension, str], names: Names) -> Json:
    shown: Json = {}
    if "team" in values:
        shown["team_name"] = team_name(names, values["team"], f"{NO_TEAM} Team")
    if "end_user" in values:
        shown["customer"] = values["end_user"]
    return shown


def _model_and_key(group: Group, keys: Mapping[str, Key]) -> Json:
    model, key_id = group.values[-2:]
    return {
        "model": model,
        "api_key": token(keys, key_id),
        "spend": dollars(group.sums.cost),
        "total_tokens": group.sums.prompt_tokens + group.sums.completion_tokens,
    }
