"""Records of evaluations to store."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from gateway.evals.records import Case, Dataset, Evaluator, Gate, Item, Run, Score, Suite

CASES = (
    Case("uk", "Capital of the UK?", "London", ("geo",), {"hard": False}),
    Case("fr", ({"role": "user", "content": "Capital of France?"},), {"answer": "Paris"}),
    Case("🦊", "'; DROP TABLE eval_cases; --"),
)


def dataset(name: str = "faq", cases: tuple[Case, ...] = CASES, **fields: Any) -> Dataset:
    version = hashlib.sha256(repr(cases).encode()).hexdigest()
    return replace(Dataset(f"ds_{name}", name, None, cases, version, 1000, 1000), **fields)


def evaluator(name: str = "answer", **params: Any) -> Evaluator:
    given = params or {"operation": "eq", "reference": "{{item.expected}}"}
    version = hashlib.sha256(repr(given).encode()).hexdigest()
    return Evaluator(f"ev_{name}", name, "string_check", given, version, 1000, 1000)


def suite(name: str = "ci", **fields: Any) -> Suite:
    plain = Suite(f"su_{name}", name, "faq", ("gpt",), ("answer",), created_at=1000, updated_at=1)
    return replace(plain, **fields)


def run(run_id: str = "run_1", **fields: Any) -> Run:
    plain = Run(
        id=run_id,
        name="Nightly",
        suite="ci",
        status="pending",
        dataset=dataset(),
        targets=("gpt", "claude"),
        evaluators=(evaluator(),),
        messages=({"role": "user", "content": "{{item.input}}"},),
        params={"temperature": 0},
        repeat=2,
        concurrency=4,
        max_cost=10**18,
        gate=Gate(pass_rate=0.9, no_regression_vs="baseline"),
        model_versions={"gpt": "a", "claude": "b"},
        key_id="key_1",
        created_at=1000,
    )
    return replace(plain, **fields)


def item(case_id: str = "uk", target: str = "gpt", **fields: Any) -> Item:
    plain = Item(
        run_id="run_1",
        target=target,
        case_id=case_id,
        repetition=0,
        output="London",
        tool_calls=({"id": "call_1", "function": {"name": "f", "arguments": "{}"}},),
        latency_ms=12,
        prompt_tokens=5,
        completion_tokens=2,
        cost=2**40,
        judge_tokens=7,
        judge_cost=3,
        scores=(Score("answer", 1.0, True, "as it should be"),),
    )
    return replace(plain, **fields)
