"""What an operator may say of a dataset: its name, and its rows or the file they are in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Self

from pydantic import Field, model_validator

from gateway.errors import InvalidField
from gateway.evals.datasets import cases_of, format_of, read_cases, row_of, version_of
from gateway.evals.records import Case, Dataset
from gateway.evals.specs.described import described
from gateway.evals.specs.shared import Description
from gateway.fields import WrongField
from gateway.specs.shared import Name, OptionalText, Text, new_id

ReadFile = Callable[[str], bytes]
"""Gives a file's content by its name. Raises OSError."""


class DatasetSpec(Description):
    """A dataset. Its rows have an input, and perhaps an id, what is expected, tags and others."""

    name: Name = Field(description="What the dataset is called; suites name it")
    description: OptionalText = Field(None, description="What is in it")
    rows: list[Any] | None = Field(None, description="The cases")
    file: Text | None = Field(
        None, description="In a file of YAML: that of the cases, .yaml, .csv or .jsonl"
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="By input, expected, id or tags, what the rows call it",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.rows is not None and self.file is not None:
            raise WrongField("file", "takes the place of rows: give one of them")
        return self


def dataset_record(data: object, now: int, read_file: ReadFile | None = None) -> Dataset:
    """Make the record of a new dataset.

    Args:
        data: Its description.
        now: In Unix seconds.
        read_file: How a file is read that it names; None where it may name none, as over HTTP.

    Raises:
        InvalidField: Names the field, as `rows.2.input`, or the file and the line.
    """
    spec = described(DatasetSpec, data, "A dataset")
    return _made(Dataset(new_id("dataset"), "", None, (), "", now, now), spec, now, read_file)


def described_dataset(
    dataset: Dataset, data: object, now: int, read_file: ReadFile | None = None
) -> Dataset:
    """The dataset with another description in place of its own; without rows it keeps its own.

    Raises:
        InvalidField: As `dataset_record`.
    """
    return _made(dataset, described(DatasetSpec, data, "A dataset"), now, read_file)


def with_cases(dataset: Dataset, cases: tuple[Case, ...], now: int) -> Dataset:
    """The dataset with other cases."""
    return dataclasses.replace(dataset, cases=cases, version=version_of(cases), updated_at=now)


def dataset_description(dataset: Dataset) -> dict[str, Any]:
    """What `dataset_record` makes the same dataset of."""
    description: dict[str, Any] = {"name": dataset.name}
    if dataset.description is not None:
        description["description"] = dataset.description
    return description | {"rows": [row_of(case) for case in dataset.cases]}


def _made(dataset: Dataset, spec: DatasetSpec, now: int, read_file: ReadFile | None) -> Dataset:
    cases = dataset.cases
    if spec.file is not None:
        cases = _from_file(spec.file, spec.columns, read_file)
    elif spec.rows is not None:
        cases = cases_of(spec.rows, spec.columns)
    named = dataclasses.replace(dataset, name=spec.name, description=spec.description)
    return with_cases(named, cases, now)


def _from_file(name: str, columns: dict[str, str], read_file: ReadFile | None) -> tuple[Case, ...]:
    if read_file is None:
        raise InvalidField(
            "file: can be named in a file of YAML alone; send the rows, or import it", param="file"
        )
    kind = format_of(name)
    try:
        data = read_file(name)
    except OSError as error:
        raise InvalidField(
            f"file: {name} cannot be read: {error.strerror or error}", param="file"
        ) from None
    return read_cases(data, kind, columns, name=name)
