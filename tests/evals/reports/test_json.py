"""The report as JSON."""

from __future__ import annotations

import json

from gateway.evals.records import Case, Gate
from gateway.evals.reports.json import json_text
from gateway.evals.reports.report import report_of
from tests.evals.runs import evaluation


def test_all_of_a_run_is_there() -> None:
    made = evaluation(
        {"gpt": [True, None]},
        of=[
            Case("a", ({"role": "user", "content": "\ud83d"},), {"x": 1}, ("geo",)),
            Case("b", "?"),
        ],
        gate=Gate(pass_rate=0.5),
    )
    text = json_text(report_of(made, made))
    text.encode()
    report = json.loads(text)
    assert list(report) == ["object", "run", "results", "comparison", "gate", "items"]
    assert report["object"] == "evals.report"
    assert report["run"]["id"] == "run_now"
    assert report["results"]["models"][0]["errors"] == 1
    assert report["comparison"]["base"] == "run_now"
    assert report["gate"]["passed"] is True
    first, second = report["items"]
    assert first["input"] == [{"role": "user", "content": "\ud83d"}]
    assert (first["expected"], first["tags"]) == ({"x": 1}, ["geo"])
    assert first["scores"][0]["passed"] is True
    assert (second["input"], second["error"]) == ("?", "upstream said 500")


def test_without_a_base_and_a_gate_there_is_null() -> None:
    report = json.loads(json_text(report_of(evaluation({"gpt": [True]}))))
    assert (report["comparison"], report["gate"]) == (None, None)
