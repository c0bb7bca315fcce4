"""The Models tab: what is registered, how it does, and forms to change it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.errors import GatewayError, InvalidField, NotFound
from gateway.http.console import model_forms
from gateway.http.console.model_forms import Form
from gateway.http.console.provider_hints import provider_hints
from gateway.http.console.visits import Visit
from gateway.http.requests import unless_gone
from gateway.http.trials import cli_name, trial_of
from gateway.periods import DAY
from gateway.records import Model
from gateway.specs import model_spec, patched
from gateway.trial import NotTried, problem, remedy, said
from gateway.usage import Sums, UsageFilter

Health = Literal["healthy", "some errors", "failing", "cooling down", "no calls"]

_MOST_SHOWN = 200
_FAILING = 0.5
_TRIAL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One deployment in the list, with what came of its calls in the last 24 hours."""

    model: Model
    health: Health
    requests: int
    errors: int
    deployments: int
    """How many share its name."""


async def show_all(visit: Visit) -> Response:
    """The list, or with `?q=` those whose name, provider or address holds the text."""
    sought = visit.request.query_params.get("q", "").strip()
    catalogue = visit.services.registry.catalogue
    models = sorted(catalogue.deployments.values(), key=lambda model: (model.name, model.id))
    found = [model for model in models if _holds(model, sought.lower())]
    usage = await _last_day(visit)
    cooling = visit.services.deployments.cooling()
    counts = {name: len(group.deployments) for name, group in catalogue.groups.items()}
    lines = [
        _line(model, usage.get(model.id), cooling, counts.get(model.name, 1))
        for model in found[:_MOST_SHOWN]
    ]
    template = "models/lines.html" if visit.partial else "models/list.html"
    return visit.render(
        template, lines=lines, found=len(found), total=len(models), q=sought,
        notice=_notice(visit),
    )  # fmt: skip


async def ask_new(visit: Visit) -> Response:
    return _form(visit, model_forms.EMPTY)


async def add(visit: Visit) -> Response:
    form = model_forms.EMPTY | await visit.form()
    try:
        model = model_spec(model_forms.description(form)).record(None, None, int(time.time()))
        count = await visit.services.store.models.add(model, visit.actor)
    except InvalidField as error:
        return _form(visit, form, error)
    except GatewayError as error:
        return _form(visit, form, InvalidField(error.message, param="model_name"))
    done = "added" if count == 1 else "deployment"
    return visit.redirect(f"/ui/models?{urlencode({done: model.name})}")


async def ask_changes(visit: Visit) -> Response:
    model = _model(visit, visit.request.query_params.get("id"))
    return _form(visit, model_forms.form_of(model), model=model)


async def change(visit: Visit) -> Response:
    form = model_forms.EMPTY | await visit.form()
    old = _model(visit, form.get("id"))
    try:
        # Only what differs from the page: somebody else may have changed something else meanwhile.
        new = await visit.services.store.models.change_by_id(
            old.id,
            lambda model: patched(model, model_forms.changes(form, old), int(time.time())),
            visit.actor,
        )
    except InvalidField as error:
        return _form(visit, form, error, old)
    except GatewayError as error:
        return _form(visit, form, InvalidField(error.message, param="model_name"), old)
    return visit.redirect(f"/ui/models?{urlencode({'changed': new.name})}")


async def ask_to_delete(visit: Visit) -> Response:
    model = _model(visit, visit.request.query_params.get("id"))
    group = visit.services.registry.catalogue.groups.get(model.name)
    others = len(group.deployments) - 1 if group else 0
    usage = (await _last_day(visit)).get(model.id)
    return visit.render(
        "models/delete.html", model=model, others=others, requests=usage.requests if usage else 0
    )


async def delete(visit: Visit) -> Response:
    form = await visit.form()
    gone = await visit.services.store.models.remove_by_id(form.get("id", ""), visit.actor)
    return visit.redirect(f"/ui/models?{urlencode({'deleted': gone.name})}")


async def test(visit: Visit) -> Response:
    """One real call, of the admin's key: what was answered, how fast, for how much."""
    form = await visit.form()
    model = _model(visit, form.get("id"))
    template = "models/trial.html" if visit.partial else "models/trial_page.html"
    started = time.perf_counter()
    try:
        call = trial_of(visit.request, model, visit.key)
        asked = visit.services.pipeline.complete(call)
        async with asyncio.timeout(_TRIAL_SECONDS):
            answer = await unless_gone(visit.request.receive, asked)
    except NotTried as reason:
        return visit.render(template, model=model, trial={"not_tried": str(reason)})
    except TimeoutError:
        late = {"problem": f"No answer came in {_TRIAL_SECONDS} s", "remedy": None, "code": 408}
        return visit.render(template, model=model, trial=late)
    except GatewayError as error:
        failure = {
            "problem": problem(error),
            "remedy": remedy(model, error, cli_name(visit.request, model)),
            "code": error.status,
        }
        return visit.render(template, model=model, trial=failure)
    cost = answer.headers.get("x-litellm-response-cost")
    trial = {
        "answer": said(answer.body),
        "ms": (time.perf_counter() - started) * 1000,
        "cost": float(cost) if cost is not None else None,
    }
    return visit.render(template, model=model, trial=trial)


def _form(
    visit: Visit, form: Form, error: InvalidField | None = None, model: Model | None = None
) -> Response:
    problems = {model_forms.place(error): error.message} if error else {}
    return visit.render(
        "models/form.html",
        status=error.status if error else 200,
        form=form,
        model=model,
        problems=problems,
        providers=provider_hints(),
        # Where something in there is set or wrong, it must be seen.
        further=bool(problems.keys() & {"params", "info"})
        or any(form[name] for name in ("api_version", "lane", "rpm", "tpm", "params", "info")),
    )


async def _last_day(visit: Visit) -> Mapping[str, Sums]:
    """What the deployments did in the last 24 hours, by their ids."""
    now = int(time.time())
    wanted = UsageFilter(start=now - DAY, end=now + 1)
    try:
        report = await visit.services.store.usage.report(wanted, ("deployment",), limit=10_000)
    except InvalidField:
        # Single requests are kept for less than a day.
        return {}
    return {group.values[0]: group.sums for group in report.groups}


def _line(model: Model, sums: Sums | None, cooling: set[str], deployments: int) -> Line:
    requests, errors = (sums.requests, sums.errors) if sums else (0, 0)
    health: Health
    if model.id in cooling:
        health = "cooling down"
    elif not requests:
        health = "no calls"
    elif errors / requests >= _FAILING:
        health = "failing"
    else:
        health = "some errors" if errors else "healthy"
    return Line(model, health, requests, errors, deployments)


def _holds(model: Model, text: str) -> bool:
    told = (model.name, model.provider, model.upstream_model, model.base_url or "", model.id)
    return any(text in each.lower() for each in told)


def _notice(visit: Visit) -> str | None:
    given = visit.request.query_params
    for name, text in (
        ("added", "“{}” is registered. Test it, then give a key to whoever is to call it."),
        ("deployment", "“{}” has one more deployment, which shares its calls."),
        ("changed", "“{}” is changed; calls go by it from now on."),
        ("deleted", "“{}” is deleted."),
    ):
        if given.get(name):
            return text.format(given[name])
    return None


def _model(visit: Visit, model_id: str | None) -> Model:
    """Raises NotFound."""
    found = visit.services.registry.catalogue.deployments.get(model_id or "")
    if found is None:
        raise NotFound("There is no such model, or none any more", param="id")
    return found
