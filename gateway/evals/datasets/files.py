"""Files of cases: what format they have, and their rows with the lines they stand in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import yaml

from gateway.evals.datasets.comma_separated import read_csv, write_csv
from gateway.evals.datasets.rows import BadDataset, Row, made_cases, row_of
from gateway.evals.records import Case
from gateway.evals.templates import json_of
from gateway.yaml_lines import MAX_CHARACTERS, Unreadable, read_yaml

Format = Literal["yaml", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
MOST_BYTES = 32 * 1024 * 1024

_OTHER_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
_BY_SUFFIX: Mapping[str, Format] = {
    "yaml": "yaml",
    "yml": "yaml",
    "csv": "csv",
    "tsv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}


class _Dumper(yaml.SafeDumper):
    """Escapes what PyYAML would write as the end of a line, and read as a space."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if _OTHER_LINE_ENDS.search(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def format_of(name: str) -> Format:
    """The format of a file by its name. Raises BadDataset for none that is known."""
    suffix = name.lower().rpartition(".")[2]
    if suffix not in _BY_SUFFIX:
        raise BadDataset(f"{name}: a dataset's file ends in .yaml, .csv or .jsonl", param="file")
    return _BY_SUFFIX[suffix]


def read_cases(
    data: bytes,
    kind: Format,
    columns: Mapping[str, str] | None = None,
    *,
    name: str = "the file",
) -> tuple[Case, ...]:
    """The cases in a file.

    Args:
        data: The file, in UTF-8, of up to MOST_BYTES.
        kind: Its format.
        columns: By `input`, `expected`, `id` or `tags`, the name that the file has it under.
        name: The file's name, for errors.

    Raises:
        BadDataset: Names the file, the line and the column.
    """
    if len(data) > MOST_BYTES:
        raise BadDataset(f"{name}: is larger than {MOST_BYTES} bytes, which is the most")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDataset(f"{name} line {line}: is not UTF-8") from None
    if kind == "csv":
        return made_cases(read_csv(text, name, MOST_BYTES, columns or {}))
    return made_cases((_read_yaml if kind == "yaml" else _read_jsonl)(text, name), columns)


def write_cases(cases: Sequence[Case], kind: Format) -> str:
    """The cases as a file that reads as the same cases.

    Raises:
        BadDataset: As YAML, it would be longer than is read.
    """
    return {"yaml": _write_yaml, "csv": write_csv, "jsonl": _write_jsonl}[kind](cases)


def _read_jsonl(text: str, name: str) -> Iterator[Row]:
    index = 0
    # Not at the other ends of lines that Unicode has: JSON may hold those.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = Row(None, f"{name} line {number}", f"rows.{index}")
        try:
            values = json_of(line)
        except ValueError as error:
            raise place.wrong(f"is not JSON: {error}") from None
        yield Row(_item(values), place.place, place.param)
        index += 1


def _item(values: Any) -> Any:
    """What OpenAI's evals have inside `item`; an answer beside it is one more column."""
    if not isinstance(values, dict) or not isinstance(item := values.get("item"), dict):
        return values
    if set(values) == {"item"}:
        return item
    sample = values.get("sample")
    if set(values) == {"item", "sample"} and isinstance(sample, dict):
        return {"output": sample.get("output_text")} | item
    return values


def _write_jsonl(cases: Sequence[Case]) -> str:
    return "".join(json.dumps(row_of(case), ensure_ascii=False) + "\n" for case in cases)


def _read_yaml(text: str, name: str) -> Iterator[Row]:
    try:
        document = read_yaml(text)
    except Unreadable as error:
        more = "; as CSV or JSONL it may be larger" if len(text) > MAX_CHARACTERS else ""
        raise BadDataset(f"{name} line {error.line}: {error.message}{more}") from None
    if document.faults:
        path, line, message = document.faults[0]
        column = f", {path[-1]}" if path else ""
        raise BadDataset(f"{name} line {line}{column}: {message}")
    rows, path = document.value, ()
    if isinstance(rows, dict) and "rows" in rows:
        rows, path = rows["rows"], ("rows",)
    if not isinstance(rows, list):
        line = document.line(path)
        raise BadDataset(f"{name} line {line}: takes a list of rows, alone or under rows:")
    for index, row in enumerate(rows):
        yield Row(row, f"{name} line {document.line((*path, index))}", f"rows.{index}")


def _write_yaml(cases: Sequence[Case]) -> str:
    text: str = yaml.dump(
        {"rows": [row_of(case) for case in cases]},
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        width=100,
    )
    if len(text) > MAX_CHARACTERS:
        raise BadDataset(
            f"As YAML, the dataset is longer than {MAX_CHARACTERS} characters, which would not be "
            "read again; take jsonl or csv",
            param="format",
        )
    return text
