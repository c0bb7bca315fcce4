"""Managing evaluators: `/api/v1/gateway/evals/evaluators`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import InvalidField
from gateway.evals.calls import Spent
from gateway.evals.datasets import cases_of
from gateway.evals.records import Evaluator, Item, Score
from gateway.evals.service import RunService
from gateway.evals.shown import evaluator_view, listed
from gateway.evals.specs import described_evaluator, evaluator_description, evaluator_record
from gateway.fields import merge_patch
from gateway.http.requests import actor, admin, json_response, read_object, services
from gateway.money import dollars
from gateway.records import Key
from gateway.specs.shared import check_patch
from gateway.store.evals import Evaluators

_TRIAL = {"row", "output", "tool_calls"}


async def add_evaluator(request: Request) -> Response:
    by = actor(request)
    evaluator = evaluator_record(await read_object(request), int(time.time()))
    await _store(request).add(evaluator, by)
    return json_response(evaluator_view(evaluator), 201)


async def list_evaluators(request: Request) -> Response:
    """Every evaluator, by name."""
    admin(request)
    return json_response(listed(map(evaluator_view, await _store(request).all())))


async def get_evaluator(request: Request) -> Response:
    admin(request)
    return json_response(evaluator_view(await _store(request).get(_named(request))))


async def patch_evaluator(request: Request) -> Response:
    """Change the fields that the body names; null gives one its default (RFC 7396)."""
    by = actor(request)
    patch = check_patch(await read_object(request))

    def changed(old: Evaluator) -> Evaluator:
        described = merge_patch(evaluator_description(old), patch)
        return described_evaluator(old, described, int(time.time()))

    return json_response(evaluator_view(await _store(request).change(_named(request), changed, by)))


async def delete_evaluator(request: Request) -> Response:
    """Remove an evaluator that no suite has. Runs keep what they were made with."""
    by = actor(request)
    gone = await _store(request).remove(_named(request), by)
    return json_response({"id": gone.id, "object": "evals.evaluator", "deleted": True})


async def try_evaluator(request: Request) -> Response:
    """Have an evaluator score an answer to a row, both given in the body.

    A judge is called as the caller's key would call it.
    """
    key = admin(request)
    evaluator = await _store(request).get(_named(request))
    body = await read_object(request)
    score, spent = await tried(services(request).runs, evaluator, body, key)
    view = {"object": "evals.score", **asdict(score)}
    return json_response({**view, "judge_tokens": spent.tokens, "judge_cost": dollars(spent.cost)})


async def tried(
    runs: RunService, evaluator: Evaluator, body: Mapping[str, Any], key: Key
) -> tuple[Score, Spent]:
    """What an evaluator says of the answer in the body, to the row there.

    Raises InvalidField, and what `RunService.try_out` raises.
    """
    unknown = sorted(set(body) - _TRIAL)
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    [case] = cases_of([body.get("row")], where="row")
    output, tool_calls = body.get("output", ""), body.get("tool_calls", [])
    if not isinstance(output, str):
        raise InvalidField("output takes a text", param="output")
    if not isinstance(tool_calls, list) or not all(isinstance(each, dict) for each in tool_calls):
        raise InvalidField("tool_calls takes a list of objects", param="tool_calls")
    item = Item("", "", case.id, 0, output=output, tool_calls=tuple(tool_calls))
    return await runs.try_out(evaluator, case, item, key)


def _store(request: Request) -> Evaluators:
    return services(request).store.evals.evaluators


def _named(request: Request) -> str:
    return str(request.path_params["id"])
