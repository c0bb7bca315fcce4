"""Managing datasets: `/api/v1/gateway/evals/datasets`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import InvalidField, NotFound
from gateway.evals.datasets import (
    FORMATS,
    appended,
    cases_of,
    format_of,
    read_cases,
    row_of,
    write_cases,
)
from gateway.evals.datasets.files import Format
from gateway.evals.records import Case, Dataset
from gateway.evals.shown import dataset_view, listed, row_view
from gateway.evals.specs import dataset_record, described_dataset, with_cases
from gateway.fields import merge_patch
from gateway.http.evals.queries import one_of, parameters, position
from gateway.http.multipart import read_form
from gateway.http.requests import actor, admin, json_response, page_limit, read_object, services
from gateway.records import Actor, Upload
from gateway.specs.shared import check_patch
from gateway.store.evals import Datasets

_MEDIA_TYPES = {"yaml": "application/yaml", "csv": "text/csv", "jsonl": "application/jsonl"}
_FORM = {"file", "format", "mode", "columns"}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


async def add_dataset(request: Request) -> Response:
    """Make a dataset out of rows, or without any."""
    by = actor(request)
    body = await read_object(request)
    now = int(time.time())
    # A hundred thousand rows take a second.
    dataset = await asyncio.to_thread(dataset_record, body, now)
    await _store(request).add(dataset, by)
    return await _shown(request, dataset.id, 201)


async def list_datasets(request: Request) -> Response:
    """Every dataset, by name, without its rows."""
    admin(request)
    return json_response(listed(map(dataset_view, await _store(request).all())))


async def get_dataset(request: Request) -> Response:
    admin(request)
    return await _shown(request, _named(request))


async def patch_dataset(request: Request) -> Response:
    """Change its name, its description, or all of its rows."""
    by = actor(request)
    patch = check_patch(await read_object(request))
    now = int(time.time())

    def changed(old: Dataset) -> Dataset:
        # Without rows it keeps its own.
        described = {"name": old.name, "description": old.description}
        return described_dataset(old, merge_patch(described, patch), now)

    dataset = await _store(request).change(_named(request), changed, by)
    return await _shown(request, dataset.id)


async def delete_dataset(request: Request) -> Response:
    """Remove a dataset that no suite has. Runs keep what they were made with."""
    by = actor(request)
    gone = await _store(request).remove(_named(request), by)
    return json_response({"id": gone.id, "object": "evals.dataset", "deleted": True})


async def list_rows(request: Request) -> Response:
    """A page of rows: `?limit=` and `?after=` the last position of the page before."""
    admin(request)
    given = parameters(request, ("limit", "after"))
    _, found, more = await _store(request).page(
        _named(request), page_limit(request), position(given.get("after"))
    )
    views = ({"position": place, "row": row_view(case)} for place, case in found)
    return json_response(listed(views, more))


async def add_rows(request: Request) -> Response:
    """Add `{"rows": […]}` at the end."""
    by = actor(request)
    body = await read_object(request)
    if set(body) != {"rows"} or not isinstance(body["rows"], list):
        raise InvalidField("rows takes a list of rows, and nothing is beside it", param="rows")
    return await _changed(request, by_rows(lambda old: [*old, *body["rows"]]), by)


async def patch_row(request: Request) -> Response:
    """Change the columns of a row that the body names; null takes one away (RFC 7396)."""
    by = actor(request)
    patch = await read_object(request)

    def change(rows: list[Any]) -> list[Any]:
        return [merge_patch(row, patch) if row["id"] == case_id else row for row in rows]

    case_id = str(request.path_params["row"])
    return await _changed(request, by_rows(change, has=case_id), by)


async def delete_row(request: Request) -> Response:
    by = actor(request)
    case_id = str(request.path_params["row"])
    return await _changed(
        request,
        by_rows(lambda rows: [row for row in rows if row["id"] != case_id], has=case_id),
        by,
    )


async def import_rows(request: Request) -> Response:
    """Read rows from a file in a form: YAML, CSV or JSONL, by its name or by `format`.

    They take the place of those that are there or, with `mode=append`, come after them. `columns`
    says in JSON under which names the file has `input`, `expected`, `id` and `tags`.
    """
    by = actor(request)
    return await _changed(request, await importing(await read_form(request)), by)


async def importing(form: Mapping[str, Any]) -> Callable[[Dataset], tuple[Case, ...]]:
    """The change of cases that a form with a file asks for.

    Raises InvalidField, BadDataset; so may the change.
    """
    unknown = sorted(set(form) - _FORM)
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    file = form.get("file")
    if not isinstance(file, Upload):
        raise InvalidField("file takes a file", param="file")
    given = one_of(_text(form, "format"), "format", FORMATS)
    kind = cast(Format, given) if given else format_of(file.name)
    mode = one_of(_text(form, "mode"), "mode", ("replace", "append")) or "replace"
    columns = _columns(_text(form, "columns"))
    cases = await asyncio.to_thread(read_cases, file.data, kind, columns, name=file.name)

    def change(old: Dataset) -> tuple[Case, ...]:
        return cases if mode == "replace" else appended(old.cases, cases)

    return change


async def export_rows(request: Request) -> Response:
    """All rows as a file, `?format=jsonl`, that can be imported."""
    admin(request)
    given = parameters(request, ("format",))
    kind = cast(Format, one_of(given.get("format"), "format", FORMATS) or "jsonl")
    return await exported(await _store(request).get(_named(request)), kind)


async def exported(dataset: Dataset, kind: Format) -> Response:
    """All rows as a file. Raises BadDataset where as YAML it would be too long."""
    text = await asyncio.to_thread(write_cases, dataset.cases, kind)
    name = f"{_UNSAFE.sub('-', dataset.name)}.{kind}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, headers=headers, media_type=_MEDIA_TYPES[kind])


def by_rows(
    change: Callable[[list[Any]], list[Any]], has: str | None = None
) -> Callable[[Dataset], tuple[Case, ...]]:
    """A change of cases as one of rows. It raises NotFound where none has the id `has`."""

    def changed(old: Dataset) -> tuple[Case, ...]:
        rows = [row_of(case) for case in old.cases]
        if has is not None and all(row["id"] != has for row in rows):
            raise NotFound(f"No row has the id {has!r}", param="row")
        return cases_of(change(rows))

    return changed


async def _changed(
    request: Request, change: Callable[[Dataset], tuple[Case, ...]], by: Actor
) -> Response:
    now = int(time.time())

    def changed(old: Dataset) -> Dataset:
        return with_cases(old, change(old), now)

    dataset = await _store(request).change(_named(request), changed, by)
    return await _shown(request, dataset.id)


def _text(form: Mapping[str, Any], name: str) -> str | None:
    """Raises InvalidField."""
    value = form.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidField(f"{name} takes a text, once", param=name)
    return value


def _columns(given: str | None) -> dict[str, str]:
    """Raises InvalidField."""
    try:
        read = orjson.loads(given or "{}")
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict) or not all(isinstance(each, str) for each in read.values()):
        raise InvalidField(
            'columns takes a JSON object such as {"input": "Question"}', param="columns"
        )
    return read


async def _shown(request: Request, name: str, status: int = 200) -> Response:
    return json_response(dataset_view(await _store(request).head(name)), status)


def _store(request: Request) -> Datasets:
    return services(request).store.evals.datasets


def _named(request: Request) -> str:
    return str(request.path_params["id"])
