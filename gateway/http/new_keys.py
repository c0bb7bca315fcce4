"""Keys that another process has made a moment ago."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import NotReady
from gateway.http.requests import LOOKED_FOR, Services, UnknownKey

log = logging.getLogger(__name__)


class NewKeys:
    """Has an unknown key looked for in the database before it is refused.

    Handlers look at the key first: nothing of the request is read by then, and nothing sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except UnknownKey:
            services: Services = scope["app"].state.services
            try:
                await services.registry.refresh_since(time.monotonic())
            except Exception as error:
                log.error("A key is not known, and the database cannot be read: %s", error)
                raise NotReady(
                    "The gateway cannot look for this key in its database just now; try again"
                ) from error
            scope["state"][LOOKED_FOR] = True
            await self._app(scope, receive, send)
