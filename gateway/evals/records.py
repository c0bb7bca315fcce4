"""What evaluations are made of: datasets, evaluators, suites, runs and their results.

Money is in nano-dollars, times are Unix seconds unless their names end in `_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["target", "judge"]
ItemStatus = Literal["passed", "failed", "error"]
"""`failed`: an evaluator found fault with the answer. `error`: there is none, or no evaluator did
and one could not tell."""
RunStatus = Literal["pending", "running", "completed", "failed", "cancelled", "interrupted"]
"""`failed`: it could not be carried on, or its cost cap was reached. `interrupted`: its process
ended meanwhile; it can be resumed, as can a cancelled or a failed one."""
Message = Mapping[str, Any]
"""A chat message in OpenAI's shape."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a dataset."""

    id: str
    """Unique in its dataset; runs are compared case by case by it."""
    input: str | tuple[Message, ...]
    expected: Any = None
    """The right answer, text or any JSON; None where there is none."""
    tags: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further columns, for templates: `{{item.<name>}}`."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Cases under a name. A change makes a new version, which is the hash of its cases."""

    id: str
    name: str
    description: str | None
    cases: tuple[Case, ...]
    version: str
    """SHA-256 of the cases, hexadecimal."""
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class DatasetHead:
    """A dataset without its cases."""

    id: str
    name: str
    description: str | None
    version: str
    size: int
    """How many cases it has."""
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Evaluator:
    """A way to score an answer."""

    id: str
    name: str
    type: str
    """Such as `string_check`; see `gateway.evals.specs`."""
    params: Mapping[str, Any]
    """What the type takes besides: `operation`, `reference`, `judge`, `pass_threshold`, …"""
    version: str
    """SHA-256 of type and params, hexadecimal."""
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Gate:
    """What a run must reach. What is None is not asked for; rates are from 0 to 1."""

    pass_rate: float | None = None
    """Of each target and evaluator that passes or fails."""
    max_error_rate: float | None = None
    max_cost: int | None = None
    """Of the whole run, judges included."""
    no_regression_vs: str | None = None
    """The id of a run, or `baseline` for the run that the suite's baseline is."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What is to be run: a dataset, against models, judged by evaluators."""

    id: str
    name: str
    dataset: str
    """Its name, as are those of the models and the evaluators."""
    models: tuple[str, ...]
    evaluators: tuple[str, ...]
    messages: tuple[Message, ...] = ()
    """A template of the request, `{{item.input}}` in it; none stands for the input alone."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the calls to the models, such as `temperature`."""
    repeat: int = 1
    concurrency: int = 4
    max_cost: int | None = None
    """After which no more calls are made, and the run has failed."""
    gate: Gate | None = None
    baseline: str | None = None
    """The id of the run that others are compared with."""
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """What one evaluator says of one answer. With an error, it says nothing."""

    evaluator: str
    """Its name."""
    score: float | None = None
    """From 0 to 1."""
    passed: bool | None = None
    reason: str | None = None
    error: str | None = None
    """Why it could not be evaluated: never counted as a failure of the model."""


@dataclass(frozen=True, slots=True)
class Item:
    """One call to a target, for one case, and what became of it."""

    run_id: str
    target: str
    """The model's name."""
    case_id: str
    repetition: int
    """From 0."""
    output: str | None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """In OpenAI's shape."""
    error: str | None = None
    """Why there is no answer: the call's failure, not a wrong answer."""
    latency_ms: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int | None = None
    """Of the call to the target; None without a known price."""
    judge_tokens: int = 0
    judge_cost: int = 0
    scores: tuple[Score, ...] = ()

    @property
    def status(self) -> ItemStatus:
        if self.error is not None:
            return "error"
        if any(score.passed is False for score in self.scores):
            return "failed"
        return "error" if any(score.error is not None for score in self.scores) else "passed"


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and all that it was made of, as it was then: it never changes afterwards."""

    id: str
    name: str
    suite: str | None
    """The name of the suite it was started from."""
    status: RunStatus
    dataset: Dataset
    targets: tuple[str, ...]
    evaluators: tuple[Evaluator, ...]
    messages: tuple[Message, ...]
    params: Mapping[str, Any]
    repeat: int
    concurrency: int
    max_cost: int | None
    gate: Gate | None
    model_versions: Mapping[str, str]
    """Of each target and judge, the hash of its registry entries without their keys."""
    key_id: str
    """The key that its calls are made with."""
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    error: str | None = None

    @property
    def planned(self) -> int:
        """How many items it has when it is complete."""
        return len(self.targets) * len(self.dataset.cases) * self.repeat

    @property
    def has_ended(self) -> bool:
        return self.status not in ("pending", "running")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come."""

    planned: int
    done: int
    failed: int
    """Of those done: at which an evaluator found fault."""
    errors: int
    """Of those done: that could not be answered, or not be evaluated."""
    spent: int
    """By all of its calls, in nano-dollars: also by those whose items were given up."""
    expected_at: int | None
    """When it will be complete, as things are; None unless it is running."""


@dataclass(frozen=True, slots=True)
class RunHead:
    """A run without its cases and its items."""

    run: Run
    """Its dataset has no cases here."""
    progress: Progress


@dataclass(frozen=True, slots=True)
class OpenAIEval:
    """An evaluation as a client of OpenAI's API made it: what its runs have in common."""

    id: str
    name: str
    body: Mapping[str, Any]
    """Its `data_source_config`, `testing_criteria` and `metadata`."""
    created_at: int


@dataclass(frozen=True, slots=True)
class RunWithItems:
    """A run and its results so far."""

    run: Run
    items: Sequence[Item]
