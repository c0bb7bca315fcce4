"""What an operator may say of models, keys and teams, checked, and made into records.

The HTTP routes, the CLI and the YAML file all pass through here, so that a rule for a field
stands once.
"""

from gateway.specs.keys import KeySpec, key_record, key_spec, patched_key, rotated
from gateway.specs.models import ModelSpec, describe, model_spec, patched
from gateway.specs.shared import new_id
from gateway.specs.teams import TeamSpec, patched_team, team_spec

__all__ = [
    "KeySpec",
    "ModelSpec",
    "TeamSpec",
    "describe",
    "key_record",
    "key_spec",
    "model_spec",
    "new_id",
    "patched",
    "patched_key",
    "patched_team",
    "rotated",
    "team_spec",
]
