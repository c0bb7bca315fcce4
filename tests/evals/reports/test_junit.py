"""JUnit XML: failures and errors apart, well-formed whatever models say."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.records import Case, Gate, RunWithItems, Score
from gateway.evals.reports.junit import junit_xml
from gateway.evals.reports.report import report_of
from gateway.evals.reports.text import printable
from tests.evals.runs import evaluation, evaluator


def xml(made: RunWithItems) -> Element:
    return fromstring(junit_xml(report_of(made)))


def outcomes(suite: Element) -> dict[str | None, str | None]:
    return {
        test.get("name"): next((child.tag for child in test), "passed")
        for test in suite.findall("testcase")
    }


def test_a_suite_for_each_target_and_evaluator() -> None:
    root = xml(
        evaluation(
            {"gpt": [True, False, None, "no grade", 0.7], "llama": [True] * 5},
            evaluators=[evaluator("exact"), evaluator("tone")],
        )
    )
    assert root.tag == "testsuites"
    assert dict(root.attrib) == {
        "name": "faq-ci",
        "tests": "20",
        "failures": "2",
        "errors": "4",
        "time": "2.000",
    }
    names = [suite.get("name") for suite in root]
    assert names == ["gpt × exact", "gpt × tone", "llama × exact", "llama × tone"]
    assert dict(root[0].attrib) == {
        "name": "gpt × exact",
        "timestamp": "2026-09-21T14:13:20",
        "tests": "5",
        "failures": "1",
        "errors": "2",
        "skipped": "1",
        "time": "0.500",
    }
    assert outcomes(root[0]) == {
        "case-0": "passed",
        "case-1": "failure",
        "case-2": "error",
        "case-3": "error",
        "case-4": "skipped",
    }


def test_what_each_outcome_says() -> None:
    made = evaluation({"gpt": [False, None, "no grade", 0.7]})
    failed, missing, unjudged, scored = xml(made)[0]
    assert dict(failed.attrib) == {
        "classname": "faq-ci.gpt.exact",
        "name": "case-0",
        "time": "0.100",
    }
    assert dict(failed[0].attrib) == {"type": "exact", "message": "no"}
    assert failed[0].text == (
        "Input:\nQuestion 0?\n\nExpected:\nAnswer 0\n\nOutput:\nAn answer.\n\nScore:\n0\n\n"
        "Reason:\nno"
    )
    assert dict(missing[0].attrib) == {"type": "target", "message": "upstream said 500"}
    assert dict(unjudged[0].attrib) == {"type": "evaluator", "message": "no grade"}
    assert dict(scored[0].attrib) == {"message": "score 0.7, no threshold"}


def test_an_answer_that_an_evaluator_has_not_seen_is_an_error() -> None:
    made = evaluation({"gpt": [True]})
    [test] = xml(RunWithItems(made.run, [replace(made.items[0], scores=())]))[0]
    assert dict(test[0].attrib) == {"type": "evaluator", "message": "not evaluated"}


def test_repeats_are_tests_of_their_own() -> None:
    [suite] = xml(evaluation({"gpt": [[True, False]]}))
    assert outcomes(suite) == {"case-0 #1": "passed", "case-0 #2": "failure"}


def test_the_gate_is_a_suite() -> None:
    gate = xml(evaluation({"gpt": [True, False]}, gate=Gate(pass_rate=0.9)))[-1]
    assert gate.get("name") == "gate"
    assert outcomes(gate) == {
        "completed": "passed",
        "judged": "passed",
        "pass_rate: gpt × exact": "failure",
    }
    message = gate[-1][0].get("message")
    assert message == "50.0 % of 2 cases passed, 90.0 % are wanted."


def test_long_answers_are_cut() -> None:
    made = evaluation({"gpt": [False]}, item={"tool_calls": ({"name": "x" * 99_999},)})
    assert len(junit_xml(report_of(made))) < 7_000


@given(st.text(), st.text())
def test_any_text_of_a_model_or_a_dataset_is_well_formed(said: str, named: str) -> None:
    made = evaluation(
        {named: [False, True, True]},
        of=[Case(named + str(n), said, said, (said,), {said: said}) for n in range(3)],
        evaluators=[evaluator(named)],
        name=named,
    )
    failed, missing, unjudged = made.items
    items = [
        replace(
            failed, output=said, tool_calls=({said: said},), scores=(Score(named, 0, False, said),)
        ),
        replace(missing, error=said, scores=()),
        replace(unjudged, scores=(Score(named, error=said or "?"),)),
    ]
    [suite] = xml(RunWithItems(made.run, items))
    assert list(outcomes(suite).values()) == ["failure", "error", "error"]
    assert suite[1][0].get("message") == printable(said)
