"""Reading the audit log: `GET /api/v1/gateway/audit`. No route changes it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import InvalidField
from gateway.http.requests import admin, json_response, page_limit, services
from gateway.store.audit import AuditFilter
from gateway.usage import end_time, start_time

_POSITION = re.compile(r"[0-9]{1,18}")
FILTERS = ("target", "actor", "action", "since", "until")
_PARAMETERS = {"limit", "after", *FILTERS}


async def list_changes(request: Request) -> Response:
    """A page of changes, newest first: `?limit=` and `?after=` the last id of the page before.

    Filters are those of `AuditFilter`; `since` and `until` take what `start_time` and `end_time`
    take.
    """
    admin(request)
    for name in request.query_params:
        if name not in _PARAMETERS:
            there_are = ", ".join(sorted(_PARAMETERS))
            raise InvalidField(f"{name}: no such parameter; there are {there_are}", param=name)
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidField(f"{name} is given more than once", param=name)
    after = position(request.query_params)
    found, more = await services(request).store.audit.page(
        page_limit(request), after, audit_filter(request.query_params)
    )
    return json_response(
        {"object": "list", "data": [entry.view() for entry in found], "has_more": more}
    )


def position(given: Mapping[str, str]) -> int | None:
    """The change that the page begins after. Raises InvalidField."""
    after = given.get("after")
    if after is not None and not _POSITION.fullmatch(after):
        raise InvalidField("after takes the id of a change", param="after")
    return int(after) if after else None


def audit_filter(given: Mapping[str, str]) -> AuditFilter:
    """The filter that a query's parameters stand for. Raises InvalidField."""
    target, actor, action, since, until = (given.get(name) or None for name in FILTERS)
    now = int(time.time())
    return AuditFilter(
        target,
        actor,
        action,
        start_time("since", since, now) if since else None,
        end_time("until", until, now) if until else None,
    )
