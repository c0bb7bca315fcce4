"""What is said of OpenAI's routes of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import unwrap
from typing import Annotated, Any, Literal, Required

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.evals.openai_wire import ITEM_STATUSES, STATUSES
from gateway.http.bodies.shared import CLOSED
from gateway.http.evals import openai_evals as routes
from gateway.http.openapi.description import Description
from gateway.http.openapi.queries import Order, UpTo100

Json = dict[str, Any]
_Metadata = dict[str, str] | None
_Status = Literal["queued", "in_progress", "completed", "failed", "canceled"]
_ItemStatus = Literal["pass", "fail", "error"]

_EVAL = {"eval_id": "The evaluation's id"}
_RUN = _EVAL | {"run_id": "The run's id"}
_ITEM = _RUN | {"item_id": "The item's id"}


class OpenAIEval(TypedDict):
    """An evaluation, as OpenAI's API has it."""

    id: str
    object: Literal["eval"]
    name: str
    created_at: int
    data_source_config: Json
    testing_criteria: list[Json]
    metadata: _Metadata


class OpenAIRun(TypedDict):
    """A run, as OpenAI's API has it."""

    id: str
    object: Literal["eval.run"]
    eval_id: str
    name: str
    model: str
    created_at: int
    status: Annotated[str, Field(json_schema_extra={"enum": sorted(set(STATUSES.values()))})]
    data_source: Json
    metadata: _Metadata
    error: Json | None
    report_url: str
    result_counts: dict[str, int]
    per_model_usage: list[Json]
    per_testing_criteria_results: list[Json]


class OpenAIOutputItem(TypedDict):
    """An answer, as OpenAI's API has it."""

    id: str
    object: Literal["eval.run.output_item"]
    eval_id: str
    run_id: str
    created_at: int
    status: Annotated[str, Field(json_schema_extra={"enum": sorted(ITEM_STATUSES.values())})]
    datasource_item_id: int
    datasource_item: Json
    results: list[Json]
    sample: Json


class _Page(TypedDict):
    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class OpenAIEvalPage(_Page):
    data: list[OpenAIEval]


class OpenAIRunPage(_Page):
    data: list[OpenAIRun]


class OpenAIOutputItemPage(_Page):
    data: list[OpenAIOutputItem]


class OpenAIDeleted(TypedDict, total=False):
    object: Required[str]
    deleted: Required[bool]
    eval_id: str
    run_id: str


class NewOpenAIEval(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    name: str | None
    metadata: _Metadata
    data_source_config: Required[Annotated[Json, Field(description="Of the type custom")]]
    testing_criteria: Required[Annotated[list[Json], Field(min_length=1, description="Graders")]]


class OpenAIEvalPatch(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    name: str | None
    metadata: _Metadata


class NewOpenAIRun(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    name: str | None
    metadata: _Metadata
    data_source: Required[
        Annotated[Json, Field(description="Of the type jsonl, completions or responses")]
    ]


class ListsOpenAI(TypedDict, total=False):
    after: Annotated[str, Field(description="The last id of the page before")]
    limit: UpTo100
    order: Order
    order_by: str


class ListsOpenAIRuns(ListsOpenAI, total=False):
    status: _Status


class ListsOpenAIItems(ListsOpenAI, total=False):
    status: _ItemStatus


DESCRIPTIONS: Mapping[Callable[..., Any], Description] = {
    unwrap(route): said
    for route, said in {
        routes.list_evals: Description(
            id="openai_list_evals", tag="evals", summary="List evaluations of OpenAI's API",
            query=ListsOpenAI, answer=OpenAIEvalPage, errors=(400,),
        ),
        routes.create_eval: Description(
            id="openai_create_eval", tag="evals", summary="Make an evaluation of OpenAI's API",
            body=NewOpenAIEval, answer=OpenAIEval, statuses=(201,),
        ),
        routes.get_eval: Description(
            id="openai_get_eval", tag="evals", summary="Get an evaluation of OpenAI's API",
            path=_EVAL, answer=OpenAIEval,
        ),
        routes.update_eval: Description(
            id="openai_update_eval", tag="evals", summary="Change an evaluation of OpenAI's API",
            path=_EVAL, body=OpenAIEvalPatch, answer=OpenAIEval,
        ),
        routes.delete_eval: Description(
            id="openai_delete_eval", tag="evals", summary="Remove an evaluation of OpenAI's API",
            path=_EVAL, answer=OpenAIDeleted,
        ),
        routes.list_runs: Description(
            id="openai_list_runs", tag="evals", summary="List runs of OpenAI's API",
            path=_EVAL, query=ListsOpenAIRuns, answer=OpenAIRunPage, errors=(400,),
        ),
        routes.create_run: Description(
            id="openai_create_run", tag="evals", summary="Begin a run of OpenAI's API",
            path=_EVAL, body=NewOpenAIRun, answer=OpenAIRun, statuses=(201,),
        ),
        routes.get_run: Description(
            id="openai_get_run", tag="evals", summary="Get a run of OpenAI's API",
            path=_RUN, answer=OpenAIRun,
        ),
        routes.cancel_run: Description(
            id="openai_cancel_run", tag="evals", summary="End a run of OpenAI's API",
            path=_RUN, answer=OpenAIRun,
        ),
        routes.delete_run: Description(
            id="openai_delete_run", tag="evals", summary="Remove a run of OpenAI's API",
            path=_RUN, answer=OpenAIDeleted, errors=(409,),
        ),
        routes.list_output_items: Description(
            id="openai_list_output_items", tag="evals", summary="List answers of a run",
            path=_RUN, query=ListsOpenAIItems, answer=OpenAIOutputItemPage, errors=(400,),
        ),
        routes.get_output_item: Description(
            id="openai_get_output_item", tag="evals", summary="Get an answer of a run",
            path=_ITEM, answer=OpenAIOutputItem,
        ),
    }.items()
}  # fmt: skip
