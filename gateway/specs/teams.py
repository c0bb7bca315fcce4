"""What an operator may say of a team, checked, and made into a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from gateway.errors import InvalidField
from gateway.fields import merge_patch
from gateway.records import Team
from gateway.specs.budgets import BudgetSpec
from gateway.specs.shared import Id, Name, check_patch, invalid_field, new_id

_MEANT = {"team_alias": "name"}


class TeamSpec(BudgetSpec):
    """A team: the owner of keys that share a budget."""

    team_id: Id | None = Field(None, description="An id of your own choice")
    name: Name = Field(description="What the team is called")

    def record(self, now: int) -> Team:
        """Make the record of a new team."""
        values = self.values()
        team_id = values.pop("team_id", None) or new_id("team")
        return Team(id=team_id, created_at=now, updated_at=now, **values)


class _TeamPatch(TeamSpec):
    name: Name = ""


def team_spec(data: object) -> TeamSpec:
    """Check a team's description. Raises InvalidField."""
    if not isinstance(data, Mapping):
        raise InvalidField("A team is described by a JSON object")
    try:
        return TeamSpec.model_validate(data)
    except ValidationError as error:
        raise invalid_field(error, _MEANT) from None


def patched_team(team: Team, patch: object, now: int) -> Team:
    """The team with the fields that a JSON merge patch names; null gives one its default.

    Raises:
        InvalidField: The patch cannot be.
    """
    merged = dict(check_patch(patch))
    if isinstance(merged.get("metadata"), Mapping):
        merged["metadata"] = merge_patch(team.metadata, merged["metadata"])
    return described_team(team, merged, now)


def described_team(team: Team, description: Mapping[str, Any], now: int) -> Team:
    """The team with the fields that a description gives, each of them whole.

    Raises:
        InvalidField: The description cannot be.
    """
    if description.get("team_id", team.id) != team.id:
        raise InvalidField("team_id cannot be changed", param="team_id")
    try:
        values = _TeamPatch.model_validate(description).values()
    except ValidationError as error:
        raise invalid_field(error, _MEANT) from None
    values.pop("team_id", None)
    return dataclasses.replace(team, **values, updated_at=now)
