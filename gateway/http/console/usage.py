"""The Usage tab: what requests added up to, over time and by what they were of."""

from __future__ import annotations

from starlette.responses import Response

from gateway.errors import InvalidField
from gateway.http.console.snippets import curl
from gateway.http.console.usage_figures import BREAKDOWNS, Breakdown, Figures, breakdown, figures
from gateway.http.console.usage_query import DEFAULT_SPAN, OVERVIEW, Query, names_of
from gateway.http.console.visits import Visit
from gateway.http.usage import report_for
from gateway.usage import UsageFilter


async def show(visit: Visit) -> Response:
    """Figures over time and by `?by=`, for the span and the requests that the URL asks for."""
    query = Query.of(visit, OVERVIEW, DEFAULT_SPAN)
    usage = visit.services.store.usage
    by = query.given.get("by", "model")
    shown: Figures | None = None
    lines = Breakdown([], False, None)
    problem = None
    try:
        if by not in BREAKDOWNS:
            raise InvalidField(f"by takes one of {', '.join(BREAKDOWNS)}", param="by")
        wanted = await query.wanted(visit)
        shown = await figures(usage, wanted)
        lines = await breakdown(usage, wanted, by)
    except InvalidField as error:
        problem = error.message
    ever = shown is not None and (shown.total["requests"] > 0 or await _used(visit))
    return visit.render(
        "usage/overview.html",
        status=422 if problem else 200,
        query=query,
        chosen=query.chosen(await names_of(visit, query)),
        problem=problem,
        figures=shown,
        breakdown=lines,
        by=by,
        breakdowns=BREAKDOWNS,
        deployments=visit.services.registry.catalogue.deployments,
        ever=ever,
        snippet=None if ever else _snippet(visit),
    )


async def as_csv(visit: Visit) -> Response:
    """What the API's report has, as a file."""
    return visit.answer(await report_for(visit.request, visit.key, as_csv=True))


async def _used(visit: Visit) -> bool:
    """Whether there was a request at any time."""
    report = await visit.services.store.usage.report(UsageFilter(start=0), (), 1)
    return report.total.sums.requests > 0


def _snippet(visit: Visit) -> str:
    names = sorted(name for name in visit.services.registry.catalogue.groups if "*" not in name)
    return curl(visit.api_url, "sk-…", names[0] if names else "gpt-4o")
