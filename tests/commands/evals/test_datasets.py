"""`gateway evals dataset`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.conftest import Run


def test_a_dataset_is_imported_listed_exported_and_removed(run: Run, tmp_path: Path) -> None:
    empty = run("evals", "dataset", "list")
    assert "gateway evals dataset import NAME FILE" in empty.err
    file = tmp_path / "faq.csv"
    file.write_text("Question,expected\nCapital of the UK?,London\n")
    made = run("evals", "dataset", "import", "faq", str(file), "--column", "input=Question")
    assert made.code == 0
    assert made.err.startswith("faq has 1 rows, version ")
    more = tmp_path / "more.jsonl"
    more.write_text('{"input": "Capital of France?", "expected": "Paris"}\n')
    run("evals", "dataset", "import", "faq", str(more), "--append")
    [listed] = run("evals", "dataset", "list", "--json").json
    assert (listed["name"], listed["cases"]) == ("faq", 2)
    assert "faq" in run("evals", "dataset", "list").out
    rows = [json.loads(line) for line in run("evals", "dataset", "export", "faq").out.splitlines()]
    assert [row["expected"] for row in rows] == ["London", "Paris"]
    run("evals", "dataset", "export", "faq", "-o", str(tmp_path / "out.yaml"))
    run("evals", "dataset", "import", "copy", str(tmp_path / "out.yaml"))
    versions = {each["version"] for each in run("evals", "dataset", "list", "--json").json}
    assert len(versions) == 1
    assert run("evals", "dataset", "export", "faq", "--format", "xlsx").code == 2
    assert run("evals", "dataset", "remove", "faq").err == "Removed faq.\n"
    assert run("evals", "dataset", "export", "faq").code == 3


def test_a_file_that_is_wrong_changes_nothing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "faq.jsonl"
    file.write_text('{"input": "?"}\n{"output": "no input"}\n')
    refused = run("evals", "dataset", "import", "faq", str(file))
    assert refused.code == 2
    assert "line 2" in refused.err
    assert run("evals", "dataset", "list", "--json").json == []
