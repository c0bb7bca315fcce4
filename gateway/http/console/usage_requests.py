"""Single requests in the Usage tab: a list to look through, and each with all that is known."""

from __future__ import annotations

from dataclasses import replace

import orjson
from starlette.responses import Response

from gateway.display import timestamp
from gateway.errors import InvalidField
from gateway.http.console.usage_query import REQUESTS, Query, names_of
from gateway.http.console.visits import Visit
from gateway.http.usage import request_views, requests_for
from gateway.records import OUTCOMES, LedgerRow
from gateway.usage import RequestView, UsageFilter

_PAGE = 50
_MOST_OFFERED = 200


async def show_all(visit: Visit) -> Response:
    """The requests that the URL asks for, newest first, by pages of `?after=`."""
    query = Query.of(visit, REQUESTS)
    views: list[RequestView] = []
    more, problem, since = False, None, None
    try:
        wanted, since = await _kept(visit, await query.wanted(visit))
        rows, more = await visit.services.store.usage.requests(
            wanted, _PAGE, query.given.get("after")
        )
        views = await request_views(visit.services.store.usage, rows)
    except InvalidField as error:
        problem = error.message
    return visit.render(
        "usage/requests.html",
        status=422 if problem else 200,
        query=query,
        chosen=query.chosen(await names_of(visit, query)),
        problem=problem,
        requests=views,
        more=more,
        since=since,
        outcomes=OUTCOMES,
        models=sorted(visit.services.registry.catalogue.groups)[:_MOST_OFFERED],
    )


async def as_csv(visit: Visit) -> Response:
    """What the API's list has, as a file."""
    return visit.answer(await requests_for(visit.request, visit.key, as_csv=True))


async def show(visit: Visit) -> Response:
    """One request, by the gateway's id of it. Raises NotFound."""
    request_id = visit.request.path_params["id"]
    row = await visit.services.store.usage.request(request_id)
    kept = await visit.services.store.transcripts.has(request_id)
    return await _one(visit, row, kept)


async def read_transcript(visit: Visit) -> Response:
    """The same with what was asked and answered. That it was read is in the audit log.

    Raises NotFound.
    """
    await visit.form()
    request_id = visit.request.path_params["id"]
    row = await visit.services.store.usage.request(request_id)
    found = await visit.services.store.transcripts.read(request_id, visit.actor)
    transcript = {"What was asked": _pretty(found.request)}
    if found.response is not None:
        transcript["What was answered"] = _pretty(found.response)
    return await _one(visit, row, True, transcript)


async def _one(
    visit: Visit, row: LedgerRow, kept: bool, transcript: dict[str, str] | None = None
) -> Response:
    [view] = await request_views(visit.services.store.usage, [row])
    return visit.render(
        "usage/request.html",
        row=row,
        view=view,
        kept=kept,
        transcript=transcript,
        keeping=visit.services.registry.settings.store_prompts_in_spend_logs,
        known=row.deployment_id in visit.services.registry.catalogue.deployments,
    )


async def _kept(visit: Visit, wanted: UsageFilter) -> tuple[UsageFilter, str | None]:
    """The filter with a start from when on requests are kept, and that time if it is a later one
    than was asked for."""
    if wanted.start is None:
        return wanted, None
    since = await visit.services.store.usage.kept_since(wanted.start)
    late = since > wanted.start and (wanted.end is None or since < wanted.end)
    return (replace(wanted, start=since), timestamp(since)) if late else (wanted, None)


def _pretty(text: str) -> str:
    return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
