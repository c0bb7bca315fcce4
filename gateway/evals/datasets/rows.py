"""Rows, which are JSON objects, as cases and back.

A row has `input`, and may have `id`, `expected` and `tags`; whatever else it has are further
columns, for templates.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import InvalidField
from gateway.evals.records import Case
from gateway.fields import WrongField, check_json

MOST_ROWS = 100_000
LONGEST_ID = 256
COLUMNS = ("id", "input", "expected", "tags")
MADE_UP = "row-"
"""How the ids of rows begin that have none of their own."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadDataset(InvalidField):
    """Rows that are no cases. The message has the file, the line and the column."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row, and where it stands.

    Attributes:
        place: For people: `faq.csv line 3`, or `rows.2`.
        param: `rows.2`, which an error over HTTP names.
    """

    values: Any
    place: str
    param: str

    def wrong(self, message: str, column: str | None = None) -> BadDataset:
        at = f"{self.place}, {column}: " if column else f"{self.place}: "
        return BadDataset(at + message, param=f"{self.param}.{column}" if column else self.param)


def cases_of(
    rows: Iterable[Any], columns: Mapping[str, str] | None = None, *, where: str = "rows"
) -> tuple[Case, ...]:
    """The cases that rows of JSON describe.

    Args:
        rows: JSON objects, in the order of the dataset.
        columns: By `input`, `expected`, `id` or `tags`, the name that a row has it under.
        where: What the rows are in, for errors.

    Raises:
        BadDataset: Names the row and the column.
    """
    placed = (
        Row(values, f"{where}.{index}", f"{where}.{index}") for index, values in enumerate(rows)
    )
    return made_cases(placed, columns)


def made_cases(rows: Iterable[Row], columns: Mapping[str, str] | None = None) -> tuple[Case, ...]:
    """As `cases_of`, of rows that know where they stand."""
    listed: list[Row] = []
    for row in rows:
        if len(listed) == MOST_ROWS:
            raise row.wrong(f"a dataset has {MOST_ROWS} rows at most")
        listed.append(row)
    names = _names(listed, columns or {})
    given: dict[str, Row] = {}
    read: list[tuple[Row, dict[str, Any]]] = []
    for row in listed:
        values = _values(row, names)
        if (case_id := _id(row, values.pop("id", None))) is not None:
            if case_id in given:
                raise row.wrong(f"{case_id!r} is the id of {given[case_id].place} too", "id")
            given[case_id] = row
        read.append((row, values | {"id": case_id}))
    ids = _free_ids(given)
    # By the row's number, so that other rows' ids stay when one is added at the end.
    return tuple(
        _case(row, values, values.pop("id") or ids(number))
        for number, (row, values) in enumerate(read, 1)
    )


def check_columns(columns: Mapping[str, str], there: Iterable[str]) -> None:
    """Refuse names of columns that are not there. Raises BadDataset."""
    known = list(there)
    for ours, theirs in columns.items():
        param = f"columns.{ours}"
        if ours not in COLUMNS:
            raise BadDataset(f"{param}: there are {', '.join(COLUMNS)}", param=param)
        if theirs not in known:
            raise BadDataset(
                f"{param}: there is no column {theirs!r}; there are {_listed(known)}", param=param
            )


def row_of(case: Case) -> dict[str, Any]:
    """The row that reads as the case, without what it does not have."""
    row: dict[str, Any] = {
        "id": case.id,
        "input": case.input if isinstance(case.input, str) else list(map(dict, case.input)),
    }
    if case.expected is not None:
        row["expected"] = case.expected
    if case.tags:
        row["tags"] = list(case.tags)
    return row | dict(case.fields)


def version_of(cases: Sequence[Case]) -> str:
    """The hash of the cases in their order: SHA-256, hexadecimal."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(_canonical(row_of(case)) + b"\n")
    return digest.hexdigest()


def hash_of(value: Any) -> str:
    """SHA-256 of a JSON value, whatever order its names are in; hexadecimal."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _names(rows: Sequence[Row], columns: Mapping[str, str]) -> dict[str, str]:
    """By the name that rows have a column under, the one it has here."""
    there = dict.fromkeys(
        name for row in rows if isinstance(row.values, Mapping) for name in row.values
    )
    if rows:
        check_columns(columns, there)
    names = {theirs: ours for ours, theirs in columns.items()}
    for ours in COLUMNS:
        if ours not in columns:
            names.setdefault(ours, ours)
    return names


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, list(names)[:20]))


def _values(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(row.values, Mapping):
        raise row.wrong("takes a JSON object with an input")
    try:
        check_json(row.values)
    except WrongField as wrong:
        raise row.wrong(str(wrong), wrong.field) from None
    values: dict[str, Any] = {}
    for theirs, value in row.values.items():
        ours = names.get(theirs, theirs)
        if ours in values or (ours in COLUMNS and theirs not in names):
            raise row.wrong(f"is {ours}, which another column is already", theirs)
        values[ours] = value
    if "input" not in values:
        raise row.wrong(
            f"there is no input among {_listed(row.values) or 'no columns'}; say in columns which "
            "of them it is",
            "input",
        )
    return values


def _id(row: Row, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or len(value) > LONGEST_ID or _CONTROL.search(value):
        raise row.wrong(
            f"takes text of up to {LONGEST_ID} characters, none of them a control character", "id"
        )
    return value


def _free_ids(given: Mapping[str, Row]) -> Callable[[int], str]:
    def _free(number: int) -> str:
        # Those that are given are not to be had; one more mark makes any other.
        case_id = f"{MADE_UP}{number}"
        while case_id in given:
            case_id += "-"
        return case_id

    return _free


def _case(row: Row, values: dict[str, Any], case_id: str) -> Case:
    return Case(
        id=case_id,
        input=_input(row, values.pop("input")),
        expected=values.pop("expected", None),
        tags=tuple(_tags(row, values.pop("tags", None))),
        fields=values,
    )


def _input(row: Row, value: Any) -> str | tuple[Mapping[str, Any], ...]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        if not value.strip():
            raise row.wrong("is empty", "input")
        return value
    if not isinstance(value, list) or not value:
        raise row.wrong("takes text, or a list of messages", "input")
    for position, message in enumerate(value):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise row.wrong("takes a message, with its role and content", f"input.{position}")
    return tuple(dict(message) for message in value)


def _tags(row: Row, value: Any) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, str):
        yield from dict.fromkeys(tag.strip() for tag in value.split(",") if tag.strip())
        return
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise row.wrong("takes a list of texts, or text with commas", "tags")
    yield from dict.fromkeys(value)
