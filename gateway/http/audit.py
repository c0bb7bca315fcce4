"""Reading the audit log: `GET /api/v1/gateway/audit`. No route changes it."""

from __future__ import annotations

import re
import time

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import InvalidField
from gateway.http.requests import admin, json_response, page_limit, services
from gateway.store.audit import AuditFilter
from gateway.usage import end_time, start_time

_POSITION = re.compile(r"[0-9]{1,18}")
_FILTERS = ("target", "actor", "action", "since", "until")
_PARAMETERS = {"limit", "after", *_FILTERS}


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
    after = request.query_params.get("after")
    if after is not None and not _POSITION.fullmatch(after):
        raise InvalidField("after takes the id of a change", param="after")
    found, more = await services(request).store.audit.page(
        page_limit(request), int(after) if after else None, _wanted(request)
    )
    return json_response(
        {"object": "list", "data": [entry.view() for entry in found], "has_more": more}
    )


def _wanted(request: Request) -> AuditFilter:
    """Raises InvalidField."""
    target, actor, action, since, until = (
        request.query_params.get(name) or None for name in _FILTERS
    )
    now = int(time.time())
    return AuditFilter(
        target,
        actor,
        action,
        start_time("since", since, now) if since else None,
        end_time("until", until, now) if until else None,
    )
