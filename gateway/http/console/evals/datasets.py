"""Datasets: their cases, and forms to import, export and delete them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.errors import BodyTooLarge, Conflict, GatewayError, InvalidField
from gateway.evals.datasets import FORMATS, MOST_BYTES
from gateway.evals.datasets.files import Format
from gateway.evals.records import Dataset, DatasetHead
from gateway.evals.specs import dataset_record, described_dataset, with_cases
from gateway.http.console.visits import Visit
from gateway.http.evals.datasets import exported, importing
from gateway.http.evals.queries import one_of, position
from gateway.records import Upload
from gateway.store.evals import Datasets

_PAGE = 50
_EMPTY: Mapping[str, str] = dict.fromkeys(
    ("name", "description", "rows", "format", "mode", "columns"), ""
)
_OF_IMPORT = ("format", "mode", "columns")


async def show_all(visit: Visit) -> Response:
    """Every dataset, by name."""
    return visit.render(
        "evals/datasets.html",
        heads=await _store(visit).all(),
        deleted=visit.request.query_params.get("deleted"),
    )


async def show(visit: Visit) -> Response:
    """A dataset with a page of its cases, past `?after=`."""
    given = visit.request.query_params
    after = given.get("after") or None
    head, cases, more = await _store(visit).page(_named(visit), _PAGE, position(after))
    suites = [
        suite
        for suite in await visit.services.store.evals.suites.all()
        if suite.dataset == head.name
    ]
    return visit.render(
        "evals/dataset.html",
        head=head,
        cases=cases,
        after=after,
        more=cases[-1][0] if more else None,
        formats=FORMATS,
        suites=suites,
        changed="changed" in given,
    )


async def ask_new(visit: Visit) -> Response:
    return _form(visit, _EMPTY)


async def add(visit: Visit) -> Response:
    """Make a dataset of a file, or of rows that were pasted."""
    try:
        form = await visit.upload()
    except BodyTooLarge as error:
        return _form(visit, _EMPTY, error)
    now = int(time.time())
    try:
        dataset = dataset_record(_described(form), now)
        rows = _rows(form)
        if rows is None:
            raise InvalidField("Choose a file, or paste rows below", param="file")
        change = await importing(rows)
        dataset = with_cases(dataset, change(dataset), now)
        await _store(visit).add(dataset, visit.actor)
    except GatewayError as error:
        return _form(visit, form, error)
    return visit.redirect(f"/ui/evals/datasets/{dataset.id}")


async def ask_changes(visit: Visit) -> Response:
    head = await _head(visit)
    form = {**_EMPTY, "name": head.name, "description": head.description or ""}
    return _form(visit, form, head=head)


async def change(visit: Visit) -> Response:
    """Change its name and its description and, where there are any, its rows."""
    head = await _head(visit)
    try:
        form = await visit.upload()
    except BodyTooLarge as error:
        return _form(visit, _EMPTY, error, head)
    now = int(time.time())
    try:
        rows = _rows(form)
        change = None if rows is None else await importing(rows)

        def changed(old: Dataset) -> Dataset:
            named = described_dataset(old, _described(form), now)
            return with_cases(named, change(old), now) if change else named

        await _store(visit).change(head.id, changed, visit.actor)
    except GatewayError as error:
        return _form(visit, form, error, head)
    return visit.redirect(f"/ui/evals/datasets/{head.id}?changed=1")


async def export(visit: Visit) -> Response:
    """All of it as a file, of `?format=`."""
    given = one_of(visit.request.query_params.get("format"), "format", FORMATS)
    dataset = await _store(visit).get(_named(visit))
    return visit.answer(await exported(dataset, cast(Format, given or "jsonl")))


async def ask_to_delete(visit: Visit) -> Response:
    return visit.render("evals/dataset_delete.html", head=await _head(visit), problem=None)


async def delete(visit: Visit) -> Response:
    await visit.form()
    head = await _head(visit)
    try:
        await _store(visit).remove(head.id, visit.actor)
    except Conflict as error:
        return visit.render(
            "evals/dataset_delete.html", status=error.status, head=head, problem=error.message
        )
    return visit.redirect(f"/ui/evals/datasets?{urlencode({'deleted': head.name})}")


def _described(form: Mapping[str, Any]) -> dict[str, Any]:
    described = {name: _text(form, name).strip() for name in ("name", "description")}
    return {name: text for name, text in described.items() if text or name == "name"}


def _rows(form: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the form has to import, as a form of the API has it; None where it has nothing.

    Raises InvalidField.
    """
    given = {name: text for name in _OF_IMPORT if (text := _text(form, name).strip())}
    file = form.get("file")
    if isinstance(file, Upload) and file.data:
        return {"file": file, **given}
    # Browsers send a line's end as two characters.
    pasted = _text(form, "rows").replace("\r\n", "\n")
    if not pasted.strip():
        return None
    if "format" not in given:
        raise InvalidField("Say what format the pasted rows have", param="format")
    return {"file": Upload("the pasted rows", pasted.encode(), "text/plain"), **given}


def _text(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _form(
    visit: Visit,
    form: Mapping[str, Any],
    error: GatewayError | None = None,
    head: DatasetHead | None = None,
) -> Response:
    problems = {_place(error, form): error.message} if error else {}
    return visit.render(
        "evals/dataset_form.html",
        status=error.status if error else 200,
        form={name: _text(form, name) for name in _EMPTY},
        problems=problems,
        formats=[(each, each) for each in FORMATS],
        head=head,
        most=min(MOST_BYTES, visit.services.settings.max_body_bytes),
    )


def _place(error: GatewayError, form: Mapping[str, Any]) -> str:
    """The field of the form where an error belongs."""
    if error.param in _EMPTY and error.param != "rows":
        return str(error.param)
    file = form.get("file")
    of_file = error.param == "file" or (isinstance(file, Upload) and file.data)
    return "file" if of_file or not _text(form, "rows") else "rows"


async def _head(visit: Visit) -> DatasetHead:
    """Raises NotFound."""
    return await _store(visit).head(_named(visit))


def _store(visit: Visit) -> Datasets:
    return visit.services.store.evals.datasets


def _named(visit: Visit) -> str:
    return str(visit.request.path_params["id"])
