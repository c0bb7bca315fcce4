# ruff: noqa: SIM905 - lists of a name a line would be five times as long
"""What LiteLLM's bodies say of keys and teams, as the gateway's own descriptions of them.

Fields are LiteLLM 1.106's (proxy/_types.py: GenerateKeyRequest, UpdateKeyRequest, NewTeamRequest,
UpdateTeamRequest). LiteLLM has far more of them than the gateway: the rest may be given empty, as
its clients do, and is refused where it asks for something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gateway import vault
from gateway.errors import InvalidField

Json = dict[str, Any]

# LiteLLM's names for the gateway's fields.
KEY_FIELDS = {
    "key_alias": "label",
    "team_id": "team_id",
    "user_id": "user_id",
    "models": "models",
    "aliases": "aliases",
    "rpm_limit": "rpm_limit",
    "tpm_limit": "tpm_limit",
    "model_rpm_limit": "model_rpm_limit",
    "model_tpm_limit": "model_tpm_limit",
    "max_parallel_requests": "max_parallel_requests",
    "max_budget": "max_budget",
    "soft_budget": "soft_budget",
    "budget_duration": "budget_duration",
    "duration": "duration",
    "tags": "tags",
    "metadata": "metadata",
    "blocked": "blocked",
}
TEAM_FIELDS = {
    "team_id": "team_id",
    "team_alias": "name",
    "max_budget": "max_budget",
    "soft_budget": "soft_budget",
    "budget_duration": "budget_duration",
    "metadata": "metadata",
    "blocked": "blocked",
}
# What LiteLLM keeps inside a key's metadata.
_IN_METADATA = ("model_rpm_limit", "model_tpm_limit", "tags")

# What LiteLLM acts on, be it in the body or inside `metadata`.
ACTED_ON = frozenset(
    """
    allowed_passthrough_routes allowed_vector_store_indexes default_estimated_output_tokens
    default_estimated_output_tokens_per_model denied_passthrough_routes disable_global_guardrails
    enable_prompt_caching end_user_budget_id enforced_batch_output_expires_after
    enforced_file_expires_after enforced_params guardrails logging mcp_rpm_limit model_itpm_limit
    model_otpm_limit policies prompts rpm_limit_type secret_manager_settings tag_rpm_limit
    team_member_key_duration temp_budget_expiry temp_budget_increase throttle_on_budget_exceeded
    tpm_limit_type
    """.split()
)
# What it takes besides, for a key and for a team.
_OTHERS = frozenset(
    """
    access_group_ids agent_id allowed_cache_controls allowed_routes budget_fallbacks budget_id
    budget_limits config model_max_budget object_permission organization_id permissions project_id
    router_settings tpd_limit
    """.split()
)
OTHERS_OF_KEYS = _OTHERS.union(
    "auto_rotate key_type new_master_key rotation_interval send_invite_email".split()
)
OTHERS_OF_TEAMS = _OTHERS.union(
    _IN_METADATA,
    """
    admins default_team_member_models max_parallel_requests members members_with_roles
    model_aliases models rpm_limit team_member_budget team_member_budget_duration
    team_member_permissions team_member_rpm_limit team_member_tpm_limit tpm_limit
    """.split(),
)
# Every gateway key calls models and does nothing else.
_ALREADY_SO: Mapping[str, tuple[Any, ...]] = {
    "key_type": ("default", "llm_api"),
    "allowed_routes": (["llm_api_routes"],),
}
_WAYS_OUT = {
    "budget_id": "give max_budget and budget_duration themselves",
    "budget_limits": "a key has one budget: max_budget and budget_duration",
    "model_max_budget": "a budget is a key's or a team's, for all models together",
    "organization_id": "there are teams, and no organizations of them",
    "auto_rotate": "rotate it with /key/regenerate",
    "rotation_interval": "rotate it with /key/regenerate",
    "new_master_key": "an admin key gets a new secret as any other key does",
    "tpd_limit": "there is tpm_limit, by the minute",
}
_WAYS_OUT_OF_TEAMS = (
    _WAYS_OUT
    | dict.fromkeys(
        """
        max_parallel_requests model_aliases model_rpm_limit model_tpm_limit models rpm_limit tags
        tpm_limit
        """.split(),
        "these are each key's own",
    )
    | dict.fromkeys("admins members members_with_roles".split(), "a team has keys, and no members")
)


def key_description(body: Json, *, new: bool) -> Json:
    """What a body says of a key, for `key_spec` or, if it is not `new`, `described_key`.

    As with LiteLLM, `metadata` stands for all of it, the limits by model and the tags in it too;
    null leaves these as they are, and everything else without a value.

    Raises:
        InvalidField: The body has something that the gateway has not.
    """
    fields = dict(body)
    # The ledger knows what a key has spent; a client may only send back what a new one has.
    if fields.pop("spend", None):
        raise InvalidField(
            "spend: follows from the requests that were made, and cannot be set", param="spend"
        )
    _refuse_others(fields, KEY_FIELDS, OTHERS_OF_KEYS, _WAYS_OUT)
    if "all-team-models" in _items(fields.get("models")):
        raise InvalidField(
            "models: all-team-models stands for nothing here, as teams have no models of their "
            "own; name the models, or give none for all",
            param="models",
        )
    for name in _IN_METADATA:
        if fields.get(name) is None:
            fields.pop(name, None)
    if "metadata" in fields:
        metadata = _metadata(fields)
        fields = {name: metadata.pop(name, None) for name in _IN_METADATA} | fields
        fields["metadata"] = metadata
    if fields.get("max_budget") == "":
        fields["max_budget"] = None
    if fields.get("team_id") == "":
        del fields["team_id"]
    if not new and fields.get("duration") == "":
        del fields["duration"]
    if not new and fields.get("duration") == "-1":
        fields["duration"] = None
    return {KEY_FIELDS[name]: value for name, value in fields.items()}


def team_description(body: Json) -> Json:
    """What a body says of a team, for `team_spec` or `described_team`.

    Raises:
        InvalidField: The body has something that the gateway has not.
    """
    fields = dict(body)
    _refuse_others(fields, TEAM_FIELDS, OTHERS_OF_TEAMS, _WAYS_OUT_OF_TEAMS)
    if "metadata" in fields:
        fields["metadata"] = _metadata(fields)
        for name in _IN_METADATA:
            _refuse(f"metadata.{name}", fields["metadata"].get(name), _WAYS_OUT_OF_TEAMS)
    return {TEAM_FIELDS[name]: value for name, value in fields.items()}


@contextmanager
def litellms_names() -> Iterator[None]:
    """Let an InvalidField about a description speak of the field that was in the body."""
    names = {"label": "key_alias", "name": "team_alias"}
    try:
        yield
    except InvalidField as error:
        ours = error.param or ""
        theirs = names.get(ours)
        if theirs is None:
            raise
        message = theirs + error.message.removeprefix(ours)
        raise InvalidField(message, param=theirs) from None


def secret_of(body: Json, field: str) -> str:
    """Take the key out of a body that someone chose, or make one. Raises InvalidField."""
    secret = body.pop(field, None)
    if secret is None:
        return vault.new_key()
    if not isinstance(secret, str):
        raise InvalidField(f"{field}: takes text", param=field)
    try:
        vault.check_strength(secret, field)
    except vault.WeakKey as weak:
        raise InvalidField(weak.message, param=field) from None
    return secret


def refuse_rest(body: Json) -> None:
    """Raises InvalidField for whatever is left of a body."""
    for field in body:
        raise InvalidField(f"{field}: no such field", param=field, code="extra_forbidden")


def _refuse_others(
    fields: Json, known: Mapping[str, str], others: frozenset[str], ways_out: Mapping[str, str]
) -> None:
    """Take out what may only be empty."""
    for name in list(fields):
        if name in known:
            continue
        if name not in others and name not in ACTED_ON:
            raise InvalidField(f"{name}: no such field", param=name, code="extra_forbidden")
        _refuse(name, fields.pop(name), ways_out)


def _refuse(field: str, value: object, ways_out: Mapping[str, str]) -> None:
    name = field.removeprefix("metadata.")
    if not _is_empty(value) and value not in _ALREADY_SO.get(name, ()):
        way_out = ways_out.get(name, "leave it out")
        raise InvalidField(f"{field}: is not supported by this gateway; {way_out}", param=field)


def _metadata(fields: Json) -> Json:
    metadata = {} if fields["metadata"] is None else fields["metadata"]
    if not isinstance(metadata, Mapping):
        raise InvalidField("metadata: takes an object", param="metadata")
    for name in metadata:
        if name in ACTED_ON:
            _refuse(f"metadata.{name}", metadata[name], _WAYS_OUT)
    return dict(metadata)


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_empty(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_empty, value.values()))
    return value is None or value is False or value in ("", [])
