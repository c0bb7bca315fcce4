"""Budgets, of which keys and teams say the same."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import InvalidField
from gateway.records import Key, Team
from gateway.specs import key_spec, team_spec

Json = dict[str, Any]


def owners(fields: Json) -> list[Key | Team]:
    return [
        key_spec(fields).record("sk-secret-abcd", 5),
        team_spec({"name": "x"} | fields).record(5),
    ]


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({}, (None, None, None)),
        ({"max_budget": 10}, (10**10, None, None)),
        ({"max_budget": 0.1, "soft_budget": 0.07}, (10**8, 7 * 10**7, None)),
        ({"max_budget": 0}, (0, None, None)),
        ({"max_budget": 1_000_000_000}, (10**18, None, None)),
        # A warning need not come before the end, nor have one.
        ({"max_budget": 1, "soft_budget": 2}, (10**9, 2 * 10**9, None)),
        ({"soft_budget": 2, "budget_duration": "1d"}, (None, 2 * 10**9, "1d")),
        ({"budget_duration": " 30d "}, (None, None, "30d")),
        ({"budget_duration": ""}, (None, None, None)),
    ],
)
def test_money_is_stored_in_nano_dollars(fields: Json, stored: tuple[Any, ...]) -> None:
    for owner in owners(fields):
        assert (owner.max_budget, owner.soft_budget, owner.budget_duration) == stored


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"max_budget": -0.01}, "max_budget", "greater than or equal to 0"),
        ({"max_budget": 1_000_000_000.01}, "max_budget", "less than or equal to 1000000000"),
        ({"max_budget": 10**400}, "max_budget", "too large"),
        ({"max_budget": float("nan")}, "max_budget", "finite"),
        ({"max_budget": float("inf")}, "max_budget", "finite"),
        ({"max_budget": "10"}, "max_budget", "valid number"),
        ({"max_budget": True}, "max_budget", "valid number"),
        ({"soft_budget": [1]}, "soft_budget", "valid number"),
        ({"budget_duration": "monthly"}, "budget_duration", "such as 30s, 5m, 12h, 7d, 1w or 1mo"),
        ({"budget_duration": "36h"}, "budget_duration", "takes whole days where it is longer"),
        ({"budget_duration": "2000mo"}, "budget_duration", "longer than a hundred years"),
        ({"budget_duration": 30}, "budget_duration", "valid string"),
        ({"blocked": "yes"}, "blocked", "valid boolean"),
    ],
)
def test_a_bad_budget_is_refused_by_the_name_of_its_field(
    fields: Json, param: str, message: str
) -> None:
    for described in (lambda: key_spec(fields), lambda: team_spec({"name": "x"} | fields)):
        with pytest.raises(InvalidField) as refused:
            described()
        assert refused.value.param == param
        assert message in refused.value.message
