"""Types of fields that descriptions of evaluations share."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from gateway.evals.templates import check_template
from gateway.fields import check_json
from gateway.specs.shared import Name

LONGEST_TEMPLATE = 100_000


def _template(text: str, *, sample: bool) -> str:
    check_template(text, sample=sample)
    return text


def _none_is_empty(value: object) -> object:
    return {} if value is None else value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Template = Annotated[
    str,
    StringConstraints(max_length=LONGEST_TEMPLATE),
    AfterValidator(partial(_template, sample=True)),
]
"""Text with references to the case and the answer."""
Object = Annotated[
    dict[str, Any],
    BeforeValidator(_none_is_empty),
    WithJsonSchema({"type": ["object", "null"]}),
]
"""Null stands for an empty one."""
Names = Annotated[tuple[Name, ...], BeforeValidator(_tuple), Field(min_length=1, max_length=100)]


class Description(BaseModel):
    """JSON with these fields and no others."""

    # Built when first needed: all of them would take a start a tenth of a second.
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        check_json(data)
        return data


def _message(message: dict[str, Any], *, sample: bool) -> dict[str, Any]:
    if not isinstance(message.get("role"), str):
        raise ValueError("takes a role")
    if "content" not in message:
        raise ValueError("takes a content")
    _check_inside(message, sample=sample)
    return message


def _check_inside(value: object, *, sample: bool) -> None:
    if isinstance(value, str):
        check_template(value, sample=sample)
    elif isinstance(value, dict):
        for inner in value.values():
            _check_inside(inner, sample=sample)
    elif isinstance(value, list):
        for inner in value:
            _check_inside(inner, sample=sample)


RequestMessages = Annotated[
    tuple[Annotated[dict[str, Any], AfterValidator(partial(_message, sample=False))], ...],
    BeforeValidator(_tuple),
    Field(max_length=100),
]
"""Of a request to a model: there is no answer yet to refer to."""
JudgeMessages = Annotated[
    tuple[Annotated[dict[str, Any], AfterValidator(partial(_message, sample=True))], ...],
    BeforeValidator(_tuple),
    Field(min_length=1, max_length=100),
]
