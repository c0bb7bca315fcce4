"""Keys that another process has made a moment ago."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.requests import LOOKED_FOR, Services, UnknownKey


class NewKeys:
    """Has an unknown key looked for in the database before it is refused: with NotReady where that
    cannot be read, since the key may be good.

    Handlers look at the key first: nothing of the request is read by then, and nothing sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except UnknownKey:
            services: Services = scope["app"].state.services
            await services.registry.refresh_since(time.monotonic())
            scope["state"][LOOKED_FOR] = True
            await self._app(scope, receive, send)
