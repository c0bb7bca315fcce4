"""Runs: how far they are, what they came to, and what was answered."""

from __future__ import annotations

import time
from typing import get_args
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.errors import Conflict, GatewayError, InvalidField, NotFound
from gateway.evals.outcomes import report_on
from gateway.evals.records import Item, ItemStatus, Run, RunHead, Suite
from gateway.evals.service import OPERATOR_KEY
from gateway.evals.specs import described_suite, suite_description
from gateway.http.console.visits import Visit
from gateway.http.evals.queries import position
from gateway.http.evals.reports import FILES, report_file
from gateway.money import MOST_DOLLARS, nano_dollars
from gateway.store.evals import Evals

_PAGE = 50
_ITEMS = 20
_STATUSES: tuple[ItemStatus, ...] = get_args(ItemStatus)
ALL = "all"


async def show_all(visit: Visit) -> Response:
    """The runs, newest first, by pages of `?after=`; `?suite=` has those of one."""
    evals = visit.services.store.evals
    given = visit.request.query_params
    suite = given.get("suite") or None
    heads, more = await evals.runs.page(_PAGE, given.get("after") or None, suite)
    query = {"suite": suite} if suite else {}
    older = urlencode({**query, "after": heads[-1].run.id}) if more else None
    return visit.render(
        "evals/runs.html",
        heads=heads,
        suite=suite,
        older=older,
        after=given.get("after"),
        deleted=given.get("deleted"),
    )


async def show(visit: Visit) -> Response:
    """A run with what it has come to so far, and a page of its items."""
    return await _shown(visit)


async def show_progress(visit: Visit) -> Response:
    """How far it is, to be asked often; once it has ended, the whole page is to be had anew."""
    head = await _head(visit)
    if not visit.partial:
        return visit.redirect(_url(head.run.id))
    response = visit.render("evals/progress.html", head=head)
    if head.run.has_ended:
        response.headers["hx-refresh"] = "true"
    return response


async def cancel(visit: Visit) -> Response:
    await visit.form()
    head = await visit.services.runs.cancel(_named(visit), visit.actor)
    return visit.redirect(_url(head.run.id))


async def resume(visit: Visit) -> Response:
    """Do what is left of it, perhaps with another cap."""
    form = await visit.form()
    run_id = _named(visit)
    try:
        await visit.services.runs.resume(run_id, _cap(form.get("max_cost", "")), visit.actor)
    except (Conflict, InvalidField) as error:
        return await _shown(visit, error)
    return visit.redirect(_url(run_id))


async def rerun(visit: Visit) -> Response:
    """Begin another of the same; its calls are those of the key that is signed in."""
    await visit.form()
    try:
        run = await visit.services.runs.rerun(_named(visit), None, visit.key, visit.actor)
    except (Conflict, InvalidField, NotFound) as error:
        return await _shown(visit, error)
    return visit.redirect(_url(run.id))


async def make_baseline(visit: Visit) -> Response:
    """Have the later runs of its suite compared with it."""
    await visit.form()
    run = (await _head(visit)).run
    if run.suite is None:
        raise Conflict("The run is of no suite, which alone has a baseline.")

    def changed(old: Suite) -> Suite:
        description = suite_description(old) | {"baseline": run.id}
        return described_suite(old, description, int(time.time()))

    await visit.services.store.evals.suites.change(run.suite, changed, visit.actor)
    return visit.redirect(_url(run.id))


async def ask_to_delete(visit: Visit) -> Response:
    head = await _head(visit)
    suite = await suite_of(visit.services.store.evals, head.run)
    is_baseline = suite is not None and suite.baseline == head.run.id
    return visit.render("evals/run_delete.html", head=head, is_baseline=is_baseline)


async def delete(visit: Visit) -> Response:
    await visit.form()
    run = (await _head(visit)).run
    await visit.services.store.evals.runs.remove(run.id, visit.actor)
    return visit.redirect(f"/ui/evals/runs?{urlencode({'deleted': run.name})}")


async def as_file(visit: Visit) -> Response:
    """A report on it. Raises NotFound."""
    name = visit.request.path_params["name"]
    if name not in FILES:
        raise NotFound("There is no such file")
    return visit.answer(await report_file(visit.services.store.evals, _named(visit), name))


async def suite_of(evals: Evals, run: Run) -> Suite | None:
    """The suite that a run was started from, if it is still there."""
    try:
        return await evals.suites.get(run.suite) if run.suite is not None else None
    except NotFound:
        return None


async def _shown(visit: Visit, error: GatewayError | None = None) -> Response:
    evals = visit.services.store.evals
    head = await _head(visit)
    report = await report_on(evals, head.run.id)
    cases = {case.id: case for case in report.evaluation.run.dataset.cases}
    status, items, more = await _items(visit, head)
    return visit.render(
        "evals/run.html",
        status=error.status if error else 200,
        problem=error.message if error else None,
        head=head,
        report=report,
        suite=await suite_of(evals, head.run),
        outdated=await visit.services.runs.outdated(head.run.id) if head.run.has_ended else [],
        items=[(place, item, cases[item.case_id]) for place, item in items],
        item_status=status,
        counts=_counts(head),
        after=visit.request.query_params.get("after"),
        more=items[-1][0] if more else None,
        files=FILES,
        on_host=head.run.key_id == OPERATOR_KEY,
    )


async def _items(visit: Visit, head: RunHead) -> tuple[str, list[tuple[int, Item]], bool]:
    """The status that `?status=` asks for, a page of its items, and whether there are more.

    Unless told otherwise, failed ones come first, errors next.
    """
    given = visit.request.query_params
    counts = _counts(head)
    usual = next((name for name in ("failed", "error") if counts[name]), ALL)
    status = given.get("status", usual)
    wanted = status if status in _STATUSES else None
    found, more = await visit.services.store.evals.runs.items(
        head.run.id, _ITEMS, position(given.get("after") or None), wanted
    )
    return status if wanted else ALL, found, more


def _counts(head: RunHead) -> dict[str, int]:
    """How many items there are of each status."""
    progress = head.progress
    passed = progress.done - progress.failed - progress.errors
    return {
        "failed": progress.failed,
        "error": progress.errors,
        "passed": passed,
        ALL: progress.done,
    }


def _cap(text: str) -> int | None:
    """Nano-dollars; None where nothing is said. Raises InvalidField."""
    if not text:
        return None
    try:
        given = float(text.removeprefix("$"))
    except ValueError:
        given = 0.0
    if not 0 < given <= MOST_DOLLARS:
        raise InvalidField("The new cap takes dollars, more than 0", param="max_cost")
    return nano_dollars(given)


async def _head(visit: Visit) -> RunHead:
    """Raises NotFound."""
    return await visit.services.store.evals.runs.head(_named(visit))


def _named(visit: Visit) -> str:
    return str(visit.request.path_params["id"])


def _url(run_id: str) -> str:
    return f"/ui/evals/runs/{run_id}"
