"""The Audit tab: who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.responses import Response

from gateway.errors import InvalidField
from gateway.http.audit import FILTERS, audit_filter, position
from gateway.http.console.visits import Visit
from gateway.store.audit import AuditEntry

_PAGE = 50
_KINDS = ("key", "model", "settings", "team", "transcript")
# A thing of more fields than these is folded.
_FEW = 6


@dataclass(frozen=True, slots=True)
class Change:
    """One field of what was changed; None where there was nothing, or is nothing any more."""

    field: str
    before: str | None
    after: str | None


async def show_all(visit: Visit) -> Response:
    """The changes that the URL asks for, newest first, by pages of `?after=`."""
    items = visit.request.query_params.items()
    given = {
        name: value.strip()
        for name, value in items
        if name in (*FILTERS, "after") and value.strip()
    }
    entries: list[AuditEntry] = []
    more, problem = False, None
    try:
        entries, more = await visit.services.store.audit.page(
            _PAGE, position(given), audit_filter(given)
        )
    except InvalidField as error:
        problem = error.message
    filters = {name: given.get(name, "") for name in FILTERS}
    asked = {name: value for name, value in filters.items() if value}
    return visit.render(
        "audit.html",
        status=422 if problem else 200,
        entries=[
            (entry, changes(entry.before, entry.after), _page(visit, entry)) for entry in entries
        ],
        few=_FEW,
        older=_url(asked | {"after": str(entries[-1].position)}) if more else None,
        newest=_url(asked) if "after" in given else None,
        filters=filters,
        filtered=bool(asked),
        kinds=_KINDS,
        problem=problem,
    )


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    """Field by field; of something new or deleted, those that hold something."""
    old, new = before or {}, after or {}
    found = [Change(name, _text(old.get(name)), _text(new.get(name))) for name in {**old, **new}]
    return [each for each in found if each.before != each.after]


def _page(visit: Visit, entry: AuditEntry) -> str | None:
    """Where to look at what was changed, if there still is such a thing."""
    match entry.action.partition(".")[0]:
        case "key":
            return f"/ui/keys/{quote(entry.target_id, safe='')}"
        case "model" if entry.target_id in visit.services.registry.catalogue.deployments:
            return f"/ui/models/edit?{urlencode({'id': entry.target_id})}"
        case "settings":
            return "/ui/settings"
        case "transcript":
            return f"/ui/usage/requests/{quote(entry.target_id, safe='')}"
    return None


def _text(value: object) -> str | None:
    """
    >>> _text("gpt"), _text(5), _text(["a"]), _text({})
    ('gpt', '5', '["a"]', None)
    """
    if value is None or value in ({}, [], ""):
        return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _url(query: Mapping[str, str]) -> str:
    return f"/ui/audit?{urlencode(query)}" if query else "/ui/audit"
