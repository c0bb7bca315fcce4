"""`gateway evals import-openai`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.http.evals.test_openai_evals import EXACT, KIND

EVAL = {"object": "eval", "id": "eval_1", "name": "Capitals", "testing_criteria": [EXACT, KIND]}


def test_graders_rows_and_a_suite(run: Run, tmp_path: Path) -> None:
    file, rows = tmp_path / "eval.json", tmp_path / "rows.jsonl"
    file.write_text(json.dumps(EVAL))
    rows.write_text('{"item": {"country": "UK", "city": "London"}}\n')
    made = run("evals", "import-openai", str(file), "--rows", str(rows), "--model", "gpt")
    assert made.code == 0, made.err
    assert "gateway evals run 'Capitals'" in made.err
    evaluators = run("evals", "evaluators", "--json").json
    assert [each["name"] for each in evaluators] == ["Capitals: exact", "Capitals: kind"]
    assert evaluators[1]["judge"] == "judge"
    [suite] = run("evals", "suites", "--json").json
    assert (suite["dataset"], suite["models"]) == ("Capitals", ["gpt"])
    assert suite["evaluators"] == ["Capitals: exact", "Capitals: kind"]
    [row] = run("evals", "dataset", "export", "Capitals").out.splitlines()
    assert json.loads(row).items() >= {"country": "UK", "city": "London"}.items()


def test_a_list_of_evaluations(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "evals.json"
    file.write_text(json.dumps({"object": "list", "data": [EVAL, EVAL | {"name": "Other"}]}))
    assert run("evals", "import-openai", str(file)).code == 0
    assert len(run("evals", "evaluators", "--json").json) == 4
    assert run("evals", "import-openai", str(file), "--model", "gpt").code == 2
    assert run("evals", "import-openai", str(file), "--rows", str(file)).code == 2
    file.write_text(json.dumps(EVAL | {"name": "Third"}))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}\n{\n")
    refused = run("evals", "import-openai", str(file), "--rows", str(rows))
    assert (refused.code, "line 2" in refused.err) == (2, True)


@pytest.mark.parametrize("text", ["{", "[5]", "{}", '{"name": "x"}'])
def test_what_is_no_evaluation_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "evals.json"
    file.write_text(text)
    assert run("evals", "import-openai", str(file)).code in (1, 2)
    assert run("evals", "evaluators", "--json").json == []
