"""Reviewing the usage: `GET /api/v1/gateway/usage`, and single requests below it.

An admin key sees all of it, a gateway key its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import InvalidField
from gateway.http.requests import caller, json_response, services
from gateway.records import OUTCOMES, Key, LedgerRow
from gateway.spreadsheets import csv_text
from gateway.store.usage import UsageStore
from gateway.usage import (
    DIMENSIONS,
    REQUEST_COLUMNS,
    Dimension,
    RequestView,
    UsageFilter,
    end_time,
    group_columns,
    report_view,
    request_view,
    start_time,
)

FILTERS = ("start", "end", "key", "team", "model", "provider", "tag", "deployment", "status",
            "outcome", "end_user", "request_id")  # fmt: skip
_OF_REPORTS = ("group_by", "percentiles", "limit", "format", *FILTERS)
_OF_REQUESTS = ("after", "limit", "format", *FILTERS)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_STATUS = re.compile(r"[1-5][0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_MOST = 10_000


async def report(request: Request) -> Response:
    """What requests add up to, `?group_by=day,model`: the groups that cost most, and the total.

    Filters are those of `UsageFilter`; `start` and `end` take what `start_time` and `end_time`
    take. `percentiles=true` adds those of latency and time to the first token.
    """
    return await report_for(request, caller(request))


async def report_for(request: Request, key: Key, as_csv: bool = False) -> Response:
    """The report that the query asks for, of what the key may see. Raises InvalidField."""
    given = _parameters(request, _OF_REPORTS)
    group_by = _group_by(request)
    wanted = usage_filter(given, key)
    limit = _limit(given, 1000)
    percentiles = _flag(given, "percentiles")
    as_csv = as_csv or _wants_csv(request, given)
    usage = services(request).store.usage
    found = await usage.report(wanted, group_by, limit, percentiles)
    view = report_view(found, await usage.names_in(found))
    if not as_csv:
        return json_response(view)
    columns = [*group_columns(group_by), *view["total"]]
    return _csv("usage.csv", columns, view["data"], view["has_more"])


async def list_requests(request: Request) -> Response:
    """A page of single requests, newest first: `?limit=`, and `?after=` the last id before."""
    return await requests_for(request, caller(request))


async def requests_for(request: Request, key: Key, as_csv: bool = False) -> Response:
    """The requests that the query asks for, of those that the key may see. Raises InvalidField."""
    given = _parameters(request, _OF_REQUESTS)
    wanted = usage_filter(given, key)
    limit = _limit(given, 100)
    as_csv = as_csv or _wants_csv(request, given)
    usage = services(request).store.usage
    rows, more = await usage.requests(wanted, limit, given.get("after"))
    views = await request_views(usage, rows)
    if as_csv:
        return _csv("requests.csv", REQUEST_COLUMNS, views, more)
    return json_response({"object": "list", "data": views, "has_more": more})


async def get_request(request: Request) -> Response:
    key = caller(request)
    _parameters(request, ())
    usage = services(request).store.usage
    row = await usage.request(request.path_params["id"], _own(key))
    [view] = await request_views(usage, [row])
    return json_response(view)


async def request_views(usage: UsageStore, rows: Sequence[LedgerRow]) -> list[RequestView]:
    """The requests as JSON, with what their keys and teams are called."""
    names = await usage.names((row.key_id for row in rows), (row.team_id for row in rows))
    return [request_view(row, names) for row in rows]


def _parameters(request: Request, known: Collection[str]) -> dict[str, str]:
    """What the query says, once each. Raises InvalidField."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            there_are = f"there are {', '.join(sorted(known))}" if known else "there are none here"
            raise InvalidField(f"{name}: no such parameter; {there_are}", param=name)
        if name in given and name != "group_by":
            raise InvalidField(f"{name} is given more than once", param=name)
        given[name] = value
    return given


def _group_by(request: Request) -> tuple[Dimension, ...]:
    given = request.query_params.getlist("group_by")
    names = [name.strip() for each in given for name in each.split(",") if name.strip()]
    for position, name in enumerate(names):
        if name not in DIMENSIONS:
            raise InvalidField(
                f"group_by takes {', '.join(DIMENSIONS)}, or several of them with commas between, "
                f"not {name!r}",
                param="group_by",
            )
        if name in names[:position]:
            raise InvalidField(f"group_by names {name} twice", param="group_by")
    return cast(tuple[Dimension, ...], tuple(names))


def usage_filter(given: Mapping[str, str], key: Key) -> UsageFilter:
    """The filter that a query's parameters stand for, of what the key may see.

    Raises InvalidField.
    """
    now = int(time.time())
    start, end, status, outcome = (
        given.get(name) for name in ("start", "end", "status", "outcome")
    )
    if status is not None and not _STATUS.fullmatch(status):
        raise InvalidField("status takes an HTTP status, such as 429", param="status")
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidField(f"outcome takes one of {', '.join(OUTCOMES)}", param="outcome")
    wanted_key, own = given.get("key"), _own(key)
    if own is not None and wanted_key not in (None, key.id):
        raise InvalidField(
            "key: a gateway key sees its own usage alone; leave the parameter out", param="key"
        )
    return UsageFilter(
        start=None if start is None else start_time("start", start, now),
        end=None if end is None else end_time("end", end, now),
        key_ids=own if wanted_key is None else (wanted_key,),
        team_id=given.get("team"),
        model=given.get("model"),
        provider=given.get("provider"),
        tag=given.get("tag"),
        deployment=given.get("deployment"),
        status=None if status is None else int(status),
        outcome=outcome,
        end_user=given.get("end_user"),
        request_id=given.get("request_id"),
    )


def _own(key: Key) -> tuple[str, ...] | None:
    return None if key.is_admin else (key.id,)


def _limit(given: Mapping[str, str], default: int) -> int:
    text = given.get("limit", str(default))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= _MOST:
        raise InvalidField(f"limit takes a whole number from 1 to {_MOST}", param="limit")
    return int(text)


def _flag(given: Mapping[str, str], name: str) -> bool:
    value = _FLAGS.get(given.get(name, "false").lower())
    if value is None:
        raise InvalidField(f"{name} takes true or false", param=name)
    return value


def _wants_csv(request: Request, given: Mapping[str, str]) -> bool:
    if "format" in given:
        if given["format"] not in ("json", "csv"):
            raise InvalidField("format takes json or csv", param="format")
        return given["format"] == "csv"
    accepted = request.headers.get("accept", "").lower().split(",")
    types = [each.partition(";")[0].strip() for each in accepted]
    return "text/csv" in types and "application/json" not in types


def _csv(
    name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], more: bool
) -> Response:
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        # The rows that follow are not in the file.
        "x-has-more": str(more).lower(),
    }
    return Response(csv_text(columns, rows), headers=headers, media_type="text/csv")
