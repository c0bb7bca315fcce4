"""What the form of an evaluator tells of each type: what it is, what it takes, and an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.evals.specs.evaluators import TYPES, EvaluatorType
from gateway.http.console.fields import json_text

_EXAMPLES: Mapping[EvaluatorType, Mapping[str, Any]] = {
    "string_check": {"operation": "eq"},
    "text": {"operation": "contains_any", "value": ["refund", "money back"], "ignore_case": True},
    "exact": {"ignore_case": True, "ignore_whitespace": True, "ignore_punctuation": True},
    "regex": {"pattern": r"\d{4}-\d{2}-\d{2}"},
    "numeric": {"measure": "output_number", "op": "==", "tolerance": 0.01},
    "json": {"schema": {"type": "object", "required": ["city"]}, "allow_fences": True},
    "json_diff": {"pass_threshold": 0.9},
    "text_similarity": {"metric": "rouge_l", "pass_threshold": 0.6},
    "tool_use": {"match": "arguments", "ordered": False},
    "autoevals": {"scorer": "Factuality", "judge": "gpt-4o", "pass_threshold": 0.6},
    "score_model": {
        "judge": "gpt-4o",
        "prompt": "How polite is this answer?\n\n{{sample.output_text}}",
        "range": [1, 10],
        "pass_threshold": 7,
    },
    "label_model": {
        "judge": "gpt-4o",
        "prompt": "Question: {{item.input}}\nAnswer: {{sample.output_text}}\nIs it right?",
        "labels": ["right", "wrong"],
        "passing_labels": ["right"],
    },
    "python": {"function": "my_package.scoring:polite", "pass_threshold": 0.5},
}


@dataclass(frozen=True, slots=True)
class TypeHint:
    """Attributes:
    name: The type.
    about: What it does, in a sentence.
    fields: What it takes, each with a description that may be empty, and whether it must be given.
    example: Parameters, as JSON.
    """

    name: str
    about: str
    fields: tuple[tuple[str, str, bool], ...]
    example: str


@cache
def type_hints() -> Sequence[TypeHint]:
    """For each type, in their order."""
    return tuple(
        TypeHint(
            kind,
            (spec.__doc__ or "").strip(),
            tuple(
                (info.alias or name, info.description or "", info.is_required())
                for name, info in spec.model_fields.items()
            ),
            json_text(_EXAMPLES[kind]),
        )
        for kind, spec in TYPES.items()
    )
