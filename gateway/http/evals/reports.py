"""Reports on runs as files: `/api/v1/gateway/evals/runs/{id}/report.html` and others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from gateway.evals.outcomes import report_on
from gateway.evals.reports.csv import csv_report
from gateway.evals.reports.json import json_text
from gateway.evals.reports.junit import junit_xml
from gateway.evals.reports.report import Report
from gateway.http.evals.queries import parameters
from gateway.http.requests import admin, services
from gateway.store.evals import Evals

# It holds what models said: nothing in it may run, load, or be sent anywhere.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def _html(report: Report) -> str:
    # Its templates' library takes a start a tenth of a second.
    from gateway.evals.reports.html import html_page

    return html_page(report)


_FILES: Mapping[str, tuple[Callable[[Report], str | bytes], str, Mapping[str, str]]] = {
    "report.html": (_html, "text/html", {"content-security-policy": _POLICY}),
    "report.json": (json_text, "application/json", {}),
    "report.csv": (csv_report, "text/csv", {}),
    "junit.xml": (junit_xml, "application/xml", {}),
}
FILES = tuple(_FILES)
"""The names that reports have as files."""


async def report_file(evals: Evals, run_id: str, name: str) -> Response:
    """The report on a run as the file of this name, of `FILES`. Raises NotFound."""
    made, media_type, headers = _FILES[name]
    report = await report_on(evals, run_id)
    # Large ones take seconds.
    content = await asyncio.to_thread(made, report)
    shown = "inline" if media_type == "text/html" else "attachment"
    disposition = {"content-disposition": f'{shown}; filename="{name}"'}
    return Response(content, headers={**_HEADERS, **headers, **disposition}, media_type=media_type)


def _endpoint(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        admin(request)
        parameters(request, ())
        run_id = str(request.path_params["id"])
        return await report_file(services(request).store.evals, run_id, name)

    return endpoint


get_html = _endpoint("report.html")
get_json = _endpoint("report.json")
get_csv = _endpoint("report.csv")
get_junit = _endpoint("junit.xml")
