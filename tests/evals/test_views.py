"""What a run came to as JSON: names that stay, money in dollars."""

from __future__ import annotations

import json
from dataclasses import replace

from gateway.evals.comparison import compare
from gateway.evals.gates import verdict_of
from gateway.evals.records import Gate
from gateway.evals.results import results_of
from gateway.evals.views import comparison_view, item_view, results_view, run_view, verdict_view
from tests.evals.runs import evaluation

_RATE = {"value": 0.5, "low": 0.09453120573423074, "high": 0.9054687942657693, "n": 2}


def test_results() -> None:
    made = evaluation({"gpt": [True, False]}, item={"judge_cost": 500_000_000, "judge_tokens": 7})
    assert results_view(results_of(made)) == {
        "object": "evals.results",
        "items": 2,
        "planned": 2,
        "errors": 0,
        "cost": 1.002,
        "unpriced": 0,
        "models": [
            {
                "model": "gpt",
                "items": 2,
                "errors": 0,
                "error_rate": 0.0,
                "latency_p50_ms": 100,
                "latency_p95_ms": 100,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "judge_tokens": 14,
                "cost": 0.002,
                "judge_cost": 1.0,
                "unpriced": 0,
            }
        ],
        "evaluators": [
            {
                "model": "gpt",
                "evaluator": "exact",
                "pass_rate": _RATE,
                "score": {"value": 0.5, "low": 0.0, "high": 1.0, "n": 2},
                "verdicts": 2,
                "failed": 1,
                "target_errors": 0,
                "evaluator_errors": 0,
                "error_rate": 0.0,
            }
        ],
        "warnings": [
            {
                "code": "few_cases",
                "message": "Results rest on as few as 2 cases. With fewer than 30, intervals are "
                "wide and most differences are chance.",
            }
        ],
    }


def test_comparisons_list_the_cases_that_changed() -> None:
    before = evaluation({"gpt": [True, True]}, id="run_base")
    view = comparison_view(compare(evaluation({"gpt": [True, False]}), before))
    [pair] = view["evaluators"]
    assert (view["object"], view["run"], view["base"]) == (
        "evals.comparison",
        "run_now",
        "run_base",
    )
    assert pair["regressed"] == [
        {
            "case_id": "case-1",
            "base": {"passes": 1.0, "score": 1.0},
            "now": {"passes": 0.0, "score": 0.0},
        }
    ]
    assert (pair["fixed"], pair["unchanged"], pair["missing"], pair["added"]) == ([], 1, [], [])
    assert (pair["model"], pair["base_model"]) == ("gpt", "gpt")
    assert pair["pass_rate_difference"]["value"] == -0.5
    assert (pair["p_value"], pair["verdict"]) == (1.0, "no clear difference")


def test_verdicts() -> None:
    made = evaluation({"gpt": [True]}, gate=Gate(pass_rate=1))
    verdict = verdict_of(made, results_of(made))
    assert verdict is not None
    view = verdict_view(verdict)
    assert view["passed"] is True
    assert view["checks"][-1] == {
        "name": "pass_rate",
        "model": "gpt",
        "evaluator": "exact",
        "wanted": 1,
        "got": 1.0,
        "passed": True,
        "reason": "100.0 % of 1 cases passed, 100.0 % are wanted; the 95 % interval reaches down "
        "to 20.7 %.",
    }


def test_runs_and_items_are_json_with_money_in_dollars() -> None:
    made = evaluation({"gpt": [True]}, max_cost=1_500_000_000)
    run = json.loads(json.dumps(run_view(made.run)))
    assert run["max_cost"] == 1.5
    assert run["dataset"] == {"id": "ds_1", "name": "faq", "version": "v1", "cases": 1}
    assert (run["created_at"], run["ended_at"]) == ("2026-09-21T14:13:20Z", "2026-09-21T14:14:20Z")
    item = json.loads(json.dumps(item_view(made.items[0])))
    assert (item["model"], item["case_id"], item["cost"]) == ("gpt", "case-0", 0.001)
    assert item["scores"] == [
        {
            "evaluator": "exact",
            "score": 1.0,
            "passed": True,
            "reason": "as expected",
            "error": None,
        }
    ]
    assert item_view(replace(made.items[0], cost=None))["cost"] is None
    assert run_view(replace(made.run, max_cost=None, ended_at=None))["max_cost"] is None
