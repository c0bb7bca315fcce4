"""Runs, items and what they came to as JSON. Money is in dollars, rates are from 0 to 1."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gateway.display import optional_timestamp, timestamp
from gateway.evals.comparison import CaseChange, Comparison, PairComparison
from gateway.evals.gates import Verdict
from gateway.evals.records import Item, Run
from gateway.evals.results import CaseResult, EvaluatorResult, Notice, Results, TargetResult
from gateway.evals.statistics import Estimate
from gateway.money import dollars


def run_view(run: Run) -> dict[str, Any]:
    """A run without its cases."""
    return {
        "id": run.id,
        "object": "evals.run",
        "name": run.name,
        "suite": run.suite,
        "status": run.status,
        "error": run.error,
        "dataset": {
            "id": run.dataset.id,
            "name": run.dataset.name,
            "version": run.dataset.version,
            "cases": len(run.dataset.cases),
        },
        "models": list(run.targets),
        "evaluators": [
            {"name": each.name, "type": each.type, "version": each.version}
            for each in run.evaluators
        ],
        "messages": [dict(each) for each in run.messages],
        "params": dict(run.params),
        "repeat": run.repeat,
        "concurrency": run.concurrency,
        "max_cost": None if run.max_cost is None else dollars(run.max_cost),
        "model_versions": dict(run.model_versions),
        "key_id": run.key_id,
        "created_at": timestamp(run.created_at),
        "started_at": optional_timestamp(run.started_at),
        "ended_at": optional_timestamp(run.ended_at),
    }


def item_view(item: Item) -> dict[str, Any]:
    return {
        "object": "evals.item",
        "run_id": item.run_id,
        "model": item.target,
        "case_id": item.case_id,
        "repetition": item.repetition,
        "output": item.output,
        "tool_calls": [dict(each) for each in item.tool_calls],
        "error": item.error,
        "latency_ms": item.latency_ms,
        "prompt_tokens": item.prompt_tokens,
        "completion_tokens": item.completion_tokens,
        "cost": None if item.cost is None else dollars(item.cost),
        "judge_tokens": item.judge_tokens,
        "judge_cost": dollars(item.judge_cost),
        "scores": [asdict(each) for each in item.scores],
    }


def results_view(results: Results) -> dict[str, Any]:
    return {
        "object": "evals.results",
        "items": results.items,
        "planned": results.planned,
        "errors": results.errors,
        "cost": dollars(results.cost),
        "unpriced": results.unpriced,
        "models": [_target_view(each) for each in results.targets],
        "evaluators": [_evaluator_view(each) for each in results.evaluators],
        "warnings": _warnings(results.notices),
    }


def _target_view(target: TargetResult) -> dict[str, Any]:
    return {
        "model": target.target,
        "items": target.items,
        "errors": target.errors,
        "error_rate": target.error_rate,
        "latency_p50_ms": target.latency_p50_ms,
        "latency_p95_ms": target.latency_p95_ms,
        "prompt_tokens": target.prompt_tokens,
        "completion_tokens": target.completion_tokens,
        "judge_tokens": target.judge_tokens,
        "cost": dollars(target.cost),
        "judge_cost": dollars(target.judge_cost),
        "unpriced": target.unpriced,
    }


def _evaluator_view(result: EvaluatorResult) -> dict[str, Any]:
    return {
        "model": result.target,
        "evaluator": result.evaluator,
        "pass_rate": _estimate(result.pass_rate),
        "score": _estimate(result.score),
        "verdicts": result.verdicts,
        "failed": result.failed,
        "target_errors": result.target_errors,
        "evaluator_errors": result.evaluator_errors,
        "error_rate": result.error_rate,
    }


def comparison_view(comparison: Comparison) -> dict[str, Any]:
    """A comparison. Cases that did not change are counted, not listed."""
    return {
        "object": "evals.comparison",
        "run": comparison.run_id,
        "base": comparison.base_id,
        "evaluators": [_pair_view(each) for each in comparison.pairs],
        "changed_cases": list(comparison.changed_cases),
        "warnings": _warnings(comparison.notices),
    }


def _pair_view(pair: PairComparison) -> dict[str, Any]:
    return {
        "model": pair.target,
        "base_model": pair.base_target,
        "evaluator": pair.evaluator,
        "pass_rate_difference": _estimate(pair.pass_difference),
        "score_difference": _estimate(pair.score_difference),
        "p_value": pair.p_value,
        "verdict": pair.verdict,
        "fixed": [_change_view(each) for each in pair.fixed],
        "regressed": [_change_view(each) for each in pair.regressed],
        "unchanged": len(pair.changes) - len(pair.fixed) - len(pair.regressed),
        "missing": list(pair.missing),
        "added": list(pair.added),
    }


def _change_view(change: CaseChange) -> dict[str, Any]:
    return {
        "case_id": change.case_id,
        "base": _case_view(change.base),
        "now": _case_view(change.now),
    }


def _case_view(case: CaseResult) -> dict[str, Any]:
    return {"passes": case.passes, "score": case.score}


def verdict_view(verdict: Verdict) -> dict[str, Any]:
    return {
        "object": "evals.gate",
        "passed": verdict.passed,
        "checks": [
            {
                "name": each.name,
                "model": each.target,
                "evaluator": each.evaluator,
                "wanted": each.wanted,
                "got": each.got,
                "passed": each.passed,
                "reason": each.reason,
            }
            for each in verdict.checks
        ],
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else asdict(estimate)


def _warnings(notices: tuple[Notice, ...]) -> list[dict[str, Any]]:
    return [asdict(each) for each in notices]
