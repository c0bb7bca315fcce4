"""Evaluators: forms to make, change, delete and try them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.errors import Conflict, GatewayError
from gateway.evals.records import Evaluator
from gateway.evals.specs import described_evaluator, evaluator_record
from gateway.http.console.evals.evaluator_types import type_hints
from gateway.http.console.fields import json_object, json_text, json_value
from gateway.http.console.visits import Visit
from gateway.http.evals.evaluators import tried
from gateway.http.requests import unless_gone
from gateway.store.evals import Evaluators

# Code of the operator's is run from the command line alone.
_NOT_HERE = "python"
_EMPTY: Mapping[str, str] = {"name": "", "type": "string_check", "params": ""}
_TRIAL: Mapping[str, str] = dict.fromkeys(("input", "expected", "output", "columns", "calls"), "")


async def show_all(visit: Visit) -> Response:
    """Every evaluator, by name."""
    return visit.render(
        "evals/evaluators.html",
        evaluators=[(each, json_text(each.params)) for each in await _store(visit).all()],
        deleted=visit.request.query_params.get("deleted"),
    )


async def show(visit: Visit) -> Response:
    """An evaluator, and a form to try it."""
    return await _shown(visit, await _evaluator(visit), _TRIAL)


async def ask_new(visit: Visit) -> Response:
    first = next(hint for hint in type_hints() if hint.name == _EMPTY["type"])
    return _form(visit, {**_EMPTY, "params": first.example})


async def add(visit: Visit) -> Response:
    form = {**_EMPTY, **await visit.form()}
    try:
        evaluator = evaluator_record(_description(form), int(time.time()))
        await _store(visit).add(evaluator, visit.actor)
    except GatewayError as error:
        return _form(visit, form, error)
    return visit.redirect(f"/ui/evals/evaluators/{evaluator.id}")


async def ask_changes(visit: Visit) -> Response:
    evaluator = await _evaluator(visit)
    form = {
        "name": evaluator.name,
        "type": evaluator.type,
        "params": json_text(evaluator.params),
    }
    return _form(visit, form, evaluator=evaluator)


async def change(visit: Visit) -> Response:
    form = {**_EMPTY, **await visit.form()}
    evaluator = await _evaluator(visit)
    try:
        description = _description(form)
        await _store(visit).change(
            evaluator.id,
            lambda old: described_evaluator(old, description, int(time.time())),
            visit.actor,
        )
    except GatewayError as error:
        return _form(visit, form, error, evaluator)
    return visit.redirect(f"/ui/evals/evaluators/{evaluator.id}")


async def ask_to_delete(visit: Visit) -> Response:
    evaluator = await _evaluator(visit)
    return visit.render("evals/evaluator_delete.html", evaluator=evaluator, problem=None)


async def delete(visit: Visit) -> Response:
    await visit.form()
    evaluator = await _evaluator(visit)
    try:
        await _store(visit).remove(evaluator.id, visit.actor)
    except Conflict as error:
        return visit.render(
            "evals/evaluator_delete.html",
            status=error.status,
            evaluator=evaluator,
            problem=error.message,
        )
    return visit.redirect(f"/ui/evals/evaluators?{urlencode({'deleted': evaluator.name})}")


async def try_out(visit: Visit) -> Response:
    """What it says of an answer; a judge is asked as the key that is signed in would ask it."""
    form = {**_TRIAL, **await visit.form()}
    evaluator = await _evaluator(visit)
    try:
        work = tried(visit.services.runs, evaluator, _trial(form), visit.key)
        score, spent = await unless_gone(visit.request.receive, work)
    except GatewayError as error:
        return await _shown(visit, evaluator, form, problem=error)
    return await _shown(visit, evaluator, form, {"score": score, "spent": spent})


def _trial(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as the API takes it. Raises InvalidField."""
    # Each case has an input, which most evaluators do not look at.
    row: dict[str, Any] = {"input": form["input"] or "–"}
    if form["expected"]:
        row["expected"] = form["expected"]
    calls = json_value(form["calls"], "calls") if form["calls"] else []
    return {
        "row": row | json_object(form["columns"], "columns"),
        "output": form["output"],
        "tool_calls": calls,
    }


async def _shown(
    visit: Visit,
    evaluator: Evaluator,
    form: Mapping[str, str],
    trial: Mapping[str, Any] | None = None,
    problem: GatewayError | None = None,
) -> Response:
    suites = [
        suite
        for suite in await visit.services.store.evals.suites.all()
        if evaluator.name in suite.evaluators
    ]
    return visit.render(
        "evals/trial.html" if visit.partial else "evals/evaluator.html",
        status=problem.status if problem else 200,
        evaluator=evaluator,
        params=json_text(evaluator.params),
        suites=suites,
        form=form,
        trial=trial,
        problem=problem.message if problem else None,
    )


def _description(form: Mapping[str, str]) -> dict[str, Any]:
    """Raises InvalidField."""
    params = json_object(form["params"], "params")
    return params | {"name": form["name"], "type": form["type"]}


def _form(
    visit: Visit,
    form: Mapping[str, str],
    error: GatewayError | None = None,
    evaluator: Evaluator | None = None,
) -> Response:
    problems = {}
    if error is not None:
        place = error.param if error.param in ("name", "type") else "params"
        problems[place] = error.message
    return visit.render(
        "evals/evaluator_form.html",
        status=error.status if error else 200,
        form=form,
        problems=problems,
        evaluator=evaluator,
        types=[hint for hint in type_hints() if hint.name in (form["type"], *_offered())],
    )


def _offered() -> tuple[str, ...]:
    return tuple(hint.name for hint in type_hints() if hint.name != _NOT_HERE)


async def _evaluator(visit: Visit) -> Evaluator:
    """Raises NotFound."""
    return await _store(visit).get(visit.request.path_params["id"])


def _store(visit: Visit) -> Evaluators:
    return visit.services.store.evals.evaluators
