"""What keys and teams have in common: a budget, a block and metadata."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.fields import check_json
from gateway.money import MOST_DOLLARS, nano_dollars
from gateway.periods import check_period
from gateway.specs.shared import Object, OptionalText


def _period(duration: str | None) -> str | None:
    if duration is not None:
        check_period(duration)
    return duration


def _none_is_false(value: object) -> object:
    return False if value is None else value


Dollars = Annotated[float, Field(ge=0, le=MOST_DOLLARS, allow_inf_nan=False)]


class BudgetSpec(BaseModel):
    """A budget and who is held to it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    max_budget: Dollars | None = Field(
        None, description="Dollars to spend in a budget period; a call is refused once they are"
    )
    soft_budget: Dollars | None = Field(
        None, description="Dollars after which the gateway's log warns, once a period"
    )
    budget_duration: Annotated[OptionalText, AfterValidator(_period)] = Field(
        None, description="A budget period: 1d, 7d, 1mo, …; without, the budget is for ever"
    )
    blocked: Annotated[bool, BeforeValidator(_none_is_false)] = Field(
        False, description="Whether calls are refused for the time being"
    )
    metadata: Object = Field(default_factory=dict, description="Anything to note")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        check_json(data)
        return data

    def values(self) -> dict[str, Any]:
        """The fields as a record has them, of those that were given."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        for name in ("max_budget", "soft_budget"):
            if given.get(name) is not None:
                given[name] = nano_dollars(given[name])
        return given
