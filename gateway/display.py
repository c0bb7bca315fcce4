"""What an admin sees of models, keys and teams, over HTTP and in the CLI. Never a secret."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from gateway.money import dollars
from gateway.periods import period_end
from gateway.records import Key, Model, Team
from gateway.vault import is_reference

HIDDEN = "[hidden]"


def model_view(model: Model) -> dict[str, Any]:
    """A model as JSON. Secrets are hidden; references to variables are shown as they are."""
    secrets = {
        name: value if is_reference(value) else HIDDEN for name, value in model.secrets.items()
    }
    return {
        "model_id": model.id,
        "model_name": model.name,
        "provider": model.provider,
        "api_key": secrets.pop("api_key", None),
        "base_url": model.base_url,
        "api_version": model.api_version,
        "litellm_params": {"model": model.upstream_model, **model.params, **secrets},
        "model_info": dict(model.info),
        "created_at": timestamp(model.created_at),
        "updated_at": timestamp(model.updated_at),
    }


def key_view(key: Key) -> dict[str, Any]:
    """A key as JSON. Money is in dollars."""
    return {
        "id": key.id,
        "object": "key",
        "kind": key.kind,
        "label": key.label,
        "hint": key.hint,
        "state": key.state(time.time()),
        "blocked": key.blocked,
        "team_id": key.team_id,
        "user_id": key.user_id,
        "models": list(key.models),
        "aliases": dict(key.aliases),
        "rpm_limit": key.rpm_limit,
        "tpm_limit": key.tpm_limit,
        "model_rpm_limit": dict(key.model_rpm_limit),
        "model_tpm_limit": dict(key.model_tpm_limit),
        "max_parallel_requests": key.max_parallel_requests,
        **_budget(key),
        "tags": list(key.tags),
        "metadata": dict(key.metadata),
        "created_at": timestamp(key.created_at),
        "updated_at": timestamp(key.updated_at),
        "expires_at": optional_timestamp(key.expires_at),
        "rotated_until": optional_timestamp(key.retiring_until),
        "revoked_at": optional_timestamp(key.revoked_at),
    }


def team_view(team: Team) -> dict[str, Any]:
    """A team as JSON. Money is in dollars."""
    return {
        "team_id": team.id,
        "object": "team",
        "name": team.name,
        "blocked": team.blocked,
        **_budget(team),
        "metadata": dict(team.metadata),
        "created_at": timestamp(team.created_at),
        "updated_at": timestamp(team.updated_at),
    }


def spending(owner: Key | Team, spent: int, now: int) -> dict[str, Any]:
    """What an owner has spent in its budget period, to add to its view; `spent` in nano-dollars."""
    duration = owner.budget_duration
    return {
        "spend": dollars(spent),
        "budget_reset_at": (
            timestamp(period_end(duration, owner.created_at, now)) if duration else None
        ),
    }


def _budget(owner: Key | Team) -> dict[str, Any]:
    return {
        "max_budget": None if owner.max_budget is None else dollars(owner.max_budget),
        "soft_budget": None if owner.soft_budget is None else dollars(owner.soft_budget),
        "budget_duration": owner.budget_duration,
    }


def optional_timestamp(seconds: int | None) -> str | None:
    return None if seconds is None else timestamp(seconds)


def timestamp(seconds: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
