"""A request to the console: who makes it, what its form holds, and the page that answers it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from gateway import __version__
from gateway.errors import GatewayError, InvalidRequest, NotAuthenticated, fault_within
from gateway.http.console import shown
from gateway.http.console.assets import asset_url
from gateway.http.console.sessions import Session, Sessions, begun, over_tls
from gateway.http.multipart import read_form
from gateway.http.requests import (
    DATABASE_FAILS,
    ClientGone,
    Services,
    address_of,
    database_fails,
    headers_of,
    read_body,
    services,
)
from gateway.records import Actor, Key

if TYPE_CHECKING:
    from jinja2 import Environment

log = logging.getLogger(__name__)

SIGN_IN = "/ui/sign-in"
TABS = (
    ("/ui/models", "Models"),
    ("/ui/keys", "Keys"),
    ("/ui/usage", "Usage"),
    ("/ui/playground", "Playground"),
    ("/ui/evals", "Evaluations"),
    ("/ui/audit", "Audit"),
    ("/ui/settings", "Settings"),
)
_MOST_FIELDS = 200
_HEADERS = {
    # Nothing from elsewhere, nothing inline, in nobody's frame.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

Handler = Callable[["Visit"], Awaitable[Response]]


class Visit:
    """Attributes:
    request: It.
    session: Its session, perhaps one that begins here.
    """

    def __init__(
        self, request: Request, sessions: Sessions, session: Session, key: Key | None
    ) -> None:
        self.request = request
        self.session = session
        self._sessions = sessions
        self._key = key

    @classmethod
    async def of(cls, request: Request) -> Visit:
        sessions = Sessions(request)
        return cls(request, sessions, *await sessions.read())

    @property
    def services(self) -> Services:
        return services(self.request)

    @property
    def signed_in(self) -> bool:
        return self._key is not None

    @property
    def key(self) -> Key:
        """The admin key that is signed in. Raises NotAuthenticated."""
        if self._key is None:
            raise NotAuthenticated("Sign in first")
        return self._key

    @property
    def actor(self) -> Actor:
        """For the audit log. Raises NotAuthenticated."""
        return Actor(self.key.id, self.key.label, address_of(self.request))

    @property
    def over_tls(self) -> bool:
        return over_tls(self.request)

    @property
    def api_url(self) -> str:
        """The gateway's address as the browser knows it, for clients."""
        base = str(self.request.base_url).rstrip("/")
        if self.over_tls:
            base = base.replace("http://", "https://", 1)
        return f"{base}/api/v1/gateway"

    @property
    def partial(self) -> bool:
        """Whether the answer becomes a part of the page that is there."""
        return headers_of(self.request).get("hx-request") == "true"

    async def form(self) -> dict[str, str]:
        """What the form holds, without blanks around; of fields with one name the last.

        Raises:
            InvalidRequest: It is none, or too long, or none of this session's.
            BodyTooLarge, TooSlow: See `read_body`.
        """
        return dict(await self.form_items())

    async def form_items(self) -> list[tuple[str, str]]:
        """As `form`, with all of the fields that have one name."""
        read = await read_body(self.request)
        try:
            items = parse_qsl(
                read.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
            )
        except ValueError:
            raise InvalidRequest("The form cannot be read; load the page again") from None
        given = next((value for name, value in items if name == "csrf"), "")
        self.check_token(given)
        return [(name, value.strip()) for name, value in items if name != "csrf"]

    async def upload(self) -> dict[str, Any]:
        """What a form with files holds: texts as they are, and files as `Upload`s.

        Raises as `form`.
        """
        form = await read_form(self.request)
        given = form.pop("csrf", None)
        self.check_token(given if isinstance(given, str) else "")
        return form

    def check_token(self, token: str) -> None:
        """Raises InvalidRequest where what is sent comes of another session, or another site."""
        site = headers_of(self.request).get("sec-fetch-site", "same-origin")
        if site != "same-origin" or not self._sessions.belongs(token, self.session):
            raise InvalidRequest(
                "This form is not of the session that is signed in now: load the page again, and "
                "send it once more"
            )

    def render(self, template: str, /, *, status: int = 200, **values: Any) -> Response:
        """A page, or a part of one."""
        path = self.request.scope["path"]
        said = {
            "csrf": self._sessions.token(self.session),
            "signed_in": self.signed_in,
            "who": (self._key.label or self._key.hint) if self._key else None,
            "tabs": [(url, name, path.startswith(url)) for url, name in TABS],
            "path": path,
        }
        html = _environment().get_template(template).render(said | values)
        # Half of a surrogate pair, which a provider's JSON may hold, is in no encoding.
        data = html.encode(errors="backslashreplace")
        return self._finished(Response(data, status, media_type="text/html; charset=utf-8"))

    def redirect(self, url: str) -> Response:
        """Go there, by GET."""
        if self.partial:
            return self._finished(Response(headers={"hx-redirect": url}))
        return self._finished(RedirectResponse(url, 303))

    def answer(self, response: Response) -> Response:
        """What is no page."""
        return self._finished(response)

    def begin(self, key: Key) -> None:
        """Go on as a new session, signed in with the key."""
        self.session, self._key = begun(key), key

    async def end(self) -> None:
        """Go on as a new session that is not signed in; the one so far is good no more."""
        await self._sessions.end(self.session)
        self.session, self._key = begun(), None

    def _finished(self, response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        self._sessions.write(response, self.session)
        return response


def page(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A page for whoever is signed in; others are sent to sign in, and come back."""

    async def signed_in(visit: Visit) -> Response:
        if visit.signed_in:
            visit.services.registry.check_age()
            return await handler(visit)
        url = SIGN_IN
        if visit.request.method == "GET" and not visit.partial:
            query = visit.request.scope["query_string"].decode("latin-1")
            asked = visit.request.scope["path"] + (f"?{query}" if query else "")
            url = f"{SIGN_IN}?next={quote(asked, safe='')}"
        return visit.redirect(url)

    return open_page(functools.wraps(handler)(signed_in))


def open_page(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A page for anybody. Errors are pages too."""

    async def answered(request: Request) -> Response:
        visit = await Visit.of(request)
        try:
            return await handler(visit)
        except (ClientGone, ClientDisconnect):
            raise
        except GatewayError as error:
            return failed(visit, error)
        except DATABASE_FAILS as error:
            return failed(visit, database_fails(error, request.state.request_id))
        except Exception:
            log.exception("Request %s failed", request.state.request_id)
            return failed(visit, fault_within(request.state.request_id))

    return functools.wraps(handler)(answered)


def failed(visit: Visit, error: GatewayError) -> Response:
    """The page, or the part of one, that tells of an error."""
    template = "parts/problem.html" if visit.partial else "error.html"
    response = visit.render(template, status=error.status, message=error.message, code=error.status)
    response.headers.update(error.headers or {})
    return response


@cache
def _environment() -> Environment:
    # Where nobody opens a page, a start need not wait for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # StrictUndefined: a name that no handler gives is a mistake and no blank.
    environment = Environment(
        loader=PackageLoader("gateway.http.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset_url, version=__version__)
    environment.filters.update(shown.FILTERS)
    return environment
