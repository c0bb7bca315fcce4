"""What an operator may say of an evaluator, by its type."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from gateway.evals.datasets import hash_of
from gateway.evals.records import Evaluator
from gateway.evals.specs.described import described, meant
from gateway.evals.specs.patterns import check_pattern, check_schema
from gateway.evals.specs.scorers import SCORERS
from gateway.evals.specs.shared import Description, JudgeMessages, Names, Object, Template
from gateway.fields import WrongField
from gateway.specs.shared import Name, Text, new_id

Unit = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]

StringOperation = Literal["eq", "ne", "like", "ilike"]
TextOperation = Literal[
    "contains_any",
    "contains_all",
    "not_contains_any",
    "not_contains_all",
    "starts_with",
    "not_starts_with",
]
Measure = Literal[
    "latency_ms",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cost_usd",
    "output_chars",
    "output_number",
]
Comparison = Literal["==", "!=", "<", "<=", ">", ">="]
Metric = Literal[
    "fuzzy_match",
    "levenshtein",
    "jaro_winkler",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
    "cosine",
]
EvaluatorType = Literal[
    "string_check",
    "text",
    "exact",
    "regex",
    "numeric",
    "json",
    "json_diff",
    "text_similarity",
    "tool_use",
    "autoevals",
    "score_model",
    "label_model",
    "python",
]
ToolMatch = Literal["name", "arguments", "exact"]
ToolScore = Literal["f1", "recall", "precision"]

OUTPUT = "{{sample.output_text}}"
EXPECTED = "{{item.expected}}"

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*|[A-Za-z0-9_][\w.-]*")


class StringCheck(Description):
    """A comparison of text, as OpenAI's grader of this name does it."""

    operation: StringOperation = Field(
        description="eq, ne; like: holds the reference; ilike: in whatever case"
    )
    input: Template = Field(OUTPUT, description="What is compared")
    reference: Template = Field(EXPECTED, description="With what")


class TextCheck(Description):
    """What words the answer has: Flowise's operators."""

    operation: TextOperation
    value: Template | Annotated[list[Template], Field(min_length=1, max_length=1000)] = Field(
        description="A list of texts, or text with commas between them"
    )
    ignore_case: bool = Field(False, description="Whether capitals do not matter")


class Exact(Description):
    """Whether the answer is the right one, but for what may differ."""

    reference: Template = Field(EXPECTED, description="The right answer")
    ignore_case: bool = Field(False, description="Whether capitals may differ")
    ignore_whitespace: bool = Field(
        False, description="Whether white space may differ, and stand around the answer"
    )
    ignore_punctuation: bool = Field(
        False, description="Whether the answer may end in other punctuation"
    )


class Regex(Description):
    """Whether a regular expression is found in the answer."""

    pattern: Annotated[str, AfterValidator(check_pattern)] = Field(
        description="A regular expression, in Python's syntax"
    )
    input: Template = Field(OUTPUT, description="Where it is looked for")
    ignore_case: bool = False
    multiline: bool = Field(False, description="Whether ^ and $ are at each line's ends")
    dotall: bool = Field(False, description="Whether . is an end of a line, too")
    whole: bool = Field(False, description="Whether it has to match all of the text")
    negate: bool = Field(False, description="Whether it must not be found")


class Numeric(Description):
    """A comparison of a number: of what the answer took, or one in the answer."""

    measure: Measure = Field(
        description="output_number is the answer's last number, unless input names another"
    )
    op: Comparison
    value: Finite | Template = Field(
        EXPECTED, description="What it is compared with: a number, or a reference to one"
    )
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0, description="By how much numbers may differ and still be equal"
    )
    input: Template = Field(OUTPUT, description="What an output_number is looked for in")

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.measure != "output_number":
            if "value" not in self.model_fields_set:
                raise WrongField("value", f"takes what {self.measure} is compared with")
            if self.input != OUTPUT:
                raise WrongField("input", "is for the measure output_number")
        if self.tolerance and self.op not in ("==", "!="):
            raise WrongField("tolerance", "is for == and !=")
        return self


