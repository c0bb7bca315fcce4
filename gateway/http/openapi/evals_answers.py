"""What the routes of evaluations answer, as types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.evals.records import ItemStatus, RunStatus
from gateway.http.openapi.answers import Dollars, Json, Moment

Rate = Annotated[float, Field(description="From 0 to 1")]
Hash = Annotated[str, Field(description="SHA-256, hexadecimal")]


class Dataset(TypedDict):
    """A dataset without its rows."""

    id: str
    object: Literal["evals.dataset"]
    name: str
    description: str | None
    version: Hash
    cases: Annotated[int, Field(description="How many rows it has")]
    created_at: Moment
    updated_at: Moment


class DatasetList(TypedDict):
    object: Literal["list"]
    data: list[Dataset]
    has_more: bool


class DeletedDataset(TypedDict):
    id: str
    object: Literal["evals.dataset"]
    deleted: Literal[True]


class Row(TypedDict):
    position: int
    row: Annotated[Json, Field(description="id, input, expected, tags, and columns of its own")]


class RowPage(TypedDict):
    object: Literal["list"]
    data: list[Row]
    has_more: bool


class Evaluator(TypedDict):
    """A way to score an answer."""

    id: str
    object: Literal["evals.evaluator"]
    name: str
    type: Annotated[str, Field(description="What else it has depends on that")]
    version: Hash
    created_at: Moment
    updated_at: Moment


class EvaluatorList(TypedDict):
    object: Literal["list"]
    data: list[Evaluator]
    has_more: bool


class DeletedEvaluator(TypedDict):
    id: str
    object: Literal["evals.evaluator"]
    deleted: Literal[True]


class Score(TypedDict):
    """What an evaluator says of an answer; with an error it says nothing."""

    evaluator: str
    score: Rate | None
    passed: bool | None
    reason: str | None
    error: str | None


class Tested(Score):
    """What an evaluator says of an answer that was given."""

    object: Literal["evals.score"]
    judge_tokens: int
    judge_cost: Dollars


class GateAsked(TypedDict):
    pass_rate: Rate | None
    max_error_rate: Rate | None
    max_cost: Dollars | None
    no_regression_vs: str | None


class Suite(TypedDict):
    """What is to be run."""

    id: str
    object: Literal["evals.suite"]
    name: str
    dataset: str
    models: list[str]
    evaluators: list[str]
    messages: list[Json]
    params: Json
    repeat: int
    concurrency: int
    max_cost: Dollars | None
    gate: GateAsked | None
    baseline: Annotated[str | None, Field(description="The run that others are compared with")]
    created_at: Moment
    updated_at: Moment


class SuiteList(TypedDict):
    object: Literal["list"]
    data: list[Suite]
    has_more: bool


class DeletedSuite(TypedDict):
    id: str
    object: Literal["evals.suite"]
    deleted: Literal[True]


class RunDataset(TypedDict):
    id: str
    name: str
    version: Hash
    cases: int


class RunEvaluator(TypedDict):
    name: str
    type: str
    version: Hash


class Progress(TypedDict):
    planned: int
    done: int
    failed: Annotated[int, Field(description="At which an evaluator found fault")]
    errors: Annotated[int, Field(description="Not answered, or not evaluated")]
    cost: Annotated[float, Field(description="Dollars, of all calls so far")]
    expected_at: Annotated[Moment | None, Field(description="When it will be complete")]


class RunHead(TypedDict):
    """A run without what it has come to."""

    id: str
    object: Literal["evals.run"]
    name: str
    suite: str | None
    status: RunStatus
    error: Annotated[str | None, Field(description="Why it has not completed")]
    dataset: RunDataset
    models: list[str]
    evaluators: list[RunEvaluator]
    messages: list[Json]
    params: Json
    repeat: int
    concurrency: int
    max_cost: Dollars | None
    model_versions: dict[str, Hash]
    key_id: str
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    progress: Progress


class RunPage(TypedDict):
    object: Literal["list"]
    data: list[RunHead]
    has_more: bool


class DeletedRun(TypedDict):
    id: str
    object: Literal["evals.run"]
    deleted: Literal[True]


class Estimate(TypedDict):
    """A rate or mean with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class Warning(TypedDict):  # noqa: A001 - what it is called in the answer
    code: str
    message: str


class ModelResult(TypedDict):
    model: str
    items: int
    errors: int
    error_rate: Rate
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    prompt_tokens: int
    completion_tokens: int
    judge_tokens: int
    cost: Dollars
    judge_cost: Dollars
    unpriced: int


class EvaluatorResult(TypedDict):
    model: str
    evaluator: str
    pass_rate: Estimate | None
    score: Estimate | None
    verdicts: int
    failed: int
    target_errors: int
    evaluator_errors: int
    error_rate: Rate


class Results(TypedDict):
    object: Literal["evals.results"]
    items: int
    planned: int
    errors: int
    cost: Dollars
    unpriced: int
    models: list[ModelResult]
    evaluators: list[EvaluatorResult]
    warnings: list[Warning]


class CaseResult(TypedDict):
    passes: Rate | None
    score: Rate | None


class CaseChange(TypedDict):
    case_id: str
    base: CaseResult
    now: CaseResult


class Compared(TypedDict):
    model: str
    base_model: str
    evaluator: str
    pass_rate_difference: Estimate | None
    score_difference: Estimate | None
    p_value: float | None
    verdict: str
    fixed: list[CaseChange]
    regressed: list[CaseChange]
    unchanged: int
    missing: list[str]
    added: list[str]


class Comparison(TypedDict):
    object: Literal["evals.comparison"]
    run: str
    base: str
    evaluators: list[Compared]
    changed_cases: list[str]
    warnings: list[Warning]


class Check(TypedDict):
    name: str
    model: str | None
    evaluator: str | None
    wanted: float | str | None
    got: float | str | None
    passed: bool
    reason: str


class Gate(TypedDict):
    object: Literal["evals.gate"]
    passed: bool
    checks: list[Check]


class Run(RunHead):
    """A run and what it has come to."""

    results: Results
    comparison: Comparison | None
    gate: Annotated[Gate | None, Field(description="None without one, and until it has ended")]


class Item(TypedDict):
    """One call to a model, for one case, and what became of it."""

    object: Literal["evals.item"]
    run_id: str
    position: int
    status: ItemStatus
    model: str
    case_id: str
    repetition: int
    output: str | None
    tool_calls: list[Json]
    error: str | None
    latency_ms: int | None
    prompt_tokens: int
    completion_tokens: int
    cost: Dollars | None
    judge_tokens: int
    judge_cost: Dollars
    scores: list[Score]


class ItemPage(TypedDict):
    object: Literal["list"]
    data: list[Item]
    has_more: bool


class Changed(TypedDict):
    kind: Literal["dataset", "evaluator", "model"]
    name: str
    state: Literal["changed", "removed"]


class Outdated(TypedDict):
    object: Literal["evals.outdated"]
    outdated: bool
    changes: list[Changed]


class ReportOfRun(TypedDict):
    """All of a run, for programs."""

    object: Literal["evals.report"]
    run: Json
    results: Results
    comparison: Comparison | None
    gate: Gate | None
    items: list[Any]
