"""Datasets as CSV: a header, and a line for each case.

Cells are text. Where one of a column is not, or is empty text, the column's name ends in `:json`
and all its cells are JSON. An empty cell is a value that is not there. As exports are opened in
spreadsheets, text that looks like a formula is written with a `'` before it, which is taken away
when it is read.

Files of Flowise's (input, output) and Forjinn's (Input, Expected Output) are read as well.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.evals.datasets.rows import COLUMNS, BadDataset, Row, check_columns, row_of
from gateway.evals.records import Case
from gateway.evals.templates import json_of
from gateway.spreadsheets import csv_text

JSON = ":json"

_DELIMITERS = (",", ";", "\t")
# By our names, others'. Flowise calls the right answer the output.
_ALSO = {"expected": ("expected", "expected_output", "expectedoutput", "output")}
_WIDEST = 1000
# What gateway.spreadsheets, or this module, put a ' before.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


def read_csv(text: str, name: str, longest: int, given: Mapping[str, str]) -> Iterator[Row]:
    """The rows of a CSV file, between commas, semicolons or tabs, under our names.

    Args:
        text: The file.
        name: Its name, for errors.
        longest: How many characters a cell may have.
        given: By our names, those that the file is said to have for them.

    Raises:
        BadDataset: It is no CSV with a header.
    """
    csv.field_size_limit(longest)
    line = 1
    try:
        reader = _reader(text, given)
        columns = _ours([_unmarked(column) for column in next(reader, [])], given)
        _check_header(columns, name)
        line = reader.line_num + 1
        index = 0
        for cells in reader:
            place = Row(None, f"{name} line {line}", f"rows.{index}")
            line = reader.line_num + 1
            # Spreadsheets leave lines of empty cells behind.
            if not any(cells):
                continue
            index += 1
            if len(cells) > len(columns):
                raise place.wrong(f"has {len(cells)} cells, and the header {len(columns)}")
            pairs = zip(columns, cells, strict=False)
            values = {
                column.removesuffix(JSON): _value(place, column, cell)
                for column, cell in pairs
                if cell != ""
            }
            yield Row(values, place.place, place.param)
    except csv.Error as error:
        raise BadDataset(f"{name} line {line}: is not CSV: {error}") from None


def write_csv(cases: Sequence[Case]) -> str:
    """The cases as CSV (RFC 4180), all columns of all of them."""
    rows = [row_of(case) for case in cases]
    columns = dict.fromkeys(COLUMNS) | dict.fromkeys(name for row in rows for name in row)
    titles = {column: _title(column, rows) for column in columns}
    written = [
        {
            titles[column]: _cell(row[column], titles[column]) if column in row else ""
            for column in columns
        }
        for row in rows
    ]
    return csv_text(list(titles.values()), written)


def _reader(text: str, given: Mapping[str, str]) -> Any:
    """Of the delimiter that parts a column of the input from others."""
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = [column.removesuffix(JSON) for column in next(reader, [])]
        if given.get("input", "input") in [*columns, *map(_folded, columns)]:
            break
    else:
        delimiter = ","
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _ours(columns: list[str], given: Mapping[str, str]) -> list[str]:
    """The header with our names in place of what others call the same."""
    check_columns(given, columns)
    for ours in COLUMNS:
        if ours in given:
            columns[columns.index(given[ours])] = ours
        elif ours not in columns and ours + JSON not in columns:
            folded = list(map(_folded, columns))
            also = next((other for other in _ALSO.get(ours, (ours,)) if other in folded), None)
            if also is not None and columns[folded.index(also)] not in given.values():
                columns[folded.index(also)] = ours
    return columns


def _folded(column: str) -> str:
    return column.strip().lower().replace(" ", "_")


def _check_header(columns: Sequence[str], name: str) -> None:
    named = [column.removesuffix(JSON) for column in columns]
    if not any(named):
        raise BadDataset(f"{name} line 1: takes a header: the columns' names, input among them")
    if len(named) > _WIDEST:
        raise BadDataset(f"{name} line 1: has more than {_WIDEST} columns")
    for position, column in enumerate(named):
        if column in named[:position]:
            raise BadDataset(f"{name} line 1: there are two columns {column!r}")


def _value(place: Row, column: str, cell: str) -> Any:
    if not column.endswith(JSON):
        return _unmarked(cell)
    try:
        return json_of(_unmarked(cell))
    except ValueError as error:
        raise place.wrong(f"is not JSON: {error}", column) from None


def _title(column: str, rows: Sequence[dict[str, Any]]) -> str:
    values = [row[column] for row in rows if column in row]
    if column == "tags":
        plain = all(_is_plain_tag(tag) for tags in values for tag in tags)
    else:
        plain = all(isinstance(value, str) and value for value in values)
    title = column if plain and not column.endswith(JSON) else column + JSON
    return f"'{title}" if _FORMULA.match(title) else title


def _is_plain_tag(tag: str) -> bool:
    return bool(tag) and "," not in tag and tag == tag.strip()


def _cell(value: Any, title: str) -> str:
    if title.endswith(JSON):
        return _marked(json.dumps(value, ensure_ascii=False))
    return _marked(value if isinstance(value, str) else ", ".join(value))


def _marked(text: str) -> str:
    """One more `'` before text that would lose one when it is read; formulas get theirs later."""
    return f"'{text}" if text.startswith("'") and _FORMULA.match(text) else text


def _unmarked(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
