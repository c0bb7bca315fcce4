"""docs/evaluators.md: what it shows is accepted, and nothing that there is goes unnamed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from gateway.evals.specs import TYPES, dataset_record, evaluator_record, suite_record
from gateway.evals.specs.evaluators import Measure, StringOperation, TextOperation
from gateway.evals.specs.scorers import SCORERS
from gateway.evals.templates import check_template

TEXT = (Path(__file__).parents[2] / "docs" / "evaluators.md").read_text()
BLOCKS = [yaml.safe_load(block)["evals"] for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.S)]
RECORDS: dict[str, Any] = {
    "datasets": dataset_record,
    "evaluators": evaluator_record,
    "suites": suite_record,
}
SHOWN = [(kind, entry) for block in BLOCKS for kind, listed in block.items() for entry in listed]


@pytest.mark.parametrize(("kind", "entry"), SHOWN, ids=lambda value: str(value)[:40])
def test_what_is_shown_is_accepted(kind: str, entry: Any) -> None:
    assert RECORDS[kind](entry, 1).name == entry["name"]


def test_every_type_is_shown() -> None:
    assert {entry["type"] for kind, entry in SHOWN if kind == "evaluators"} == set(TYPES)


def test_everything_is_named() -> None:
    named = set(re.findall(r"\w+", TEXT))
    for known in (SCORERS, get_args(Measure), get_args(StringOperation), get_args(TextOperation)):
        assert set(known) <= named


def test_references_in_the_text_are_ones() -> None:
    found = set(re.findall(r"`(\{\{.*?\}\})`", TEXT))
    assert len(found) > 8
    for reference in found:
        check_template(reference)


def test_scorers_need_what_the_table_says() -> None:
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \|$", TEXT, re.M)
    told = {
        scorer: ("`judge`" in needs, "`embedding`" in needs)
        for scorers, needs in rows
        for scorer in re.findall(r"\w+", scorers)
    }
    assert told == {name: (one.judge, one.embedding) for name, one in SCORERS.items()}
