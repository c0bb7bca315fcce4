"""`evals:` of a configuration file: datasets, evaluators and suites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gateway.config.reading import Reading, show
from gateway.config.values import EvalEntry, EvalsSection
from gateway.errors import InvalidField
from gateway.evals.records import Dataset, Evaluator, Suite
from gateway.evals.specs import dataset_record, evaluator_record, suite_record
from gateway.evals.specs.datasets import ReadFile
from gateway.yaml_lines import Path

SECTION = "evals"
PARTS = ("datasets", "evaluators", "suites")

T = TypeVar("T", Dataset, Evaluator, Suite)


def read_evals(reading: Reading, values: Any, read_file: ReadFile | None) -> EvalsSection:
    """What is in order of it. Records have the time 0; `read_file` reads what a dataset names."""
    root = reading.mapping(values, (SECTION,))
    for name in root:
        if name not in PARTS:
            reading.unknown((SECTION, name), root[name], (), PARTS)
    parts = {part: (SECTION, part) for part in PARTS}
    datasets = tuple(
        _read(
            reading,
            root.get("datasets"),
            parts["datasets"],
            lambda entry: dataset_record(entry, 0, read_file),
        )
    )
    evaluators = tuple(
        _read(
            reading,
            root.get("evaluators"),
            parts["evaluators"],
            lambda entry: evaluator_record(entry, 0),
        )
    )
    suites = tuple(
        _read(reading, root.get("suites"), parts["suites"], lambda entry: suite_record(entry, 0))
    )
    return EvalsSection(datasets, evaluators, suites)


def _read(
    reading: Reading, entries: Any, path: Path, made: Callable[[dict[str, Any]], T]
) -> Iterator[EvalEntry[T]]:
    """The entries that are in order, in the file's order."""
    taken: dict[str, int] = {}
    for place, entry in reading.entries(entries, path):
        try:
            record = made(entry)
            if record.name in taken:
                raise InvalidField(
                    f"{record.name!r} is that of line {taken[record.name]} already", param="name"
                )
        except InvalidField as error:
            reading.add(reading.place(place, error.param), "error", error.message)
            continue
        taken[record.name] = reading.line(place)
        yield EvalEntry(reading.line(place), show(place), record, frozenset(entry))
