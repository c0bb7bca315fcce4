"""What an operator may say of a dataset."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from gateway.errors import InvalidField
from gateway.evals.datasets import version_of
from gateway.evals.records import Case, Dataset
from gateway.evals.specs import (
    dataset_description,
    dataset_record,
    described_dataset,
    with_cases,
)
from tests.specs.values import objects

Json = dict[str, Any]

NOW = 1_764_000_000
CASES = (Case("uk", "Capital of UK?", "London", ("geo",)), Case("row-2", "q", fields={"a": [1]}))
FULL: Json = {
    "name": "faq",
    "description": "Capitals",
    "rows": [
        {"id": "uk", "input": "Capital of UK?", "expected": "London", "tags": ["geo"]},
        {"id": "row-2", "input": "q", "a": [1]},
    ],
}


def test_every_part_of_a_record_and_back() -> None:
    dataset = dataset_record(FULL, NOW)
    assert dataset.id.startswith("dataset_")
    assert dataset == Dataset(
        dataset.id, "faq", "Capitals", CASES, version_of(CASES), created_at=NOW, updated_at=NOW
    )
    assert dataset_description(dataset) == FULL
    assert described_dataset(dataset, FULL, NOW) == dataset


def test_columns_of_ones_own() -> None:
    rows = [{"question": "q", "answer": "a"}]
    columns = {"input": "question", "expected": "answer"}
    dataset = dataset_record({"name": "x", "rows": rows, "columns": columns}, NOW)
    assert dataset.cases == (Case("row-1", "q", "a"),)


def test_without_rows_a_dataset_keeps_its_own() -> None:
    dataset = dataset_record(FULL, NOW)
    renamed = described_dataset(dataset, {"name": "capitals"}, NOW + 1)
    assert renamed == dataclasses.replace(
        dataset, name="capitals", description=None, updated_at=NOW + 1
    )
    emptied = described_dataset(dataset, {"name": "faq", "rows": []}, NOW)
    assert (emptied.cases, emptied.version) == ((), version_of(()))
    assert with_cases(dataset, CASES[:1], NOW + 2).version == version_of(CASES[:1])


def test_rows_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("question,expected\nq,a\n")
    description = {"name": "faq", "file": "faq.csv", "columns": {"input": "question"}}
    dataset = dataset_record(description, NOW, lambda name: (tmp_path / name).read_bytes())
    assert dataset.cases == (Case("row-1", "q", "a"),)


@pytest.mark.parametrize(
    ("description", "param", "message"),
    [
        (None, None, "by a JSON object"),
        ({}, "name", "field required"),
        ({"name": "x", "rows": {}}, "rows", "valid list"),
        ({"name": "x", "rows": ["q"]}, "rows.0", "takes a JSON object with an input"),
        ({"name": "x", "rows": [{"input": "q"}, {"input": " "}]}, "rows.1.input", "is empty"),
        ({"name": "x", "row": []}, "row", "did you mean rows?"),
        ({"name": "x", "rows": [], "file": "a.csv"}, "file", "give one of them"),
        ({"name": "x", "file": "a.csv"}, "file", "in a file of YAML alone"),
        ({"name": "x", "columns": {"input": 5}}, "columns.input", "valid string"),
        ({"name": "x", "rows": [{"a": 1}], "columns": {"input": "b"}}, "columns.input",
         "no column 'b'; there are a"),
    ],
)  # fmt: skip
def test_a_bad_dataset_is_refused_by_the_name_of_its_field(
    description: Any, param: str | None, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        dataset_record(description, NOW)
    assert refused.value.param == param
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.csv", "file: no.csv cannot be read: No such file"),
        ("bad.jsonl", "bad.jsonl line 2: is not JSON"),
        ("faq.xlsx", "faq.xlsx: a dataset's file ends in"),
    ],
)
def test_files_that_cannot_be_read(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"input": "q"}\n{')
    with pytest.raises(InvalidField) as refused:
        dataset_record(
            {"name": "x", "file": name}, NOW, lambda name: (tmp_path / name).read_bytes()
        )
    assert message in refused.value.message


@given(objects(FULL))
def test_any_description_is_one_or_is_refused(description: Any) -> None:
    try:
        dataset = dataset_record(description, NOW)
    except InvalidField:
        return
    again = dataset_record(dataset_description(dataset), NOW)
    assert again.cases == dataset.cases
