"""The settings that all processes share: `/api/v1/gateway/settings`."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.requests import actor, admin, json_response, read_object, services
from gateway.records import CallSettings
from gateway.specs import patched_settings


async def get_settings(request: Request) -> Response:
    admin(request)
    return _answer(await services(request).store.settings.get())


async def patch_settings(request: Request) -> Response:
    """Change the settings that the body names; null gives one its default."""
    by = actor(request)
    patch = await read_object(request)
    store = services(request).store.settings
    return _answer(await store.change(lambda old: patched_settings(old, patch), by))


def _answer(settings: CallSettings) -> Response:
    return json_response({"object": "settings", **asdict(settings)})
