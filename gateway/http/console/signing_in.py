"""Signing in with an admin key, and out."""

from __future__ import annotations

from starlette.responses import Response

from gateway.errors import NotAuthenticated, RateLimited
from gateway.http.console.visits import Visit
from gateway.http.requests import admin_by_secret

_HOME = "/ui/models"


async def ask(visit: Visit) -> Response:
    target = _inside(visit.request.query_params.get("next"))
    if visit.signed_in:
        return visit.redirect(target)
    return visit.render("sign_in.html", next=target, problem=None)


async def sign_in(visit: Visit) -> Response:
    form = await visit.form()
    target = _inside(form.get("next"))
    try:
        key = await admin_by_secret(visit.request, form.get("key", ""))
    except (NotAuthenticated, RateLimited) as error:
        answer = visit.render(
            "sign_in.html", status=error.status, next=target, problem=error.message
        )
        answer.headers.update(error.headers)
        return answer
    visit.begin(key)
    return visit.redirect(target)


async def sign_out(visit: Visit) -> Response:
    await visit.form()
    await visit.end()
    return visit.redirect("/ui/sign-in")


def _inside(url: str | None) -> str:
    """A page of the console to go on to: no link may lead elsewhere through here."""
    if url and url.startswith("/ui/") and "\\" not in url and "//" not in url and url.isprintable():
        return url
    return _HOME
