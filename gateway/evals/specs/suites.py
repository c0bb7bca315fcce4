"""What an operator may say of a suite and its gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from gateway.errors import InvalidField
from gateway.evals.records import Dataset, Evaluator, Gate, Suite
from gateway.evals.specs.described import described
from gateway.evals.specs.evaluators import Unit
from gateway.evals.specs.shared import Description, Names, Object, RequestMessages
from gateway.evals.templates import columns_of
from gateway.fields import WrongField
from gateway.money import dollars, nano_dollars
from gateway.specs.budgets import Dollars
from gateway.specs.shared import Name, OptionalText, new_id

MOST_REPEATS = 100
MOST_CONCURRENT = 64


class GateSpec(Description):
    """What a run has to reach."""

    pass_rate: Unit | None = Field(
        None, description="Of each model and evaluator that passes or fails, from 0 to 1"
    )
    max_error_rate: Unit | None = Field(
        None, description="Of answers and evaluations that could not be had, from 0 to 1"
    )
    max_cost: Dollars | None = Field(None, description="Dollars of a whole run, judges included")
    no_regression_vs: OptionalText = Field(
        None, description="A run's id, or baseline: nothing may have become worse since"
    )

    def record(self) -> Gate:
        return Gate(
            pass_rate=self.pass_rate,
            max_error_rate=self.max_error_rate,
            max_cost=None if self.max_cost is None else nano_dollars(self.max_cost),
            no_regression_vs=self.no_regression_vs,
        )


class SuiteSpec(Description):
    """What is to be run: a dataset, against models, scored by evaluators."""

    name: Name = Field(description="What the suite is called")
    dataset: Name = Field(description="The dataset's name")
    models: Names = Field(description="The names of the models that are to answer")
    evaluators: Names = Field(description="The names of the evaluators")
    messages: RequestMessages = Field(
        (),
        description="The request, with {{item.input}} in it; without, the input is all of it",
    )
    params: Object = Field(
        default_factory=dict, description="Parameters of the calls, such as temperature"
    )
    repeat: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = Field(
        1, description="How many answers each model gives to each case"
    )
    concurrency: Annotated[int, Field(ge=1, le=MOST_CONCURRENT)] = Field(
        4, description="How many calls are under way at a time"
    )
    max_cost: Dollars | None = Field(
        None, description="Dollars after which a run makes no more calls, and has failed"
    )
    gate: GateSpec | None = Field(None, description="What a run has to reach")
    baseline: OptionalText = Field(None, description="The id of the run to compare others with")

    @model_validator(mode="after")
    def _complete(self) -> SuiteSpec:
        for name in ("models", "evaluators"):
            names = getattr(self, name)
            if len(set(names)) < len(names):
                raise WrongField(name, "takes each name once")
        for name in ("model", "messages", "stream", "n"):
            if name in self.params:
                raise WrongField(f"params.{name}", "is what a run sets by itself")
        return self

    def values(self) -> dict[str, Any]:
        """The fields as a record has them."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return given | {
            "max_cost": None if self.max_cost is None else nano_dollars(self.max_cost),
            "gate": None if self.gate is None else self.gate.record(),
        }


def suite_record(data: object, now: int) -> Suite:
    """Make the record of a new suite. Raises InvalidField, which names the field."""
    values = described(SuiteSpec, data, "A suite").values()
    return Suite(id=new_id("suite"), created_at=now, updated_at=now, **values)


def described_suite(suite: Suite, data: object, now: int) -> Suite:
    """The suite with another description in place of its own. Raises InvalidField."""
    values = described(SuiteSpec, data, "A suite").values()
    return dataclasses.replace(suite, **values, updated_at=now)


def suite_description(suite: Suite) -> dict[str, Any]:
    """What `suite_record` makes the same suite of: without what it has anyway."""
    description: dict[str, Any] = {
        "name": suite.name,
        "dataset": suite.dataset,
        "models": list(suite.models),
        "evaluators": list(suite.evaluators),
        "messages": [dict(message) for message in suite.messages],
        "params": dict(suite.params),
        "repeat": suite.repeat,
        "concurrency": suite.concurrency,
        "max_cost": None if suite.max_cost is None else dollars(suite.max_cost),
        "gate": None if suite.gate is None else gate_description(suite.gate),
        "baseline": suite.baseline,
    }
    defaults: dict[str, Any] = {"messages": [], "params": {}, "repeat": 1, "concurrency": 4}
    return {
        name: value
        for name, value in description.items()
        if value is not None and (name not in defaults or value != defaults[name])
    }


def gate_description(gate: Gate) -> dict[str, Any]:
    """The gate as it is described: only what it asks for."""
    asked = dataclasses.asdict(gate)
    if gate.max_cost is not None:
        asked["max_cost"] = dollars(gate.max_cost)
    return {name: value for name, value in asked.items() if value is not None}


def check_columns_used(
    dataset: Dataset, evaluators: Sequence[Evaluator], messages: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Refuse references to columns that not one case of the dataset has.

    Raises:
        InvalidField: Names the evaluator, or messages, and the column.
    """
    there = {name for case in dataset.cases for name in case.fields}
    users: list[tuple[str, str, Any]] = [("messages", "messages", list(messages))]
    users += [(f"the evaluator {one.name}", "evaluators", dict(one.params)) for one in evaluators]
    for user, param, value in users:
        for column in _columns_inside(value):
            if column not in there:
                has = f"has {', '.join(sorted(there)[:20])}" if there else "has no further columns"
                raise InvalidField(
                    f"{param}: {user} refers to {{{{item.{column}}}}}; the dataset {dataset.name} "
                    + has,
                    param=param,
                )


def _columns_inside(value: Any) -> list[str]:
    if isinstance(value, str):
        return list(columns_of(value))
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(inner, str | int | float | bool | None):
        return []
    return [column for one in inner for column in _columns_inside(one)]
