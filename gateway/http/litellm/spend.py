"""LiteLLM's routes for what was spent: `/spend/logs`, `/global/spend`, ….

Fields are LiteLLM 1.106's (proxy/spend_tracking/spend_management_endpoints.py, and the views of
proxy/db/create_views.py). What differs is meant so:

- A gateway key sees what it spent itself, and nothing else.
- A model is called by its registered name, and a request by the gateway's own id of it.
- Dates that cannot be read are refused; LiteLLM answers 500. One date alone counts; there it does
  not. As in LiteLLM, `/spend/logs` leaves out the day of `end_date`, the others have it.
- Amounts are not rounded, and the dates given to `/spend/tags` count.
- `/global/spend/report` needs no licence.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.auth import require_admin
from gateway.errors import InvalidField
from gateway.http.litellm import spend_rows
from gateway.http.litellm.errors import BadRequest, litellm_route
from gateway.http.litellm.keys import key_rows
from gateway.http.litellm.queries import flag, given, whole_number
from gateway.http.requests import admin, caller, services
from gateway.money import dollars
from gateway.periods import DAY
from gateway.records import Key
from gateway.store.keys import KeyFilter
from gateway.store.usage import UsageStore
from gateway.usage import Dimension, Report, UsageFilter, day_start
from gateway.vault import KEY_PREFIX, hash_key

Json = dict[str, Any]

_MOST_LOGS = 10_000
_MOST_GROUPS = 100_000
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


async def logs(request: Request) -> Response:
    """Single requests, the newest 10,000 at most; between two dates sums by day instead, unless
    `?summarize=false`."""
    own = caller(request)
    start, end = _day(request, "start_date"), _day(request, "end_date")
    wanted = UsageFilter(
        start=start,
        end=end,
        key_ids=await _key_ids(request, own),
        request_id=given(request, "request_id"),
    )
    in_days = start is not None and end is not None
    if in_days and (start or 0) >= (end or 0):
        return _json([])
    if in_days and ("summarize" not in request.query_params or flag(request, "summarize")):
        report = await _report(request, wanted, "day", "key", "model")
        keys = await _keys_in(request, report)
        return _json(spend_rows.summary(report, keys, end or 0), truncated=report.more)
    usage = _usage(request)
    try:
        rows, more = await usage.requests(wanted, _MOST_LOGS)
    except InvalidField as error:
        raise _in_litellms_terms(error) from None
    keys = await services(request).store.keys.by_ids({row.key_id for row in rows})
    names = await usage.names((), (row.team_id for row in rows))
    return _json(
        [spend_rows.log_row(row, keys.get(row.key_id), names) for row in rows], truncated=more
    )


async def spend_of_keys(request: Request) -> Response:
    """The rows of all keys, those that spent most first."""
    own = caller(request)
    found: Sequence[Key] = [own]
    if own.is_admin:
        wanted = KeyFilter(kind="gateway", revoked=False)
        found, _ = await services(request).store.keys.find(wanted)
    rows = await key_rows(request, found)
    return _json(sorted(rows, key=lambda row: -row["spend"]))


async def spend_of_tags(request: Request) -> Response:
    admin(request)
    start, end = _days(request, default_start=0)
    report = await _report(request, UsageFilter(start=start, end=end), "tag")
    return _json(
        [
            {
                "individual_request_tag": tag,
                "log_count": group.sums.requests,
                "total_spend": dollars(group.sums.cost),
            }
            for tag, group in spend_rows.by_tag(report)
        ],
        truncated=report.more,
    )


async def total(request: Request) -> Response:
    """What was spent in the last 30 days, and today."""
    admin(request)
    report = await _report(request, _last_days())
    # No budget spans all keys here, which is 0 in LiteLLM.
    return _json({"spend": dollars(report.total.sums.cost), "max_budget": 0.0})


async def total_by_day(request: Request) -> Response:
    """What was spent on each of the last 30 days, and today; `?api_key=` for that of one key."""
    own = admin(request)
    wanted = _last_days(key_ids=await _key_ids(request, own))
    report = await _report(request, wanted, "day")
    rows: list[Json] = [
        {"date": group.values[0], "spend": dollars(group.sums.cost)} for group in report.groups
    ]
    name = given(request, "api_key")
    if name is not None:
        rows = [row | {"api_key": _hash(name)} for row in rows]
    return _json(rows)


async def top_keys(request: Request) -> Response:
    admin(request)
    limit = whole_number(request, "limit", _MOST_GROUPS, _MOST_GROUPS)
    report = await _report(request, _last_days(), "key", limit=limit)
    keys = await _keys_in(request, report)
    return _json(
        [
            {
                "api_key": spend_rows.token(keys, group.values[0]),
                "key_alias": key.label if key else None,
                "key_name": spend_rows.key_name(key) if key else None,
                "total_spend": dollars(group.sums.cost),
            }
            for group in report.groups
            for key in [keys.get(group.values[0])]
        ]
    )


async def top_models(request: Request) -> Response:
    admin(request)
    limit = whole_number(request, "limit", 10, _MOST_GROUPS)
    # One more, for that of no model is none.
    report = await _report(request, _last_days(), "model", limit=limit + 1)
    rows = [
        {"model": group.values[0], "total_spend": dollars(group.sums.cost)}
        for group in report.groups
        if group.values[0]
    ]
    return _json(rows[:limit])


async def by_team(request: Request) -> Response:
    """What the teams spent on each of the last 30 days and today; the ten that spent most."""
    admin(request)
    report = await _report(request, _last_days(), "day", "team")
    names = await _usage(request).names_in(report)
    days: dict[str, Json] = {}
    totals: dict[str, int] = {}
    for group in report.groups:
        day, team_id = group.values
        name = spend_rows.team_name(names, team_id, spend_rows.NO_TEAM)
        days.setdefault(day, {"date": day})[name] = dollars(group.sums.cost)
        totals[name] = totals.get(name, 0) + group.sums.cost
    most = sorted(totals.items(), key=lambda each: -each[1])
    return _json(
        {
            "daily_spend": list(days.values()),
            "teams": list(totals),
            "total_spend_per_team": [
                {"team_id": name, "total_spend": dollars(cost)} for name, cost in most[:10]
            ],
        },
        truncated=report.more,
    )


async def by_tag(request: Request) -> Response:
    """What was spent under each tag between two dates, or under those of `?tags=a,b`."""
    admin(request)
    start, end = _days(request)
    names = (given(request, "tags") or "all-tags").split(",")
    report = await _report(request, UsageFilter(start=start, end=end), "tag")
    rows = [
        {"name": tag, "spend": dollars(group.sums.cost), "log_count": group.sums.requests}
        for tag, group in spend_rows.by_tag(report)
        if "all-tags" in names or tag in names
    ]
    return _json({"spend_per_tag": rows}, truncated=report.more)


async def report(request: Request) -> Response:
    """What was spent between two dates: by day and team or customer, or by key."""
    own = admin(request)
    start, end = _days(request)
    group_by = given(request, "group_by") or "team"
    if group_by not in ("team", "customer", "api_key"):
        raise InvalidField("group_by takes team, customer or api_key", param="group_by")
    team_id, customer = given(request, "team_id"), given(request, "customer_id")
    wanted = UsageFilter(
        start=start,
        end=end,
        key_ids=await _key_ids(request, own, user="internal_user_id"),
        team_id=team_id,
        end_user=customer,
    )
    if wanted.key_ids is not None or group_by == "api_key":
        found = await _report(request, wanted, "key", "model")
        keys = await _keys_in(request, found)
        return _json(spend_rows.by_key(found, keys), truncated=found.more)
    if team_id is not None and customer is not None:
        found = await _report(request, wanted, "day", "team", "end_user", "model", "key")
        within = "teams_customers"
    elif group_by == "customer":
        found = await _report(request, wanted, "day", "end_user", "model", "key")
        within = "customers"
    else:
        found = await _report(request, wanted, "day", "team", "model", "key")
        within = "teams"
    names = await _usage(request).names_in(found)
    keys = await _keys_in(request, found)
    return _json(spend_rows.by_day(found, within, keys, names), truncated=found.more)


# --- what was asked ---


def _day(request: Request, name: str) -> int | None:
    """Midnight in UTC of a date. Raises InvalidField."""
    text = given(request, name)
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            return max(0, day_start(text))
    except ValueError:
        pass
    raise InvalidField(f"{name} takes a date such as 2026-11-24", param=name)


def _days(request: Request, default_start: int | None = None) -> tuple[int, int | None]:
    """From the first date to the end of the second.

    Without a default, both must be given. Raises BadRequest, InvalidField.
    """
    start, end = _day(request, "start_date"), _day(request, "end_date")
    if default_start is None:
        for name, value in (("start_date", start), ("end_date", end)):
            if value is None:
                raise BadRequest("Please provide start_date and end_date", param=name)
    return (default_start or 0) if start is None else start, None if end is None else end + DAY


def _last_days(key_ids: Sequence[str] | None = None) -> UsageFilter:
    return UsageFilter(start=int(time.time()) // DAY * DAY - 30 * DAY, key_ids=key_ids)


async def _key_ids(request: Request, own: Key, user: str = "user_id") -> Sequence[str] | None:
    """The keys that `?api_key=`, itself or its hash, and the user's id leave; None for all.

    Raises AdminRequired where a gateway key asks for another.
    """
    store = services(request).store
    ids: set[str] | None = None
    name, user_id = given(request, "api_key"), given(request, user)
    if name is not None:
        key = await store.keys.by_secret(_hash(name))
        if not own.is_admin and (key is None or key.id != own.id):
            require_admin(own)
        ids = set() if key is None else {key.id}
    if not own.is_admin:
        ids = {own.id}
    if user_id is not None:
        found, _ = await store.keys.find(KeyFilter(user_id=user_id))
        theirs = {key.id for key in found}
        ids = theirs if ids is None else ids & theirs
    return None if ids is None else sorted(ids)


def _hash(name: str) -> str:
    return hash_key(name) if name.startswith(KEY_PREFIX) else name


def _usage(request: Request) -> UsageStore:
    return services(request).store.usage


async def _report(
    request: Request, wanted: UsageFilter, *group_by: Dimension, limit: int = _MOST_GROUPS
) -> Report:
    try:
        return await _usage(request).report(wanted, group_by, limit)
    except InvalidField as error:
        raise _in_litellms_terms(error) from None


def _in_litellms_terms(error: InvalidField) -> InvalidField:
    name = f"{error.param}_date"
    return InvalidField(f"{name}: {error.message}", param=name)


async def _keys_in(request: Request, report: Report) -> Mapping[str, Key]:
    """The keys that a report by key names."""
    position = report.group_by.index("key")
    named = {group.values[position] for group in report.groups}
    return await services(request).store.keys.by_ids(named)


def _json(body: list[Any] | Json, truncated: bool = False) -> Response:
    headers = {"x-litellm-spend-logs-truncated": "true"} if truncated else None
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")


ROUTES = [
    Route("/spend/logs", litellm_route(logs), methods=["GET"]),
    Route("/spend/keys", litellm_route(spend_of_keys), methods=["GET"]),
    # LiteLLM has it under /global alone; what asks for the sums by key and tag asks for this too.
    Route("/spend/models", litellm_route(top_models), methods=["GET"]),
    Route("/spend/tags", litellm_route(spend_of_tags), methods=["GET"]),
    Route("/global/spend", litellm_route(total), methods=["GET"]),
    Route("/global/spend/logs", litellm_route(total_by_day), methods=["GET"]),
    Route("/global/spend/keys", litellm_route(top_keys), methods=["GET"]),
    Route("/global/spend/models", litellm_route(top_models), methods=["GET"]),
    Route("/global/spend/teams", litellm_route(by_team), methods=["GET"]),
    Route("/global/spend/tags", litellm_route(by_tag), methods=["GET"]),
    Route("/global/spend/report", litellm_route(report), methods=["GET"]),
]
