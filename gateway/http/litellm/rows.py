# ruff: noqa: SIM905 - lists of a name a line would be five times as long
"""Keys and teams as LiteLLM's rows. Fields and defaults are LiteLLM 1.106's (proxy/schema.prisma,
models/verification_token.py, models/team.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gateway.display import optional_timestamp, timestamp
from gateway.money import dollars
from gateway.periods import period_end
from gateway.records import Key, Team

Json = dict[str, Any]
Status = Literal["active", "expired", "revoked", "deleted"]

# What the gateway has not, as LiteLLM shows what nobody has set.
_OF_KEYS: Json = {
    "agent_id": None,
    "allowed_cache_controls": [],
    "allowed_routes": [],
    "budget_id": None,
    "budget_limits": None,
    "config": {},
    "created_by": None,
    "key_type": None,
    "model_max_budget": {},
    "object_permission": None,
    "organization_id": None,
    "permissions": {},
    "project_id": None,
    "router_settings": None,
    "tpd_limit": None,
    "updated_by": None,
}
_OF_KEY_ROWS: Json = {
    "access_group_ids": [],
    "auto_rotate": False,
    "budget_fallbacks": {},
    "key_rotation_at": None,
    "last_active": None,
    "last_rotation_at": None,
    "model_spend": {},
    "object_permission_id": None,
    "org_id": None,
    "policies": [],
    "rotation_count": None,
    "rotation_interval": None,
    "settings_updated_at": None,
    "soft_budget_cooldown": False,
}
_OF_NEW_KEYS: Json = dict.fromkeys(
    """
    access_group_ids allowed_passthrough_routes allowed_vector_store_indexes budget_fallbacks
    default_estimated_output_tokens default_estimated_output_tokens_per_model
    denied_passthrough_routes disable_global_guardrails duration enable_prompt_caching
    end_user_budget_id enforced_params guardrails mcp_rpm_limit model_rpm_limit model_tpm_limit
    policies prompts rpm_limit_type tag_rpm_limit tags throttle_on_budget_exceeded tpm_limit_type
    """.split()
)
_OF_BUDGETS: Json = dict.fromkeys(
    """
    allowed_models budget_duration budget_id max_budget max_parallel_requests model_max_budget
    rpm_limit soft_budget temp_budget_expiry temp_budget_increase tpd_limit tpm_limit
    """.split()
)
_OF_TEAMS: Json = {
    "access_group_ids": [],
    "admins": [],
    "allow_team_guardrail_config": False,
    "budget_limits": None,
    "default_team_member_models": [],
    "litellm_model_table": None,
    "max_parallel_requests": None,
    "members": [],
    "members_with_roles": [],
    "model_id": None,
    "model_max_budget": {},
    "model_spend": {},
    "models": [],
    "object_permission": None,
    "object_permission_id": None,
    "organization_id": None,
    "policies": [],
    "router_settings": None,
    "rpm_limit": None,
    "team_member_permissions": [],
    "tpd_limit": None,
    "tpm_limit": None,
}


@dataclass(frozen=True, slots=True)
class Spent:
    """Nano-dollars: in the present budget period, and in all."""

    period: int
    ever: int


def key_row(key: Key, spent: Spent, now: int) -> Json:
    """A key, with the hash of its secret as `token`."""
    row = (
        _OF_KEYS
        | _OF_KEY_ROWS
        | _key(key, spent)
        | {
            "token": key.secret_hash,
            "total_spend": dollars(spent.ever),
            "budget_reset_at": _reset_at(key, now),
        }
    )
    if key.revoked_at is not None:
        row |= {"deleted_at": timestamp(key.revoked_at), "deleted_by": None}
    return row


def new_key_answer(key: Key, secret: str, spent: Spent) -> Json:
    """What tells of a key and its new secret."""
    return (
        _OF_KEYS
        | _OF_NEW_KEYS
        | _key(key, spent)
        | {"key": secret, "token": key.secret_hash, "token_id": key.secret_hash}
    )


def status(key: Key, now: int) -> Status:
    """LiteLLM calls a key revoked that is blocked, and deletes one that is to be revoked."""
    if key.revoked_at is not None:
        return "deleted"
    if key.blocked:
        return "revoked"
    return "expired" if key.state(now) == "expired" else "active"


def team_row(team: Team, spent: int, now: int) -> Json:
    """A team; `spent` is in the present budget period, in nano-dollars."""
    return _OF_TEAMS | {
        "team_id": team.id,
        # A team needs a name here, and is called by its id where LiteLLM's client gave none.
        "team_alias": None if team.name == team.id else team.name,
        "max_budget": _optional_dollars(team.max_budget),
        "soft_budget": _optional_dollars(team.soft_budget),
        "budget_duration": team.budget_duration,
        "budget_reset_at": _reset_at(team, now),
        "spend": dollars(spent),
        "metadata": dict(team.metadata),
        "blocked": team.blocked,
        "created_at": timestamp(team.created_at),
        "updated_at": timestamp(team.updated_at),
    }


def _key(key: Key, spent: Spent) -> Json:
    limits = {
        "model_rpm_limit": dict(key.model_rpm_limit),
        "model_tpm_limit": dict(key.model_tpm_limit),
        "tags": list(key.tags),
    }
    soft_budget = _optional_dollars(key.soft_budget)
    return {
        "key_name": key.hint.replace("…", "..."),
        "key_alias": key.label,
        "user_id": key.user_id,
        "team_id": key.team_id,
        "models": list(key.models),
        "aliases": dict(key.aliases),
        "metadata": dict(key.metadata) | {name: value for name, value in limits.items() if value},
        "rpm_limit": key.rpm_limit,
        "tpm_limit": key.tpm_limit,
        "max_parallel_requests": key.max_parallel_requests,
        "max_budget": _optional_dollars(key.max_budget),
        "budget_duration": key.budget_duration,
        "spend": dollars(spent.period),
        # Where LiteLLM has a key's soft budget, and nothing else of it.
        "litellm_budget_table": (
            None if soft_budget is None else _OF_BUDGETS | {"soft_budget": soft_budget}
        ),
        "blocked": key.blocked,
        "expires": optional_timestamp(key.expires_at),
        "created_at": timestamp(key.created_at),
        "updated_at": timestamp(key.updated_at),
    }


def _reset_at(owner: Key | Team, now: int) -> str | None:
    duration = owner.budget_duration
    return timestamp(period_end(duration, owner.created_at, now)) if duration else None


def _optional_dollars(nano: int | None) -> float | None:
    return None if nano is None else dollars(nano)
