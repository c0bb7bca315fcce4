"""The description of an evaluator of whatever type, as one type: for schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, create_model

from gateway.evals.specs.evaluators import TYPES, EvaluatorType
from gateway.specs.shared import Name


def _described(kind: EvaluatorType) -> Any:
    base = TYPES[kind]
    return create_model(
        f"{base.__name__}Evaluator",
        __base__=base,
        __doc__=base.__doc__,
        name=(Name, Field(description="What the evaluator is called; suites name it")),
        type=(Literal.__getitem__(kind), Field(description="How it scores")),  # type: ignore[arg-type]
    )


if TYPE_CHECKING:
    AnyEvaluator = Any
else:
    AnyEvaluator = Annotated[
        Union[tuple(_described(kind) for kind in TYPES)],  # noqa: UP007 - made here
        Field(discriminator="type"),
    ]
