"""The console: pages for whoever manages the gateway, under `/ui`.

`visits` has what each page is made with: the session, the form, the template. A module for each tab
has its pages. They do what the routes of the management API do, by the same specs and the same
store; none of them is in the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import NotFound
from gateway.http.console import (
    audit,
    evals,
    keys,
    models,
    playground,
    settings,
    signing_in,
    usage,
    usage_requests,
)
from gateway.http.console.assets import serve_asset
from gateway.http.console.visits import Handler, Visit, open_page, page


def routes() -> Iterator[Route]:
    yield Route(
        "/ui/static/{version}/{name}", serve_asset, methods=["GET"], include_in_schema=False
    )
    yield Route("/ui/playground/chat", playground.chat, methods=["POST"], include_in_schema=False)
    for path, method, handler in _OPEN:
        yield Route(path, open_page(handler), methods=[method], include_in_schema=False)
    for path, method, handler in _PAGES:
        yield Route(path, page(handler), methods=[method], include_in_schema=False)


async def _home(visit: Visit) -> Response:
    return visit.redirect("/ui/models")


async def _missing(_: Visit) -> Response:
    raise NotFound("There is no such page")


_OPEN: list[tuple[str, str, Handler]] = [
    ("/ui/sign-in", "GET", signing_in.ask),
    ("/ui/sign-in", "POST", signing_in.sign_in),
]
_PAGES: list[tuple[str, str, Handler]] = [
    ("/ui", "GET", _home),
    ("/ui/sign-out", "POST", signing_in.sign_out),
    ("/ui/models", "GET", models.show_all),
    ("/ui/models", "POST", models.add),
    ("/ui/models/new", "GET", models.ask_new),
    ("/ui/models/edit", "GET", models.ask_changes),
    ("/ui/models/edit", "POST", models.change),
    ("/ui/models/delete", "GET", models.ask_to_delete),
    ("/ui/models/delete", "POST", models.delete),
    ("/ui/models/test", "POST", models.test),
    ("/ui/keys", "GET", keys.show_all),
    ("/ui/keys", "POST", keys.issue),
    ("/ui/keys/new", "GET", keys.ask_new),
    ("/ui/keys/{id}", "GET", keys.show),
    ("/ui/keys/{id}/edit", "GET", keys.ask_changes),
    ("/ui/keys/{id}/edit", "POST", keys.change),
    ("/ui/keys/{id}/block", "POST", keys.set_blocked),
    ("/ui/keys/{id}/rotate", "GET", keys.ask_to_rotate),
    ("/ui/keys/{id}/rotate", "POST", keys.rotate),
    ("/ui/keys/{id}/revoke", "GET", keys.ask_to_revoke),
    ("/ui/keys/{id}/revoke", "POST", keys.revoke),
    ("/ui/usage", "GET", usage.show),
    ("/ui/usage.csv", "GET", usage.as_csv),
    ("/ui/usage/requests", "GET", usage_requests.show_all),
    ("/ui/usage/requests.csv", "GET", usage_requests.as_csv),
    ("/ui/usage/requests/{id}", "GET", usage_requests.show),
    ("/ui/usage/requests/{id}", "POST", usage_requests.read_transcript),
    ("/ui/playground", "GET", playground.show),
    *evals.PAGES,
    ("/ui/audit", "GET", audit.show_all),
    ("/ui/settings", "GET", settings.show_all),
    ("/ui/settings", "POST", settings.change),
    # Last: what is no page.
    ("/ui/{path:path}", "GET", _missing),
]
