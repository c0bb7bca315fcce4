"""What a run has come to, on a terminal and in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.evals.options import Files
from gateway.commands.output import note, print_table, visible
from gateway.money import in_digits

if TYPE_CHECKING:
    from gateway.evals.comparison import Comparison
    from gateway.evals.gates import Verdict
    from gateway.evals.records import RunHead
    from gateway.evals.reports.report import Report
    from gateway.evals.statistics import Estimate


def print_report(report: Report) -> None:
    """Tables on stdout; what is to be taken with care, and the gate's verdict, on stderr."""
    run, results = report.evaluation.run, report.results
    print_table(
        ("MODEL", "EVALUATOR", "PASS RATE", "95 %", "SCORE", "CASES", "FAILED", "ERRORS"),
        (
            (
                each.target,
                each.evaluator,
                _rate(each.pass_rate),
                _interval(each.pass_rate or each.score),
                None if each.score is None else f"{each.score.value:.3f}",
                (each.pass_rate or each.score).n if each.pass_rate or each.score else 0,  # type: ignore[union-attr]
                each.failed,
                each.target_errors + each.evaluator_errors,
            )
            for each in results.evaluators
        ),
        "Nothing has been evaluated.",
    )
    print_table(
        ("MODEL", "ANSWERS", "ERRORS", "P50 MS", "P95 MS", "TOKENS", "COST", "JUDGES"),
        (
            (
                each.target,
                each.items,
                each.errors,
                each.latency_p50_ms,
                each.latency_p95_ms,
                each.prompt_tokens + each.completion_tokens,
                f"${in_digits(each.cost)}",
                f"${in_digits(each.judge_cost)}",
            )
            for each in results.targets
        ),
        "",
    )
    if report.comparison is not None:
        print_comparison(report.comparison)
    for notice in results.notices:
        note(f"Note: {visible(notice.message)}")
    if run.error is not None:
        note(f"The run {run.id} is {run.status}: {visible(run.error)}")
    if report.verdict is not None:
        _print_verdict(report.verdict)


def print_comparison(comparison: Comparison) -> None:
    """What has become of each evaluator since the base."""
    from gateway.evals.figures import chance

    print_table(
        ("MODEL", "EVALUATOR", "CHANGE", "95 %", "P", "FIXED", "REGRESSED", "VERDICT"),
        (
            (
                pair.target,
                pair.evaluator,
                None if pair.difference is None else f"{pair.difference.value * 100:+.1f}",
                _interval(pair.difference),
                chance(pair.p_value),
                len(pair.fixed),
                len(pair.regressed),
                pair.verdict,
            )
            for pair in comparison.pairs
        ),
        "",
    )
    for pair in comparison.pairs:
        if pair.regressed:
            names = ", ".join(change.case_id for change in pair.regressed[:10])
            more = ", …" if len(pair.regressed) > 10 else ""
            note(visible(f"Regressed at {pair.target}, {pair.evaluator}: {names}{more}"))
    for notice in comparison.notices:
        note(f"Note: {visible(notice.message)}")


def print_heads(heads: list[RunHead]) -> None:
    """Runs, a row each."""
    print_table(
        ("ID", "NAME", "SUITE", "STATUS", "DONE", "FAILED", "ERRORS", "COST", "STARTED"),
        map(_row, heads),
        "No runs. Begin one: gateway evals run SUITE",
    )


def write_reports(report: Report, files: Files) -> None:
    """The files that are wanted; those that are there are written anew."""
    from gateway.evals.reports.csv import csv_report
    from gateway.evals.reports.html import html_page
    from gateway.evals.reports.json import json_text
    from gateway.evals.reports.junit import junit_xml

    for path, make in (
        (files.junit, junit_xml),
        (files.json, json_text),
        (files.csv, csv_report),
        (files.html, html_page),
    ):
        if path is not None:
            _write(path, make(report))


def _write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    note(f"Wrote {path}.")


def _print_verdict(verdict: Verdict) -> None:
    note(f"The gate is {'passed' if verdict.passed else 'NOT passed'}.")
    for check in verdict.failures:
        note(
            f"- {visible(' · '.join(_told(check.name, check.target, check.evaluator)))}: "
            f"{visible(check.reason)}"
        )


def _told(*parts: str | None) -> Iterator[str]:
    return (part for part in parts if part)


def _row(head: RunHead) -> tuple[object, ...]:
    from gateway.display import timestamp

    run, progress = head.run, head.progress
    return (
        run.id,
        run.name,
        run.suite,
        run.status,
        f"{progress.done}/{progress.planned}",
        progress.failed,
        progress.errors,
        f"${in_digits(progress.spent)}",
        timestamp(run.created_at),
    )


def _rate(estimate: Estimate | None) -> str | None:
    return None if estimate is None else f"{estimate.value * 100:.1f} %"


def _interval(estimate: Estimate | None) -> str | None:
    return None if estimate is None else f"{estimate.low * 100:.1f} – {estimate.high * 100:.1f}"
