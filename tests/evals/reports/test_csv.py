"""The report as CSV: a row for each answer by each evaluator, and no formulas."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from gateway.evals.records import Case, RunWithItems, Score
from gateway.evals.reports.csv import COLUMNS, csv_report
from gateway.evals.reports.report import report_of
from tests.evals.runs import evaluation, evaluator


def rows(made: RunWithItems) -> list[dict[str, str]]:
    text = csv_report(report_of(made))
    text.encode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_for_each_answer_by_each_evaluator() -> None:
    made = evaluation(
        {"gpt": [[True, "no grade"], [None]]},
        of=[Case("a", "Question?", "Answer", ("geo",)), Case("b", ({"role": "user"},))],
        evaluators=[evaluator("exact"), evaluator("tone")],
    )
    found = rows(made)
    assert [(row["case_id"], row["repetition"], row["evaluator"]) for row in found] == [
        ("a", "0", "exact"),
        ("a", "0", "tone"),
        ("a", "1", "exact"),
        ("a", "1", "tone"),
        ("b", "0", ""),
    ]
    assert found[0] == {
        "run_id": "run_now",
        "model": "gpt",
        "case_id": "a",
        "repetition": "0",
        "tags": '["geo"]',
        "evaluator": "exact",
        "passed": "true",
        "score": "1.0",
        "reason": "as expected",
        "evaluator_error": "",
        "error": "",
        "input": "Question?",
        "expected": "Answer",
        "output": "An answer.",
        "tool_calls": "[]",
        "latency_ms": "100",
        "prompt_tokens": "0",
        "completion_tokens": "0",
        "cost": "0.001",
        "judge_tokens": "0",
        "judge_cost": "0.0",
    }
    assert tuple(found[0]) == COLUMNS
    assert found[2]["evaluator_error"] == "no grade"
    assert (found[4]["error"], found[4]["cost"]) == ("upstream said 500", "")
    assert found[4]["input"] == '[{"role": "user"}]'


def test_no_text_of_a_model_is_a_formula_or_breaks_the_file() -> None:
    evil = '=HYPERLINK("http://x")\x00\ud83d'
    made = evaluation({"gpt": [True]}, of=[Case(evil, evil, {"a": evil}, (evil,))])
    item = replace(
        made.items[0],
        output=evil,
        error=evil,
        tool_calls=({"name": evil},),
        scores=(Score(evil, 1, True, evil, evil),),
    )
    [row] = rows(RunWithItems(made.run, [item]))
    assert row["output"] == '\'=HYPERLINK("http://x")\\x00\\ud83d'
    assert not [value for value in row.values() if value.startswith("=")]
    assert not [value for value in row.values() if "\x00" in value or "\ud83d" in value]
