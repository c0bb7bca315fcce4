"""Evaluations as OpenAI's API has them: `/v1/evals`, for its clients."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.errors import InvalidField, InvalidRequest, NotFound
from gateway.evals import openai_wire
from gateway.evals.openai_wire import dataset_of, evaluators_of, suite_of
from gateway.evals.outcomes import loaded
from gateway.evals.records import ItemStatus, OpenAIEval
from gateway.http.evals.queries import parameters
from gateway.http.requests import actor, admin, json_response, read_object, services
from gateway.specs import new_id

_MOST = 100
_LISTED = ("after", "limit", "order", "order_by")
_STATUSES: Mapping[str, ItemStatus] = {"pass": "passed", "fail": "failed", "error": "error"}

Json = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]


def routes(prefix: str) -> Iterator[BaseRoute]:
    """All of them, below `prefix`."""
    one = f"{prefix}/evals/{{eval_id}}"
    runs = f"{one}/runs"
    run = f"{runs}/{{run_id}}"
    yield Route(f"{prefix}/evals", list_evals, methods=["GET"])
    yield Route(f"{prefix}/evals", create_eval, methods=["POST"])
    yield Route(one, get_eval, methods=["GET"])
    yield Route(one, update_eval, methods=["POST"])
    yield Route(one, delete_eval, methods=["DELETE"])
    yield Route(runs, list_runs, methods=["GET"])
    yield Route(runs, create_run, methods=["POST"])
    yield Route(run, get_run, methods=["GET"])
    yield Route(run, cancel_run, methods=["POST"])
    yield Route(run, delete_run, methods=["DELETE"])
    yield Route(f"{run}/output_items", list_output_items, methods=["GET"])
    yield Route(f"{run}/output_items/{{item_id}}", get_output_item, methods=["GET"])


def _of_openai(endpoint: Endpoint) -> Endpoint:
    """What is wrong with a field is a bad request in this API."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except InvalidField as error:
            raise InvalidRequest(error.message, param=error.param) from None

    return answered


@_of_openai
async def create_eval(request: Request) -> Response:
    by = actor(request)
    body = await read_object(request)
    _known(body, ("name", "metadata", "data_source_config", "testing_criteria"))
    now = int(time.time())
    evaluators_of(body.get("testing_criteria"), now)
    config = body.get("data_source_config")
    if not isinstance(config, dict) or config.get("type") != "custom":
        raise InvalidRequest(
            "data_source_config.type takes custom: there are no logs to take rows from.",
            param="data_source_config.type",
        )
    kept = {
        "data_source_config": config,
        "testing_criteria": body["testing_criteria"],
        "metadata": _metadata(body),
    }
    made = OpenAIEval(new_id("eval"), _name(body, "Evaluation"), kept, now)
    await services(request).store.evals.openai.add(made, by)
    return json_response(openai_wire.eval_view(made), 201)


@_of_openai
async def list_evals(request: Request) -> Response:
    admin(request)
    found = await services(request).store.evals.openai.all()
    return json_response(_page(request, [openai_wire.eval_view(each) for each in found]))


async def get_eval(request: Request) -> Response:
    admin(request)
    return json_response(openai_wire.eval_view(await _eval(request)))


@_of_openai
async def update_eval(request: Request) -> Response:
    """Give it another name, or other metadata."""
    by = actor(request)
    body = await read_object(request)
    _known(body, ("name", "metadata"))

    def changed(old: OpenAIEval) -> OpenAIEval:
        metadata = _metadata(body) if "metadata" in body else old.body["metadata"]
        kept = {**old.body, "metadata": metadata}
        return dataclasses.replace(old, name=_name(body, old.name), body=kept)

    evals = services(request).store.evals.openai
    return json_response(
        openai_wire.eval_view(await evals.change(request.path_params["eval_id"], changed, by))
    )


async def delete_eval(request: Request) -> Response:
    """Remove it; its runs stay among those of the gateway's own API."""
    by = actor(request)
    eval_id = request.path_params["eval_id"]
    await services(request).store.evals.openai.remove(eval_id, by)
    return json_response({"object": "eval.deleted", "deleted": True, "eval_id": eval_id})


@_of_openai
async def create_run(request: Request) -> Response:
    """Begin a run of an evaluation's graders; its calls are those of the caller's key."""
    key = admin(request)
    made = await _eval(request)
    body = await read_object(request)
    _known(body, ("name", "metadata", "data_source"))
    source = body.get("data_source")
    if not isinstance(source, dict):
        raise InvalidRequest("data_source takes an object.", param="data_source")
    now = int(time.time())
    evaluators = evaluators_of(made.body["testing_criteria"], now)
    dataset = dataset_of(source, now)
    suite = suite_of(_name(body, made.name), source, dataset, now)
    run = await services(request).runs.start_made(suite, dataset, evaluators, key, actor(request))
    words = {"data_source": source, "metadata": _metadata(body)}
    await services(request).store.evals.openai.add_run(made.id, run.id, words)
    return json_response(await _run_view(request, made.id, run.id, words), 201)


