"""What the routes of evaluations take, where no spec says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required

from pydantic import ConfigDict, Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.evals.records import ItemStatus
from gateway.evals.specs import DatasetSpec, SuiteSpec
from gateway.http.bodies.shared import CLOSED, OPEN
from gateway.http.openapi.bodies import Derived, Json, merge_patch, options_nullable
from gateway.http.openapi.queries import Limit
from gateway.money import MOST_DOLLARS

DATASET_PATCH = Derived("DatasetPatch", DatasetSpec, merge_patch)
SUITE_PATCH = Derived("SuitePatch", SuiteSpec, merge_patch)

_Row = Annotated[dict[str, Any], Field(description="id, input, expected, tags and others")]
_Format = Literal["yaml", "csv", "jsonl"]
_Position = Annotated[
    str, Field(pattern="^[0-9]{1,9}$", description="The last position of the page before")
]
_Cap = Annotated[float | None, Field(gt=0, le=MOST_DOLLARS, description="Dollars")]


def _all_optional(schema: Json) -> None:
    schema.pop("required")
    schema |= options_nullable(schema)


class NewRun(SuiteSpec):
    """A run, in full; or of a suite, with what is to be other than there."""

    model_config = ConfigDict(json_schema_extra=_all_optional)

    suite: str | None = Field(None, description="The name of a suite")
    key_id: str | None = Field(None, description="The key to call with; else the caller's")


class Rows(TypedDict):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    rows: list[_Row]


class RowPatch(TypedDict, total=False):
    """The columns to change; null takes one away."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    id: Any
    input: Any
    expected: Any
    tags: Any


class Import(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    file: Required[Annotated[str, Field(json_schema_extra={"format": "binary"})]]
    format: Annotated[_Format, Field(description="As the file's name says, if not given")]
    mode: Annotated[Literal["replace", "append"], Field(description="What becomes of others")]
    columns: Annotated[
        str, Field(description='In JSON, by input, expected, id and tags: {"input": "Question"}')
    ]


class EvaluatorPatch(TypedDict, total=False):
    """The fields to change, of those the type has; null gives one its default."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    name: str


class Trial(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    row: Required[_Row]
    output: Annotated[str, Field(description="The answer to be scored")]
    tool_calls: list[dict[str, Any]]


class Resumption(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    max_cost: _Cap


class Rerun(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    name: str | None
    key_id: Annotated[str | None, Field(description="The key to call with; else the caller's")]


class ListsRows(TypedDict, total=False):
    limit: Limit
    after: _Position


class Exports(TypedDict, total=False):
    format: _Format


class ListsRuns(TypedDict, total=False):
    limit: Limit
    after: Annotated[str, Field(description="The last id of the page before")]
    suite: Annotated[str, Field(description="The name of a suite")]


class ListsItems(TypedDict, total=False):
    limit: Limit
    after: _Position
    status: ItemStatus


class Compares(TypedDict, total=False):
    model: Annotated[str, Field(description="Of one run: the model to compare")]
    base_model: Annotated[str, Field(description="Of one run: the model to compare it with")]
