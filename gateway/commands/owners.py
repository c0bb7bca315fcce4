"""What `gateway keys` and `gateway teams` have in common: options, and how money shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.errors import InvalidField
from gateway.money import in_digits

if TYPE_CHECKING:
    from gateway.records import Key, Team

MaxBudget = Annotated[
    float | None, typer.Option(metavar="DOLLARS", help="To spend in a budget period, no more.")
]
SoftBudget = Annotated[
    float | None, typer.Option(metavar="DOLLARS", help="The gateway's log warns once it is spent.")
]
BudgetDuration = Annotated[
    str | None, typer.Option(help="A budget period: 1d, 7d, 1mo, …; without, for ever.")
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Something to note; VALUE may be JSON."),
]
Unset = Annotated[
    list[str] | None, typer.Option(metavar="FIELD", help="Take away a field, as `show` calls it.")
]


def given_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that an option gave."""
    return {name: value for name, value in fields.items() if value not in (None, [], {})}


def patch(fields: Mapping[str, Any], unset: Iterable[str] | None, command: str) -> dict[str, Any]:
    """A JSON merge patch of what options gave and take away. Raises InvalidField for nothing."""
    changes = given_fields(fields) | dict.fromkeys(unset or ())
    if not changes:
        raise InvalidField(f"Nothing to change: see `gateway {command} --help`")
    return changes


def budget_shown(owner: Key | Team) -> str | None:
    """`20/1mo`: dollars and the period they are for."""
    if owner.max_budget is None:
        return None
    period = f"/{owner.budget_duration}" if owner.budget_duration else ""
    return in_digits(owner.max_budget) + period
