"""Running evaluations: `/api/v1/gateway/evals/runs`."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast, get_args

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import InvalidField
from gateway.evals.comparison import compare_targets
from gateway.evals.outcomes import compared, loaded, report_on
from gateway.evals.records import ItemStatus
from gateway.evals.shown import head_view, listed, report_view
from gateway.evals.views import comparison_view, item_view
from gateway.http.evals.queries import one_of, parameters, position
from gateway.http.requests import actor, admin, json_response, page_limit, read_object, services
from gateway.money import MOST_DOLLARS, nano_dollars
from gateway.records import Key

_STATUSES: tuple[ItemStatus, ...] = get_args(ItemStatus)


async def start_run(request: Request) -> Response:
    """Begin a run, of a suite or of what the body says in full, and answer at once.

    Its calls are those of `key_id` or, without it, of the caller's key.
    """
    own = admin(request)
    body = await read_object(request)
    key = _key(request, body.pop("key_id", None), own)
    run = await services(request).runs.start(body, key, actor(request))
    return await _begun(request, run.id)


async def list_runs(request: Request) -> Response:
    """A page of runs, newest first: `?limit=` and `?after=` the last id before; `?suite=`."""
    admin(request)
    given = parameters(request, ("limit", "after", "suite"))
    found, more = await services(request).store.evals.runs.page(
        page_limit(request), given.get("after"), given.get("suite")
    )
    return json_response(listed(map(head_view, found), more))


async def get_run(request: Request) -> Response:
    """A run with what it has come to, complete or not."""
    admin(request)
    parameters(request, ())
    evals = services(request).store.evals
    head = await evals.runs.head(_named(request))
    return json_response(report_view(head, await report_on(evals, head.run.id)))


async def get_progress(request: Request) -> Response:
    """A run without its results: cheap, to be asked often."""
    admin(request)
    head = await services(request).store.evals.runs.head(_named(request))
    return json_response(head_view(head))


async def list_items(request: Request) -> Response:
    """A page of a run's items, in the order of its plan; `?status=` says which."""
    admin(request)
    given = parameters(request, ("limit", "after", "status"))
    status = one_of(given.get("status"), "status", _STATUSES)
    runs = services(request).store.evals.runs
    await runs.head(_named(request))  # raises NotFound
    found, more = await runs.items(
        _named(request),
        page_limit(request),
        position(given.get("after")),
        cast(ItemStatus | None, status),
    )
    views = ({**item_view(item), "position": place, "status": item.status} for place, item in found)
    return json_response(listed(views, more))


async def cancel_run(request: Request) -> Response:
    """End a run; what was done is kept. Once it has ended this changes nothing."""
    by = actor(request)
    return json_response(head_view(await services(request).runs.cancel(_named(request), by)))


async def resume_run(request: Request) -> Response:
    """Do what is left of a run; `{"max_cost": 5}` gives it another cap."""
    by = actor(request)
    body = await read_object(request, optional=True)
    unknown = sorted(set(body) - {"max_cost"})
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    await services(request).runs.resume(_named(request), _cap(body.get("max_cost")), by)
    return await _begun(request, _named(request))


async def rerun(request: Request) -> Response:
    """Begin a run of the same as an earlier one, as all that it is made of is by now."""
    own = admin(request)
    body = await read_object(request, optional=True)
    unknown = sorted(set(body) - {"name", "key_id"})
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    name = body.get("name")
    if not isinstance(name, str | None):
        raise InvalidField("name takes a text", param="name")
    key = _key(request, body.get("key_id"), own)
    run = await services(request).runs.rerun(_named(request), name, key, actor(request))
    return await _begun(request, run.id)


async def delete_run(request: Request) -> Response:
    """Remove a run that has ended, with all of its items."""
    by = actor(request)
    run_id = _named(request)
    await services(request).store.evals.runs.remove(run_id, by)
    return json_response({"id": run_id, "object": "evals.run", "deleted": True})


async def get_outdated(request: Request) -> Response:
    """What a run was made with that is another by now."""
    admin(request)
    changes = await services(request).runs.outdated(_named(request))
    view = {
        "object": "evals.outdated",
        "outdated": bool(changes),
        "changes": [asdict(change) for change in changes],
    }
    return json_response(view)


async def compare_run(request: Request) -> Response:
    """A run with an earlier one, case by case; with itself, one of its models with another:
    `?model=` and `?base_model=`."""
    admin(request)
    evals = services(request).store.evals
    run_id, base_id = _named(request), str(request.path_params["base"])
    given = parameters(request, ("model", "base_model"))
    if not given:
        return json_response(comparison_view(await compared(evals, run_id, base_id)))
    if run_id != base_id or len(given) != 2:
        raise InvalidField(
            "model and base_model compare two models of one run: give both, and the run as its "
            "own base",
            param="model",
        )
    evaluation = await loaded(evals, run_id)
    comparison = compare_targets(evaluation, given["model"], given["base_model"])
    return json_response(comparison_view(comparison))


def _key(request: Request, key_id: object, own: Key) -> Key:
    """The key for a run to call with. Raises InvalidField."""
    if key_id is None:
        return own
    if not isinstance(key_id, str):
        raise InvalidField("key_id takes the id of a key", param="key_id")
    return services(request).runs.key(key_id)


def _cap(given: object) -> int | None:
    """Nano-dollars. Raises InvalidField."""
    if given is None:
        return None
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not 0 < given <= MOST_DOLLARS:  # type: ignore[operator]
        raise InvalidField("max_cost takes dollars, more than 0", param="max_cost")
    return nano_dollars(given)  # type: ignore[arg-type]


async def _begun(request: Request, run_id: str) -> Response:
    head = await services(request).store.evals.runs.head(run_id)
    return json_response(head_view(head), 202)


def _named(request: Request) -> str:
    return str(request.path_params["id"])
