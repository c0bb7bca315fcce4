"""Reports on runs as files: `/api/v1/gateway/evals/runs/{id}/report.html` and others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from gateway.evals.outcomes import report_on
from gateway.evals.reports.csv import csv_report
from gateway.evals.reports.json import json_text
from gateway.evals.reports.junit import junit_xml
from gateway.evals.reports.report import Report
from gateway.http.evals.queries import parameters
from gateway.http.requests import admin, services

# It holds what models said: nothing in it may run, load, or be sent anywhere.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def _file(
    made: Callable[[Report], str | bytes], name: str, media_type: str, **headers: str
) -> Callable[[Request], Awaitable[Response]]:
    """Answers with one kind of report, as a file of this name."""

    async def endpoint(request: Request) -> Response:
        admin(request)
        parameters(request, ())
        run_id = str(request.path_params["id"])
        report = await report_on(services(request).store.evals, run_id)
        # Large ones take seconds.
        content = await asyncio.to_thread(made, report)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = "inline" if media_type == "text/html" else "attachment"
        disposition = f'{shown}; filename="{name}"'
        return Response(
            content,
            headers=_HEADERS | given | {"content-disposition": disposition},
            media_type=media_type,
        )

    return endpoint


def _html(report: Report) -> str:
    # Its templates' library takes a start a tenth of a second.
    from gateway.evals.reports.html import html_page

    return html_page(report)


get_html = _file(_html, "report.html", "text/html", content_security_policy=_POLICY)
get_json = _file(json_text, "report.json", "application/json")
get_csv = _file(csv_report, "report.csv", "text/csv")
get_junit = _file(junit_xml, "junit.xml", "application/xml")
