"""The configuration file's JSON Schema, with which editors complete and check it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from gateway.config.file import SECTIONS
from gateway.config.read_cache import UNSUPPORTED
from gateway.config.read_owners import NOT_IN_A_FILE
from gateway.evals.specs import DatasetSpec, SuiteSpec
from gateway.evals.specs.any import AnyEvaluator
from gateway.litellm_names import (
    ENTRY,
    OTHER_PRICES,
    PARAMS,
    RETRY_POLICY,
    SO_BY_DESIGN,
    TOKEN_PRICES,
    TOP_LEVEL,
    UNIT_PRICES,
    UNSUPPORTED_PARAMS,
)
from gateway.records import RoutingStrategy
from gateway.redaction import LONGEST_PATTERN, MARK
from gateway.specs import KeySpec, ModelSpec, TeamSpec
from gateway.specs.cache import CacheParams
from gateway.specs.routing import MOST_FAILS, MOST_FALLBACKS, MOST_RETRIES
from gateway.specs.shared import LARGEST_LIMIT, Id

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_OtherStrategy = Literal["usage-based-routing", "usage-based-routing-v2", "provider-budget-routing"]

_LIMIT = {"type": ["integer", "null"], "minimum": 1, "maximum": LARGEST_LIMIT}
_TIME = {"type": ["number", "null"], "exclusiveMinimum": 0}
_ROUTING: dict[str, Any] = {
    "caching": {
        "description": "Whether its answers are cached, whatever holds for others",
        "type": ["boolean", "null"],
    },
    "first_token_timeout": {
        "description": "Seconds for the first piece of a stream that says something"
    } | _TIME,
    "lane": {
        "description": "How its calls go: `direct` passes them on without litellm",
        "type": ["string", "null"],
        "enum": ["litellm", "direct", None],
    },
    "order": {
        "description": "The lowest comes first, the others where it fails; 1 if not set",
        "type": ["integer", "null"],
    },
    "rpm": {"description": "Requests a minute that it gets at most"} | _LIMIT,
    "stream_timeout": {"description": "Seconds between two pieces of a stream"} | _TIME,
    "stream_total_timeout": {"description": "Seconds for all of a stream"} | _TIME,
    "timeout": {"description": "Seconds for an answer that is not streamed"} | _TIME,
    "tpm": {"description": "Tokens a minute that it gets at most"} | _LIMIT,
    "weight": {
        "description": "Its share of the calls, against the others' weights",
        "type": ["number", "null"],
        "minimum": 0,
    },
}  # fmt: skip
_INFO: dict[str, Any] = {
    "base_model": {"description": "Whose price it has"},
    "health_check_model": {"description": "The model to try of those that a pattern stands for"},
    "id": {"description": "The deployment's id", "type": ["string", "integer", "null"]},
}

_Reference = Annotated[str, Field(pattern="^os\\.environ/.")]
_Seconds = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Alias(_Section):
    model: str
    hidden: bool = Field(False, description="Not supported: an alias is listed")


_Chain = list[str | dict[str, Any]] | str


class _Chains(RootModel[list[dict[str, _Chain]] | dict[str, _Chain] | _Reference]):
    """Models, each with those to turn to: `[{name: [others]}]`; `*` stands for any model."""


class _Reliability(BaseModel):
    """What may stand in either section; in `router_settings` it goes before the other."""

    allowed_fails: Annotated[int, Field(ge=0, le=MOST_FAILS)] | _Reference | None = Field(
        None, description="Failures a minute after which a deployment cools down"
    )
    content_policy_fallbacks: _Chains | None = Field(
        None, description="As fallbacks, where a provider finds fault with the content"
    )
    context_window_fallbacks: _Chains | None = Field(
        None, description="As fallbacks, where a prompt is too long"
    )
    default_fallbacks: list[str | dict[str, Any]] | str | None = Field(
        None, description="The models to turn to for those without fallbacks of their own"
    )
    fallbacks: _Chains | None = Field(None, description="The models to turn to where one fails")
    max_fallbacks: Annotated[int, Field(ge=0, le=MOST_FALLBACKS)] | _Reference | None = Field(
        None, description="To how many other models a call may turn; 5 if not set"
    )
    num_retries: Annotated[int, Field(ge=0, le=MOST_RETRIES)] | _Reference | None = Field(
        None, description="How often a call is tried again at a model; 2 if not set"
    )


class _LitellmSettings(_Reliability):
    # LiteLLM takes any attribute of its module here, more than can be listed.
    model_config = ConfigDict(extra="allow")

    cache: bool | _Reference | None = Field(
        None, description="Answer a request that was answered before from the cache"
    )
    cache_params: CacheParams | None = Field(None, description="How the cache works")
    drop_params: bool | _Reference | None = Field(
        None, description="Leave out OpenAI parameters that a provider does not know"
    )
    request_timeout: _Seconds | _Reference | None = Field(
        None, description="Seconds a provider has for a whole answer"
    )


class _RouterSettings(_Reliability):
    model_config = ConfigDict(extra="forbid")

    cooldown_time: _Seconds | _Reference | None = Field(
        None, description="Seconds for which a failing deployment is left alone; 5 if not set"
    )
    first_token_timeout: _Seconds | _Reference | None = Field(
        None, description="Seconds for the first piece of a stream that says something"
    )
    model_group_alias: dict[str, str | _Alias] | _Reference | None = Field(
        None, description="Further names for models"
    )
    retry_after: Annotated[float, Field(ge=0)] | _Reference | None = Field(
        None, description="Seconds to wait at least before a deployment is tried again"
    )
    retry_policy: dict[str, Annotated[int, Field(ge=0)] | None] | _Reference | None = Field(
        None, description=f"num_retries by what went wrong: {', '.join(RETRY_POLICY)}"
    )
    routing_strategy: RoutingStrategy | _OtherStrategy | _Reference | None = Field(
        None, description="How a deployment is chosen; by usage or budget is not supported"
    )
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


class _Evals(_Section):
    """What is to be evaluated."""

    datasets: list[DatasetSpec] | None = Field(None, description="Questions and right answers")
    evaluators: list[AnyEvaluator] | None = Field(None, description="Ways to score an answer")
    suites: list[SuiteSpec] | None = Field(None, description="What is to be run, on which models")


class _File(_Section):
    """The gateway's configuration: LiteLLM's config.yaml, and keys, teams and evaluations."""

    model_list: list[ModelSpec] | None = Field(None, description="The models")
    teams: list[_Team] | None = Field(None, description="Owners of keys")
    keys: list[_Key] | None = Field(None, description="Gateway keys")
    litellm_settings: _LitellmSettings | None = None
    router_settings: _RouterSettings | None = None
    general_settings: _GeneralSettings | None = None
    evals: _Evals | None = None


def json_schema() -> dict[str, Any]:
    """The schema, draft 2020-12. LiteLLM's names that have no effect are marked as deprecated."""
    schema = _File.model_json_schema()
    parts = schema["$defs"]
    _unsupported(schema, TOP_LEVEL)
    for name in NOT_IN_A_FILE:
        del parts["_Key"]["properties"][name]
    _unsupported(parts["ModelSpec"], ENTRY)
    params = parts["ModelSpec"]["properties"]["litellm_params"]
    params["properties"] = dict.fromkeys(sorted(PARAMS), True) | _prices() | _ROUTING
    _unsupported(params, UNSUPPORTED_PARAMS)
    info = parts["ModelSpec"]["properties"]["model_info"]
    info["properties"] = _INFO | _prices()
    for section, part in (
        ("litellm_settings", parts["_LitellmSettings"]),
        ("router_settings", parts["_RouterSettings"]),
        ("general_settings", parts["_GeneralSettings"]),
    ):
        for name, value in SO_BY_DESIGN[section].items():
            always = f"For the gateway this is always {json.dumps(value)}"
            part["properties"][name] = {"description": always, "examples": [value]}
        _unsupported(part, SECTIONS[section])
    _unsupported(parts["CacheParams"], UNSUPPORTED)
    return {"$schema": DIALECT, **schema}


def _prices() -> dict[str, Any]:
    """The plain ones; each has variants for long prompts and service tiers."""
    amount = {"description": "Dollars", "type": ["number", "string", "null"], "minimum": 0}
    amounts = dict.fromkeys(sorted(TOKEN_PRICES | UNIT_PRICES.keys()), amount)
    return amounts | dict.fromkeys(sorted(OTHER_PRICES), True)


def _unsupported(part: dict[str, Any], names: Iterable[str]) -> None:
    """Add the names that are not there yet."""
    for name in sorted(names):
        part["properties"].setdefault(
            name, {"description": "Not supported yet", "deprecated": True}
        )