class Json(Description):
    """Whether the answer is JSON, and of what schema."""

    valid: bool = Field(True, description="false: it passes if it is none, or not of the schema")
    # Not `schema`, which pydantic has a method of that name for.
    schema_: Annotated[dict[str, Any] | None, AfterValidator(check_schema)] = Field(
        None, alias="schema", description="A JSON Schema"
    )
    allow_fences: bool = Field(False, description="Whether it may stand in a code block")


class JsonDiff(Description):
    """How near the answer's JSON is to the right one."""

    reference: Template = Field(EXPECTED, description="The right JSON")
    pass_threshold: Unit = Field(1.0, description="The least score that passes")


class TextSimilarity(Description):
    """How near the answer is to a reference."""

    metric: Metric
    input: Template = Field(OUTPUT, description="What is compared")
    reference: Template = Field(EXPECTED, description="With what")
    ignore_case: bool = Field(False, description="Whether capitals may differ")
    embedding: Name | None = Field(None, description="The model for cosine")
    pass_threshold: Unit = Field(description="The least score that passes")

    @model_validator(mode="after")
    def _embedded(self) -> Self:
        _needed(self.embedding, self.metric == "cosine", "embedding", f"the metric {self.metric}")
        return self


class ToolUse(Description):
    """Whether the model called the tools it should have."""

    expected: Template | list[Any] = Field(
        EXPECTED,
        description='The calls: names, or {"name", "arguments"}, or a reference to a list of them',
    )
    match: ToolMatch = Field(
        "arguments",
        description="name: that alone; arguments: those expected are there; exact: no others are",
    )
    ordered: bool = Field(False, description="Whether the order matters")
    score: ToolScore = Field("f1", description="recall: calls beside those expected do not matter")
    pass_threshold: Unit = Field(1.0, description="The least score that passes")


class Autoevals(Description):
    """A scorer of the library autoevals."""

    scorer: str = Field(description=f"One of {', '.join(SCORERS)}")
    judge: Name | None = Field(None, description="The model that is asked")
    embedding: Name | None = Field(None, description="The model for embeddings")
    expected: Template = Field(EXPECTED, description="The right answer, for scorers that compare")
    arguments: dict[str, Template] = Field(
        default_factory=dict, description="Others it takes, such as the criteria of ClosedQA"
    )
    pass_threshold: Unit | None = Field(None, description="The least score that passes")

    @model_validator(mode="after")
    def _known(self) -> Self:
        scorer = SCORERS.get(self.scorer)
        if scorer is None:
            raise WrongField("scorer", f"is none; {meant(self.scorer, tuple(SCORERS))}")
        _needed(self.judge, scorer.judge, "judge", self.scorer)
        _needed(self.embedding, scorer.embedding, "embedding", self.scorer)
        for name in self.arguments:
            if name not in scorer.arguments:
                known = ", ".join(scorer.arguments) or "none"
                raise WrongField(f"arguments.{name}", f"{self.scorer} takes {known}")
        for name, template in scorer.arguments.items():
            if template is None and name not in self.arguments:
                raise WrongField(f"arguments.{name}", f"{self.scorer} needs it")
        return self


class Judged(Description):
    """What a judge is asked."""

    judge: Name = Field(description="The model that is asked")
    prompt: Template | JudgeMessages = Field(
        description="The question: text, or messages, with the case and the answer in it"
    )
    params: Object = Field(
        default_factory=dict, description="Parameters of the call, such as temperature"
    )

    @model_validator(mode="after")
    def _plain(self) -> Self:
        for name in ("model", "messages", "stream", "response_format", "n", "tools", "tool_choice"):
            if name in self.params:
                raise WrongField(f"params.{name}", "is what the evaluator sets by itself")
        if isinstance(self.prompt, str) and not self.prompt.strip():
            raise WrongField("prompt", "is empty")
        return self