@_of_openai
async def list_runs(request: Request) -> Response:
    admin(request)
    made = await _eval(request)
    status = request.query_params.get("status")
    evals = services(request).store.evals
    words = await evals.openai.runs(made.id)
    chosen = []
    for run_id in words:
        # One that is not there was removed by way of the gateway's own API.
        with contextlib.suppress(NotFound):
            run = (await evals.runs.head(run_id)).run
            if status in (None, openai_wire.STATUSES[run.status]):
                chosen.append({"id": run_id})
    page = _page(request, chosen, ("status",))
    page["data"] = [
        await _run_view(request, made.id, each["id"], words[each["id"]]) for each in page["data"]
    ]
    return json_response(page)


async def get_run(request: Request) -> Response:
    admin(request)
    return await _shown(request)


async def cancel_run(request: Request) -> Response:
    """End a run; what was done is kept."""
    by = actor(request)
    await _words(request)
    await services(request).runs.cancel(request.path_params["run_id"], by)
    return await _shown(request)


async def delete_run(request: Request) -> Response:
    by = actor(request)
    await _words(request)
    run_id = request.path_params["run_id"]
    await services(request).store.evals.runs.remove(run_id, by)
    return json_response({"object": "eval.run.deleted", "deleted": True, "run_id": run_id})


@_of_openai
async def list_output_items(request: Request) -> Response:
    """Answers, in the order of the rows; `?status=fail` or `pass` says which."""
    admin(request)
    status = request.query_params.get("status")
    if status is not None and status not in _STATUSES:
        raise InvalidRequest(f"status takes {', '.join(_STATUSES)}.", param="status")
    views = await _items(request)
    chosen = [view for view in views if status in (None, view["status"])]
    return json_response(_page(request, chosen, ("status",)))


async def get_output_item(request: Request) -> Response:
    admin(request)
    wanted = request.path_params["item_id"]
    for view in await _items(request):
        if view["id"] == wanted:
            return json_response(view)
    raise NotFound(f"No output item has the id {wanted!r}", param="output_item_id")


async def _eval(request: Request) -> OpenAIEval:
    """Raises NotFound."""
    return await services(request).store.evals.openai.get(request.path_params["eval_id"])


async def _words(request: Request) -> Mapping[str, Any]:
    """In which a run was asked for. Raises NotFound where it is none of the evaluation's."""
    made = await _eval(request)
    run_id = request.path_params["run_id"]
    runs = await services(request).store.evals.openai.runs(made.id)
    if run_id not in runs:
        raise NotFound(f"No run of {made.id!r} has the id {run_id!r}", param="run_id")
    return runs[run_id]


async def _shown(request: Request) -> Response:
    words = await _words(request)
    names = request.path_params
    return json_response(await _run_view(request, names["eval_id"], names["run_id"], words))


async def _run_view(request: Request, eval_id: str, run_id: str, words: Mapping[str, Any]) -> Json:
    """Raises NotFound."""
    evals = services(request).store.evals
    head = await evals.runs.head(run_id)
    items = await evals.runs.all_items(run_id)
    # Without a host: a client's Host header is not to be trusted.
    report = f"/api/v1/gateway/evals/runs/{run_id}/report.html"
    return openai_wire.run_view(eval_id, head.run, items, words, report)


async def _items(request: Request) -> list[Json]:
    words = await _words(request)
    run_id = request.path_params["run_id"]
    evaluation = await loaded(services(request).store.evals, run_id)
    run = evaluation.run
    cases = {case.id: (index, case) for index, case in enumerate(run.dataset.cases)}
    views = []
    for item in evaluation.items:
        # A run of OpenAI's has one model and no repeats.
        index, case = cases[item.case_id]
        eval_id = request.path_params["eval_id"]
        views.append(openai_wire.item_view(eval_id, run, index, case, item, words))
    return views


def _page(request: Request, views: Sequence[Json], more: Sequence[str] = ()) -> Json:
    """A page of what is there, oldest first. Raises InvalidField, InvalidRequest."""
    given = parameters(request, (*_LISTED, *more))
    limit = given.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit[:4]) <= _MOST:
        raise InvalidRequest(f"limit takes a whole number from 1 to {_MOST}.", param="limit")
    order = given.get("order", "asc")
    if order not in ("asc", "desc"):
        raise InvalidRequest("order takes asc or desc.", param="order")
    ordered = list(views) if order == "asc" else list(reversed(views))
    ids = [view["id"] for view in ordered]
    after = given.get("after")
    if after is not None and after not in ids:
        raise InvalidRequest(f"after: there is no {after!r} in this list.", param="after")
    begin = 0 if after is None else ids.index(after) + 1
    page = ordered[begin : begin + int(limit)]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": begin + len(page) < len(ordered),
    }


def _known(body: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raises InvalidRequest."""
    for name in body:
        if name not in names:
            raise InvalidRequest(
                f"Unrecognized request argument supplied: {name}.",
                param=name,
                code="unknown_parameter",
            )


def _name(body: Mapping[str, Any], default: str) -> str:
    name = body.get("name")
    if name is None:
        return default
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 256:
        raise InvalidRequest("name takes a text of up to 256 characters.", param="name")
    return name.strip()


def _metadata(body: Mapping[str, Any]) -> dict[str, str]:
    given = body.get("metadata")
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise InvalidRequest("metadata takes names with texts.", param="metadata")
    return given
