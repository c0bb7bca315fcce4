"""The configuration file's JSON Schema, with which editors complete and check it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.file import SECTIONS
from gateway.config.read_owners import NOT_IN_A_FILE
from gateway.litellm_names import (
    ENTRY,
    OTHER_PRICES,
    PARAMS,
    SO_BY_DESIGN,
    TOKEN_PRICES,
    TOP_LEVEL,
    UNSUPPORTED_PARAMS,
)
from gateway.redaction import LONGEST_PATTERN, MARK
from gateway.specs import KeySpec, ModelSpec, TeamSpec
from gateway.specs.shared import Id

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Reference = Annotated[str, Field(pattern="^os\\.environ/.")]
_Seconds = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _LitellmSettings(BaseModel):
    # LiteLLM takes any attribute of its module here, more than can be listed.
    model_config = ConfigDict(extra="allow")

    drop_params: bool | _Reference | None = Field(
        None, description="Leave out OpenAI parameters that a provider does not know"
    )
    request_timeout: _Seconds | _Reference | None = Field(
        None, description="Seconds a provider has for a whole answer"
    )


class _RouterSettings(_Section):
    timeout: _Seconds | _Reference | None = Field(
        None, description="As litellm_settings.request_timeout, which goes before it"
    )
    stream_timeout: _Seconds | _Reference | None = Field(
        None, description="Seconds a provider has between two pieces of a stream"
    )


class _Pattern(_Section):
    """An own rule."""

    pattern: str = Field(description="A regular expression of Python's", max_length=LONGEST_PATTERN)
    replacement: str = Field(MARK, description="What takes the place of a match")


_Rule = Literal["keys", "emails", "ip_addresses", "card_numbers", "phone_numbers"]


class _GeneralSettings(_Section):
    master_key: str | None = Field(None, description="An admin key; best as os.environ/NAME")
    maximum_spend_logs_retention_period: str | Annotated[int, Field(ge=2)] | None = Field(
        None, description="How long the ledger's rows are kept: 90d, 6mo, …, or forever"
    )
    store_prompts_in_spend_logs: bool | _Reference | None = Field(
        None, description="Keep prompts and answers, redacted, as long as the ledger's rows"
    )
    redact_stored_prompts: list[_Rule | _Pattern] | _Reference | None = Field(
        None, description="What is taken out of them before; keys, emails and card_numbers if not"
    )


class _Key(KeySpec):
    """A gateway key: `key`, best as `os.environ/NAME`, or the `key_hash` of one."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["key"]}, {"required": ["key_hash"]}]}
    )

    expires_at: str | None = Field(None, description="When it ends: an ISO 8601 time")  # type: ignore[assignment]
    key: str | None = Field(None, description="The key; best as os.environ/NAME")
    key_hash: str | None = Field(
        None, pattern="^[0-9a-fA-F]{64}$", description="SHA-256 of the key, hexadecimal"
    )


class _Team(TeamSpec):
    """An owner of keys that share a budget."""

    team_id: Id = Field(description="An id of your own choice, by which keys name it")


class _File(_Section):
    """The gateway's configuration: LiteLLM's config.yaml, and keys and teams."""

    model_list: list[ModelSpec] | None = Field(None, description="The models")
    teams: list[_Team] | None = Field(None, description="Owners of keys")
    keys: list[_Key] | None = Field(None, description="Gateway keys")
    litellm_settings: _LitellmSettings | None = None
    router_settings: _RouterSettings | None = None
    general_settings: _GeneralSettings | None = None


def json_schema() -> dict[str, Any]:
    """The schema, draft 2020-12. LiteLLM's names that have no effect are marked as deprecated."""
    schema = _File.model_json_schema()
    parts = schema["$defs"]
    _unsupported(schema, TOP_LEVEL)
    for name in NOT_IN_A_FILE:
        del parts["_Key"]["properties"][name]
    _unsupported(parts["ModelSpec"], ENTRY)
    params = parts["ModelSpec"]["properties"]["litellm_params"]
    params["properties"] = dict.fromkeys(sorted(PARAMS), True) | _prices()
    _unsupported(params, UNSUPPORTED_PARAMS)
    info = parts["ModelSpec"]["properties"]["model_info"]
    info["properties"] = {"base_model": {"description": "Whose price it has"}} | _prices()
    for section, part in (
        ("litellm_settings", parts["_LitellmSettings"]),
        ("router_settings", parts["_RouterSettings"]),
        ("general_settings", parts["_GeneralSettings"]),
    ):
        for name, value in SO_BY_DESIGN[section].items():
            always = f"For the gateway this is always {json.dumps(value)}"
            part["properties"][name] = {"description": always, "examples": [value]}
        _unsupported(part, SECTIONS[section])
    return {"$schema": DIALECT, **schema}


def _prices() -> dict[str, Any]:
    """The plain ones; each has variants for long prompts and service tiers."""
    amount = {"description": "Dollars", "type": ["number", "string", "null"], "minimum": 0}
    return dict.fromkeys(sorted(TOKEN_PRICES), amount) | dict.fromkeys(sorted(OTHER_PRICES), True)


def _unsupported(part: dict[str, Any], names: Iterable[str]) -> None:
    """Add the names that are not there yet."""
    for name in sorted(names):
        part["properties"].setdefault(
            name, {"description": "Not supported yet", "deprecated": True}
        )
