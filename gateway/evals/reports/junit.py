"""A run as JUnit XML, which CI servers show as tests.

A suite is one evaluator of one target, a test is one answer, and a suite of its own tells of the
gate's checks. Answers that there is no verdict on are errors, not failures; scores without a
threshold are skipped, since they neither pass nor fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from gateway.display import timestamp
from gateway.evals.gates import Verdict
from gateway.evals.records import Case, Item, Score
from gateway.evals.reports.report import Report
from gateway.evals.reports.text import as_text, cut, input_text, printable

_MOST_MESSAGE = 300
_MOST_TEXT = 4000


def junit_xml(report: Report) -> bytes:
    """The document, in UTF-8. It is well-formed whatever models and datasets say."""
    run = report.evaluation.run
    root = _element(None, "testsuites", name=run.name)
    answers = report.answers()
    for target in run.targets:
        own = [(case, item) for case, item in answers if item.target == target]
        for evaluator in run.evaluators:
            suite = _element(root, "testsuite", name=f"{target} × {evaluator.name}")
            suite.set("timestamp", timestamp(run.started_at or run.created_at).rstrip("Z"))
            for case, item in own:
                _add_test(suite, run.name, evaluator.name, run.repeat, case, item)
    if report.verdict is not None:
        _add_gate(root, run.name, report.verdict)
    for suite in root:
        _count(suite, list(suite))
    _count(root, [test for suite in root for test in suite])
    # Of the whole, the schemas that CI servers go by have no such number.
    del root.attrib["skipped"]
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add_test(
    suite: Element, run_name: str, evaluator: str, repeat: int, case: Case, item: Item
) -> None:
    score = next((each for each in item.scores if each.evaluator == evaluator), None)
    test = _element(
        suite,
        "testcase",
        classname=f"{run_name}.{item.target}.{evaluator}",
        name=case.id if repeat == 1 else f"{case.id} #{item.repetition + 1}",
        time=f"{(item.latency_ms or 0) / 1000:.3f}",
    )
    if item.error is not None:
        _element(test, "error", type="target", message=cut(item.error, _MOST_MESSAGE))
    elif score is None or score.error is not None:
        why = (score and score.error) or "not evaluated"
        _element(test, "error", type="evaluator", message=cut(why, _MOST_MESSAGE))
    elif score.passed is None:
        _element(test, "skipped", message=f"{_told(score)}, no threshold")
    elif not score.passed:
        message = score.reason or _told(score)
        failure = _element(test, "failure", type=evaluator, message=cut(message, _MOST_MESSAGE))
        failure.text = printable(_account(case, item, score))


def _told(score: Score) -> str:
    return "no score" if score.score is None else f"score {score.score:.3g}"


def _account(case: Case, item: Item, score: Score) -> str:
    parts = {
        "Input": input_text(case),
        "Expected": as_text(case.expected),
        "Output": as_text(item.output),
        "Tool calls": as_text(item.tool_calls) if item.tool_calls else "",
        "Score": "" if score.score is None else f"{score.score:.3g}",
        "Reason": score.reason or "",
    }
    return "\n\n".join(f"{name}:\n{cut(text, _MOST_TEXT)}" for name, text in parts.items() if text)


def _add_gate(root: Element, run_name: str, verdict: Verdict) -> None:
    suite = _element(root, "testsuite", name="gate")
    for check in verdict.checks:
        of = " × ".join(filter(None, (check.target, check.evaluator)))
        name = f"{check.name}: {of}" if of else check.name
        test = _element(suite, "testcase", classname=f"{run_name}.gate", name=name, time="0.000")
        if not check.passed:
            _element(test, "failure", type=check.name, message=check.reason)


def _count(parent: Element, tests: Sequence[Element]) -> None:
    parent.set("tests", str(len(tests)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        parent.set(attribute, str(sum(test.find(tag) is not None for test in tests)))
    parent.set("time", f"{sum(float(test.get('time', 0)) for test in tests):.3f}")


def _element(parent: Element | None, tag: str, **attributes: Any) -> Element:
    safe = {name: printable(value) for name, value in attributes.items()}
    return Element(tag, safe) if parent is None else SubElement(parent, tag, safe)
