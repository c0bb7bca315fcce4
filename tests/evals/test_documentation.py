"""docs/evaluators.md and docs/evaluations.md: what they show is accepted, and nothing that there is
goes unnamed."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml
from starlette.routing import Route
from typer.core import TyperGroup

from gateway.commands import app
from gateway.evals.specs import TYPES, dataset_record, evaluator_record, suite_record
from gateway.evals.specs.evaluators import Measure, StringOperation, TextOperation
from gateway.evals.specs.scorers import SCORERS
from gateway.evals.templates import check_template
from gateway.http.evals.routes import routes

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "evaluators.md").read_text()
RUNNING = (DOCS / "evaluations.md").read_text()
BLOCKS = [
    yaml.safe_load(block)["evals"]
    for block in re.findall(r"```yaml\n(.*?)```", TEXT + RUNNING, re.S)
]
RECORDS: dict[str, Any] = {
    "datasets": partial(dataset_record, read_file=lambda _: b"input\nHello?\n"),
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


def test_commands_and_their_options_are_there() -> None:
    shown = re.findall(r"^gateway .*?(?=\s*#|$)", RUNNING, re.M)
    shown += re.findall(r"`(gateway [^`]+)`", RUNNING)
    assert len(shown) > 5
    for line in shown:
        words = shlex.split(line)[1:]
        command = typer.main.get_command(app)
        while isinstance(command, TyperGroup):
            command = command.commands[words.pop(0)]
        there = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= there, line


def test_the_routes_are_those_that_there_are() -> None:
    [table] = re.findall(r"^Below `/api/v1/gateway/evals`.*?\n\n(.*?)\n\n", RUNNING, re.M | re.S)
    named = re.findall(r"^\| (`.*?) \|", table, re.M)
    there = [route.path for route in routes("") if isinstance(route, Route)]
    assert _words(named) == _words(there)


def _words(paths: list[str]) -> set[str]:
    """Without parameters."""
    plain = (re.sub(r"\{.*?\}|\?[^`]*", "", path) for path in paths)
    return {word for path in plain for word in re.findall(r"\w+", path)}
