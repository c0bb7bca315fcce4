"""`evals:` of a configuration file: read, put into a database, and written out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gateway.config.export import export
from gateway.config.file import load, read
from gateway.config.seed import apply
from gateway.config.values import ConfigRefused
from gateway.settings import Settings
from gateway.store import Store
from tests.servers import TESTER

FILE = """\
evals:
  datasets:
  - name: faq
    rows:
    - {id: uk, input: "Capital of the UK", expected: London, tags: [geo]}
  evaluators:
  - {name: exact, type: string_check, operation: eq}
  - name: tone
    type: score_model
    judge: judge
    prompt: "How kind is {{sample.output_text}}?"
    range: [1, 10]
    pass_threshold: 7
  suites:
  - name: ci
    dataset: faq
    models: [gpt]
    evaluators: [exact, tone]
    repeat: 3
    max_cost: 1.5
    gate: {pass_rate: 0.9, no_regression_vs: baseline}
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(Settings(database_url=f"sqlite:///{tmp_path}/a.db")) as opened:
        yield opened


async def applied(store: Store, text: str) -> dict[str, str]:
    """Apply a file; what became of each thing it names."""
    changes = await apply(store, read(text), {}, TESTER)
    return {f"{change.kind} {change.name}": change.state for change in changes}


async def test_a_file_that_is_applied_twice_changes_nothing(store: Store) -> None:
    names = ("dataset faq", "evaluator exact", "evaluator tone", "suite ci")
    assert await applied(store, FILE) == dict.fromkeys(names, "added")
    [suite] = await store.evals.suites.all()
    assert (suite.max_cost, suite.gate and suite.gate.pass_rate) == (1_500_000_000, 0.9)
    count = len((await store.audit.page(99))[0])
    assert await applied(store, FILE) == dict.fromkeys(names, "unchanged")
    assert len((await store.audit.page(99))[0]) == count == 4
    changed = FILE.replace("London", "Cardiff").replace("repeat: 3", "repeat: 5")
    assert await applied(store, changed) == dict.fromkeys(names, "unchanged") | {
        "dataset faq": "updated",
        "suite ci": "updated",
    }
    [again] = await store.evals.suites.all()
    assert (again.id, again.repeat) == (suite.id, 5)
    assert (await store.evals.datasets.get("faq")).cases[0].expected == "Cardiff"


async def test_a_baseline_and_rows_stay_that_the_file_says_nothing_of(store: Store) -> None:
    await applied(store, FILE)
    await store.evals.suites.change("ci", lambda s: replace(s, baseline="run_1"), TESTER)
    bare = "evals: {datasets: [{name: faq, description: Capitals}]}"
    assert await applied(store, bare) == {"dataset faq": "updated"}
    await applied(store, FILE)
    assert (await store.evals.suites.get("ci")).baseline == "run_1"
    assert len((await store.evals.datasets.get("faq")).cases) == 1


async def test_what_is_exported_makes_the_same(store: Store, tmp_path: Path) -> None:
    await applied(store, FILE)
    await store.evals.suites.change("ci", lambda s: replace(s, baseline="run_1"), TESTER)
    text = await export(store)
    assert yaml.safe_load(text)["evals"] == yaml.safe_load(FILE)["evals"]
    async with Store.open(Settings(database_url=f"sqlite:///{tmp_path}/b.db")) as other:
        await applied(other, text)
        assert await export(other) == text


async def test_a_dataset_may_be_in_a_file_beside_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text("input,expected\nCapital of the UK?,London\n")
    path = tmp_path / "gateway.yaml"
    path.write_text("evals:\n  datasets:\n  - name: faq\n    file: faq.csv\n")
    await apply(store, load(path), {}, TESTER)
    assert (await store.evals.datasets.get("faq")).cases[0].expected == "London"
    path.write_text("evals:\n  datasets:\n  - name: faq\n    file: none.csv\n")
    [finding] = load(path).errors
    assert (finding.line, finding.path) == (4, "evals.datasets[0].file")


@pytest.mark.parametrize(
    ("old", "new", "line", "path"),
    [
        ("operation: eq", "operation: equal", 7, "evals.evaluators[0].operation"),
        ("type: score_model", "type: score_modl", 9, "evals.evaluators[1].type"),
        ("{id: uk, input", "{id: uk, inpt", 5, "evals.datasets[0].rows[0]"),
        ("repeat: 3", "repeat: none", 19, "evals.suites[0].repeat"),
        ("pass_rate: 0.9", "pass_rate: 90", 21, "evals.suites[0].gate.pass_rate"),
        ("name: tone", "name: exact", 8, "evals.evaluators[1].name"),
        ("  suites:", "  suits:", 14, "evals.suits"),
        ("  evaluators:\n  - {", "  evaluators:\n  - 5\n  - {", 7, "evals.evaluators[0]"),
    ],
)
def test_an_error_names_its_line(old: str, new: str, line: int, path: str) -> None:
    finding, *_ = read(FILE.replace(old, new)).errors
    assert (finding.line, finding.path) == (line, path), finding


async def test_a_suite_of_what_is_nowhere_is_refused_before_anything_is_written(
    store: Store,
) -> None:
    text = FILE.replace("dataset: faq", "dataset: none").replace("[exact, tone]", "[exact, kind]")
    with pytest.raises(ConfigRefused) as refused:
        await applied(store, text)
    assert [(each.line, each.path) for each in refused.value.findings] == [
        (15, "evals.suites[0].dataset"),
        (15, "evals.suites[0].evaluators"),
    ]
    assert await store.evals.datasets.all() == []
