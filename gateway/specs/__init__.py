"""What an operator may say of models, keys, teams and settings, checked, and made into records.

The HTTP routes, the CLI and the YAML file all pass through here, so that a rule for a field
stands once.
"""

from gateway.specs.budgets import BudgetSpec
from gateway.specs.keys import KeySpec, described_key, key_record, key_spec, patched_key, rotated
from gateway.specs.models import (
    ModelSpec,
    deployment_of,
    describe,
    model_spec,
    patched,
    target_of,
)
from gateway.specs.settings import patched_settings, setting
from gateway.specs.shared import new_id
from gateway.specs.teams import TeamSpec, described_team, patched_team, team_spec

__all__ = [
    "BudgetSpec",
    "KeySpec",
    "ModelSpec",
    "TeamSpec",
    "deployment_of",
    "describe",
    "described_key",
    "described_team",
    "key_record",
    "key_spec",
    "model_spec",
    "new_id",
    "patched",
    "patched_key",
    "patched_settings",
    "patched_team",
    "rotated",
    "setting",
    "target_of",
    "team_spec",
]