def _pair(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class ScoreModel(Judged):
    """A judge's score, from one number to another."""

    range: Annotated[tuple[Finite, Finite], BeforeValidator(_pair)] = Field(
        (0.0, 1.0), description="The worst score and the best"
    )
    pass_threshold: Finite | None = Field(
        None, description="The least score that passes, within the range"
    )

    @model_validator(mode="after")
    def _ranged(self) -> Self:
        worst, best = self.range
        if worst >= best:
            raise WrongField("range", "takes the worst score and a higher one")
        if self.pass_threshold is not None and not worst <= self.pass_threshold <= best:
            raise WrongField("pass_threshold", f"takes a score from {worst:g} to {best:g}")
        return self


class LabelModel(Judged):
    """A judge's choice of a label."""

    labels: Names = Field(description="What it chooses from")
    passing_labels: Names = Field(description="Those that pass")

    @model_validator(mode="after")
    def _labelled(self) -> Self:
        if len(set(self.labels)) < max(2, len(self.labels)):
            raise WrongField("labels", "takes two labels or more, each once")
        for label in self.passing_labels:
            if label not in self.labels:
                raise WrongField("passing_labels", f"{label!r} is none of the labels")
        return self


class Python(Description):
    """A function of one's own, for runs from the command line."""

    function: Annotated[Text, StringConstraints(max_length=500)] = Field(
        description="module:function, or the name of an entry point of gateway.evaluators"
    )
    arguments: Object = Field(default_factory=dict, description="What it is given besides")
    pass_threshold: Unit | None = Field(None, description="The least score that passes")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not _FUNCTION.fullmatch(self.function):
            raise WrongField("function", "takes module:function or an entry point's name")
        return self


TYPES: Mapping[EvaluatorType, type[Description]] = {
    "string_check": StringCheck,
    "text": TextCheck,
    "exact": Exact,
    "regex": Regex,
    "numeric": Numeric,
    "json": Json,
    "json_diff": JsonDiff,
    "text_similarity": TextSimilarity,
    "tool_use": ToolUse,
    "autoevals": Autoevals,
    "score_model": ScoreModel,
    "label_model": LabelModel,
    "python": Python,
}


class EvaluatorSpec(Description):
    """An evaluator's name and type; what the type takes besides is described by `TYPES`."""

    name: Name = Field(description="What the evaluator is called; suites name it")
    type: EvaluatorType = Field(description="How it scores")


def evaluator_record(data: object, now: int) -> Evaluator:
    """Make the record of a new evaluator, from its name, type and parameters.

    Raises:
        InvalidField: Names the field.
    """
    name, kind, params = _read(data)
    return Evaluator(
        id=new_id("evaluator"),
        name=name,
        type=kind,
        params=params,
        version=hash_of({"type": kind, "params": params}),
        created_at=now,
        updated_at=now,
    )


def described_evaluator(evaluator: Evaluator, data: object, now: int) -> Evaluator:
    """The evaluator with another description in place of its own. Raises InvalidField."""
    made = evaluator_record(data, now)
    return dataclasses.replace(made, id=evaluator.id, created_at=evaluator.created_at)


def evaluator_description(evaluator: Evaluator) -> dict[str, Any]:
    """What `evaluator_record` makes the same evaluator of."""
    return {"name": evaluator.name, "type": evaluator.type, **evaluator.params}


def models_of(evaluator: Evaluator) -> tuple[str, ...]:
    """The names of the models that the evaluator asks."""
    params = evaluator.params
    return tuple(params[name] for name in ("judge", "embedding") if params.get(name))


def _read(data: object) -> tuple[str, str, dict[str, Any]]:
    """The name, the type and the parameters other than those they have anyway."""
    given = dict(data) if isinstance(data, Mapping) else data
    own = (
        {name: given.pop(name) for name in ("name", "type") if name in given}
        if isinstance(given, dict)
        else given
    )
    spec = described(EvaluatorSpec, own, "An evaluator")
    params = described(TYPES[spec.type], given, "An evaluator")
    return (
        spec.name,
        spec.type,
        params.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    )


def _needed(model: str | None, needed: bool, field: str, of: str) -> None:
    if needed and model is None:
        raise WrongField(field, f"takes the name of a model, which {of} asks")
    if not needed and model is not None:
        raise WrongField(field, f"{of} asks no model for that")
