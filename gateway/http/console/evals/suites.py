"""Suites: what they have, what their runs came to over time, and forms to change them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.errors import GatewayError, InvalidField, NotFound
from gateway.evals.records import Suite
from gateway.evals.specs import described_suite, suite_description, suite_record
from gateway.http.console.evals import suite_forms
from gateway.http.console.evals.history import history_of
from gateway.http.console.evals.outcomes import outcome_of
from gateway.http.console.evals.overview import suite_lines
from gateway.http.console.visits import Visit
from gateway.http.evals.suites import check_suite
from gateway.price_table import mode_of
from gateway.store.keys import KeyFilter

_HISTORY = 20
_MOST_TICKED = 60
_MOST_KEYS = 200
_RUN: Mapping[str, str] = dict.fromkeys(("name", "key_id", "max_cost"), "")
_CHATS = (None, "chat", "responses")


async def show_all(visit: Visit) -> Response:
    """Every suite, by name, with its last run."""
    evals = visit.services.store.evals
    lines = await suite_lines(evals, await evals.suites.all())
    return visit.render(
        "evals/suites.html", lines=lines, deleted=visit.request.query_params.get("deleted")
    )


async def show(visit: Visit) -> Response:
    """A suite, and what its newest runs came to."""
    return await _shown(visit, await _suite(visit))


async def start_run(visit: Visit) -> Response:
    """Begin a run of it. Its calls are those of `key_id` or else of the key that is signed in; it
    may have another `name` and another `max_cost`."""
    form = {**_RUN, **await visit.form()}
    suite = await _suite(visit)
    description: dict[str, Any] = {"suite": suite.name}
    runs = visit.services.runs
    try:
        if form["name"]:
            description["name"] = form["name"]
        if form["max_cost"]:
            description["max_cost"] = suite_forms.number(form["max_cost"], "max_cost")
        key = runs.key(form["key_id"]) if form["key_id"] else visit.key
        run = await runs.start(description, key, visit.actor)
    except (InvalidField, NotFound) as error:
        return await _shown(visit, suite, error, form)
    return visit.redirect(f"/ui/evals/runs/{run.id}")


async def ask_new(visit: Visit) -> Response:
    evals = visit.services.store.evals
    datasets, evaluators = await evals.datasets.all(), await evals.evaluators.all()
    # Where there is but one of a kind, it is meant.
    form = {
        **suite_forms.EMPTY,
        "dataset": visit.request.query_params.get("dataset", ""),
        "models": names if len(names := model_names(visit)) == 1 else [],
        "evaluators": [each.name for each in evaluators] if len(evaluators) == 1 else [],
    }
    if len(datasets) == 1:
        form["dataset"] = datasets[0].name
    return await _form(visit, form)


async def add(visit: Visit) -> Response:
    form = suite_forms.sent(await visit.form_items())
    evals = visit.services.store.evals
    try:
        suite = suite_record(suite_forms.description(form), int(time.time()))
        await check_suite(evals, suite)
        await evals.suites.add(suite, visit.actor)
    except GatewayError as error:
        return await _form(visit, form, error)
    return visit.redirect(f"/ui/evals/suites/{suite.id}")


async def ask_changes(visit: Visit) -> Response:
    suite = await _suite(visit)
    return await _form(visit, suite_forms.form_of(suite, model_names(visit)), suite=suite)


async def change(visit: Visit) -> Response:
    form = suite_forms.sent(await visit.form_items())
    suite = await _suite(visit)
    evals = visit.services.store.evals
    try:
        description = suite_forms.description(form)
        now = int(time.time())
        await check_suite(evals, described_suite(suite, description, now))
        await evals.suites.change(
            suite.id, lambda old: described_suite(old, description, now), visit.actor
        )
    except GatewayError as error:
        return await _form(visit, form, error, suite)
    return visit.redirect(f"/ui/evals/suites/{suite.id}")


async def ask_to_delete(visit: Visit) -> Response:
    return visit.render("evals/suite_delete.html", suite=await _suite(visit))


async def delete(visit: Visit) -> Response:
    await visit.form()
    gone = await visit.services.store.evals.suites.remove((await _suite(visit)).id, visit.actor)
    return visit.redirect(f"/ui/evals/suites?{urlencode({'deleted': gone.name})}")


def model_names(visit: Visit) -> list[str]:
    """The models that can be asked, as far as they can be ticked."""
    groups = visit.services.registry.catalogue.groups
    return [
        name
        for name, group in sorted(groups.items())
        if "*" not in name and mode_of(group.deployments[0]) in _CHATS
    ][:_MOST_TICKED]


async def _shown(
    visit: Visit,
    suite: Suite,
    error: GatewayError | None = None,
    form: Mapping[str, str] = _RUN,
) -> Response:
    evals = visit.services.store.evals
    heads, more = await evals.runs.page(_HISTORY, suite=suite.name)
    lines = [(head, await outcome_of(evals, head, suite.baseline)) for head in heads]
    callers = KeyFilter.in_state("active", kind="gateway")
    keys, _ = await visit.services.store.keys.find(callers, _MOST_KEYS)
    return visit.render(
        "evals/suite.html",
        status=error.status if error else 200,
        problem=error.message if error else None,
        suite=suite,
        description=suite_description(suite),
        lines=lines,
        more=more,
        history=history_of(lines, suite.gate.pass_rate if suite.gate else None),
        dataset=await _dataset_id(visit, suite),
        form=form,
        keys=[(key.id, key.label or key.hint) for key in keys],
    )


async def _dataset_id(visit: Visit, suite: Suite) -> str | None:
    try:
        return (await visit.services.store.evals.datasets.head(suite.dataset)).id
    except NotFound:
        return None


async def _form(
    visit: Visit,
    form: dict[str, Any],
    error: GatewayError | None = None,
    suite: Suite | None = None,
) -> Response:
    evals = visit.services.store.evals
    problems = {suite_forms.place(error.param): error.message} if error else {}
    heads, _ = await evals.runs.page(_HISTORY, suite=suite.name) if suite else ([], 0)
    return visit.render(
        "evals/suite_form.html",
        status=error.status if error else 200,
        form=form,
        suite=suite,
        problems=problems,
        names=[(name, "") for name in model_names(visit)],
        datasets=[(each.name, each.name) for each in await evals.datasets.all()],
        evaluators=[(each.name, each.type) for each in await evals.evaluators.all()],
        runs=[head.run for head in heads],
        # Where something in there is set or wrong, it must be seen.
        further=bool(problems.keys() & {"messages", "params", "repeat", "concurrency", "max_cost"})
        or any(form[name] for name in ("messages", "params", "max_cost"))
        or (str(form["repeat"]), str(form["concurrency"])) != ("1", "4"),
    )


async def _suite(visit: Visit) -> Suite:
    """Raises NotFound."""
    return await visit.services.store.evals.suites.get(visit.request.path_params["id"])
