"""Managing suites: `/api/v1/gateway/evals/suites`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import InvalidField, NotFound
from gateway.evals.records import Suite
from gateway.evals.shown import listed, suite_view
from gateway.evals.specs import described_suite, suite_description, suite_record
from gateway.fields import merge_patch
from gateway.http.requests import actor, admin, json_response, read_object, services
from gateway.specs.shared import check_patch
from gateway.store.evals import Evals, Suites


async def add_suite(request: Request) -> Response:
    by = actor(request)
    suite = suite_record(await read_object(request), int(time.time()))
    await check_suite(services(request).store.evals, suite)
    await _store(request).add(suite, by)
    return json_response(suite_view(suite), 201)


async def list_suites(request: Request) -> Response:
    """Every suite, by name."""
    admin(request)
    return json_response(listed(map(suite_view, await _store(request).all())))


async def get_suite(request: Request) -> Response:
    admin(request)
    return json_response(suite_view(await _store(request).get(_named(request))))


async def patch_suite(request: Request) -> Response:
    """Change the fields that the body names; null gives one its default (RFC 7396)."""
    by = actor(request)
    patch = check_patch(await read_object(request))

    def changed(old: Suite) -> Suite:
        return described_suite(old, merge_patch(suite_description(old), patch), int(time.time()))

    suite = changed(await _store(request).get(_named(request)))
    await check_suite(services(request).store.evals, suite)
    return json_response(suite_view(await _store(request).change(_named(request), changed, by)))


async def delete_suite(request: Request) -> Response:
    """Remove a suite; its runs stay."""
    by = actor(request)
    gone = await _store(request).remove(_named(request), by)
    return json_response({"id": gone.id, "object": "evals.suite", "deleted": True})


async def check_suite(evals: Evals, suite: Suite) -> None:
    """Raises InvalidField where the suite names what is not there."""
    try:
        await evals.datasets.head(suite.dataset)
        for name in suite.evaluators:
            await evals.evaluators.get(name)
        if suite.baseline is not None:
            await evals.runs.head(suite.baseline)
    except NotFound as error:
        raise InvalidField(error.message, param=error.param) from None


def _store(request: Request) -> Suites:
    return services(request).store.evals.suites


def _named(request: Request) -> str:
    return str(request.path_params["id"])
