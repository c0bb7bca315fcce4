"""What an operator may say of a team."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.display import team_view
from gateway.errors import InvalidField
from gateway.records import Team
from gateway.specs import patched_team, team_spec
from tests.specs.values import DEEP, nested, objects

Json = dict[str, Any]

NOW = 1_764_000_000

FULL = {
    "team_id": "research",
    "name": "Research",
    "max_budget": 100,
    "soft_budget": 80.25,
    "budget_duration": "7d",
    "blocked": True,
    "metadata": {"cost": {"centre": "4711"}, "note": "n"},
}


def made(description: Json | None = None) -> Team:
    return team_spec(description or FULL).record(NOW)


def test_every_part_of_a_record() -> None:
    assert made() == Team(
        id="research",
        name="Research",
        blocked=True,
        max_budget=100 * 10**9,
        soft_budget=80_250_000_000,
        budget_duration="7d",
        metadata={"cost": {"centre": "4711"}, "note": "n"},
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize("nulls", [{}, dict.fromkeys(name for name in FULL if name != "name")])
def test_a_team_needs_a_name_and_gets_an_id(nulls: Json) -> None:
    team = made({"name": " Research "} | nulls)
    assert team.id.startswith("team_")
    assert team == Team(id=team.id, name="Research", created_at=NOW, updated_at=NOW)


@pytest.mark.parametrize(
    ("description", "param", "message"),
    [
        (None, None, "by a JSON object"),
        ([], None, "by a JSON object"),
        ({}, "name", "field required"),
        ({"name": None}, "name", "valid string"),
        ({"name": " "}, "name", "at least 1"),
        ({"name": "x" * 257}, "name", "at most 256"),
        ({"name": "a\nb"}, "name", "control character"),
        ({"name": "x", "team_id": "a/b"}, "team_id", "pattern"),
        ({"name": "x", "team_alias": "y"}, "team_alias", "no such field; did you mean name?"),
        ({"name": "x", "rpm_limit": 5}, "rpm_limit", "no such field"),
        ({"name": "x", "members": []}, "members", "no such field"),
    ],
)
def test_a_bad_team_is_refused_by_the_name_of_its_field(
    description: Any, param: str | None, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        team_spec(description)
    assert refused.value.param == param
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, {}),
        ({"name": "Development"}, {"name": "Development"}),
        ({"team_id": "research"}, {}),
        ({"max_budget": 0.5}, {"max_budget": 500_000_000}),
        ({"max_budget": None}, {"max_budget": None}),
        ({"soft_budget": None, "budget_duration": "1mo"},
         {"soft_budget": None, "budget_duration": "1mo"}),
        ({"blocked": None}, {"blocked": False}),
        ({"metadata": {"cost": {"centre": None}, "x": 1}},
         {"metadata": {"cost": {}, "note": "n", "x": 1}}),
        ({"metadata": None}, {"metadata": {}}),
    ],
)  # fmt: skip
def test_a_merge_patch_changes_what_it_names_and_nothing_else(patch: Json, changed: Json) -> None:
    team = made()
    assert patched_team(team, patch, NOW + 1) == replace(team, **changed, updated_at=NOW + 1)


@pytest.mark.parametrize(
    ("patch", "param", "message"),
    [
        (None, None, "must be a JSON object"),
        ({"team_id": "other"}, "team_id", "cannot be changed"),
        ({"name": None}, "name", "valid string"),
        ({"name": ""}, "name", "at least 1"),
        ({"max_budget": -1}, "max_budget", "greater than or equal to 0"),
        ({"id": "x"}, "id", "no such field"),
        ({1: 1}, "1", "a name that is not text"),
    ],
)
def test_a_bad_patch_is_refused_by_the_name_of_its_field(
    patch: Any, param: str | None, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        patched_team(made(), patch, NOW)
    assert refused.value.param == param
    assert message in refused.value.message


@pytest.mark.parametrize("depth", DEEP)
def test_deep_nesting_is_refused_before_it_exhausts_the_stack(depth: int) -> None:
    team, deep = made(), nested(depth)
    for attempt in (
        lambda: team_spec({"name": "x", "metadata": deep}),
        lambda: patched_team(team, {"metadata": deep}, NOW),
    ):
        with pytest.raises(InvalidField, match="nested too deeply"):
            attempt()


def _sound(team: Team) -> None:
    """It can be stored and shown."""
    assert orjson.loads(orjson.dumps(asdict(team))) == asdict(team)
    orjson.dumps(team_view(team))
    assert team.name
    assert team.id


@given(objects(FULL))
def test_anything_at_all_is_a_team_or_refused(data: Any) -> None:
    try:
        team = team_spec(data).record(NOW)
    except InvalidField as error:
        orjson.dumps(error.body())
    else:
        _sound(team)


@given(objects(FULL))
def test_anything_at_all_is_a_patch_or_refused(data: Any) -> None:
    team = made()
    try:
        new = patched_team(team, data, NOW + 1)
    except InvalidField as error:
        orjson.dumps(error.body())
    else:
        _sound(new)
        assert (new.id, new.created_at) == (team.id, team.created_at)
