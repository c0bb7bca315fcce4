"""What LiteLLM's routes answer, as types.

LiteLLM's rows have many more columns, which the gateway gives as LiteLLM has them where nobody has
set them; what is said here is what is the gateway's to say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.http.openapi.answers import Dollars, Moment

Json = dict[str, Any]
Hash = Annotated[str, Field(description="SHA-256 of the key, hexadecimal")]
Day = Annotated[str, Field(json_schema_extra={"format": "date"})]


class _OfKeys(TypedDict):
    key_name: Annotated[str, Field(description="How its secret begins and ends")]
    key_alias: str | None
    user_id: str | None
    team_id: str | None
    models: list[str]
    aliases: Json
    metadata: Json
    rpm_limit: int | None
    tpm_limit: int | None
    max_parallel_requests: int | None
    max_budget: Dollars | None
    budget_duration: str | None
    spend: Dollars
    litellm_budget_table: Json | None
    blocked: bool
    expires: Moment | None
    created_at: Moment
    updated_at: Moment


class KeyRow(_OfKeys):
    """A key, as LiteLLM's table has it."""

    token: Hash
    total_spend: Dollars
    budget_reset_at: Moment | None


class NewKey(_OfKeys):
    """A key with its secret, which is nowhere else."""

    key: str
    token: Hash
    token_id: Hash


class UpdatedKey(KeyRow):
    key: Annotated[str, Field(description="The key or its hash, as it was named")]


class _OwnKey(_OfKeys):
    status: Literal["active", "expired", "revoked", "deleted"]


class KeyInfo(TypedDict):
    key: Annotated[str, Field(description="The key or its hash, as it was named")]
    info: _OwnKey


class KeyNames(TypedDict):
    keys: list[Hash | KeyRow]
    total_count: int
    current_page: int
    total_pages: int


class KeyAliases(TypedDict):
    aliases: list[str | None]
    total_count: int
    current_page: int
    total_pages: int
    size: int


class DeletedKeys(TypedDict):
    deleted_keys: list[str]


class TeamRow(TypedDict):
    """A team, as LiteLLM's table has it."""

    team_id: str
    team_alias: str | None
    max_budget: Dollars | None
    soft_budget: Dollars | None
    budget_duration: str | None
    budget_reset_at: Moment | None
    spend: Dollars
    metadata: Json
    blocked: bool
    created_at: Moment
    updated_at: Moment


class TeamWithKeys(TeamRow):
    keys: list[KeyRow]
    team_memberships: list[Json]


class CountedTeam(TeamRow):
    members_count: int
    keys_count: int


class TeamInfo(TypedDict):
    team_id: str
    team_info: TeamRow
    keys: list[KeyRow]
    team_memberships: list[Json]


class UpdatedTeam(TypedDict):
    team_id: str
    data: TeamRow


class TeamPage(TypedDict):
    teams: list[CountedTeam]
    total: int
    page: int
    page_size: int
    total_pages: int


class DeletedTeams(TypedDict):
    deleted_teams: list[str]


class ModelRow(TypedDict):
    """A model, as LiteLLM's table has it. Secrets are hidden."""

    model_id: str
    model_name: str
    litellm_params: Json
    model_info: Json
    blocked: bool
    created_at: Moment
    created_by: str | None
    updated_at: Moment
    updated_by: str


class ModelEntry(TypedDict):
    model_name: str
    litellm_params: Json
    model_info: Json


class ModelEntries(TypedDict):
    data: list[ModelEntry]


class ModelPage(ModelEntries):
    total_count: int
    current_page: int
    total_pages: int
    size: int


class ModelGroup(TypedDict):
    model_group: str
    providers: list[str]
    mode: str | None
    max_input_tokens: float | None
    max_output_tokens: float | None
    input_cost_per_token: Dollars | None
    output_cost_per_token: Dollars | None
    tpm: float | None
    rpm: float | None


class ModelGroups(TypedDict):
    data: list[ModelGroup]


class Said(TypedDict):
    message: str


class Cost(TypedDict):
    cost: Dollars


class SpendLog(TypedDict):
    """One request."""

    request_id: str
    call_type: str
    api_key: Hash
    spend: Dollars
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    startTime: Moment
    endTime: Moment
    completionStartTime: Moment
    model: str
    model_group: str
    custom_llm_provider: str
    cache_hit: Literal["True", "False"]
    request_tags: list[str]
    team_id: str | None
    end_user: str
    status: Literal["success", "failure"]
    metadata: Json


class SpendOfDay(TypedDict):
    """What was spent on a day; by key, under the keys' hashes."""

    startTime: Day
    spend: Dollars
    users: dict[str, float]
    models: dict[str, float]


class TagSpend(TypedDict):
    individual_request_tag: str
    log_count: int
    total_spend: Dollars


class TotalSpend(TypedDict):
    spend: Dollars
    max_budget: float


class DaySpend(TypedDict):
    date: Day
    spend: Dollars
    api_key: NotRequired[Hash]


class KeySpend(TypedDict):
    api_key: Hash
    key_alias: str | None
    key_name: str | None
    total_spend: Dollars


class ModelSpend(TypedDict):
    model: str
    total_spend: Dollars


class TeamTotal(TypedDict):
    team_id: str
    total_spend: Dollars


class TeamSpend(TypedDict):
    daily_spend: list[Json]
    teams: list[str]
    total_spend_per_team: list[TeamTotal]


class SpendUnderTag(TypedDict):
    name: str
    spend: Dollars
    log_count: int


class SpendPerTag(TypedDict):
    spend_per_tag: list[SpendUnderTag]


class SpendReport(TypedDict, total=False):
    """What each team, customer or both spent on a day; or of a key, what it spent in all."""

    group_by_day: Moment
    teams: list[Json]
    customers: list[Json]
    teams_customers: list[Json]
    api_key: Hash
    total_cost: Dollars
    total_input_tokens: int
    total_output_tokens: int
    model_details: list[Json]


class Readiness(TypedDict):
    status: Literal["healthy", "starting", "unhealthy"]
    db: Literal["connected", "Not connected"]
    redis: NotRequired[Literal["connected", "Not connected"]]


class ReadinessDetails(Readiness):
    cache: str | None
    success_callbacks: list[str]
    litellm_version: str
    gateway_version: str
    log_level: str
    is_detailed_debug: bool


class Health(TypedDict):
    """What came of calling each model once."""

    healthy_endpoints: list[Json]
    unhealthy_endpoints: list[Json]
    untried_endpoints: NotRequired[list[Json]]
    healthy_count: int
    unhealthy_count: int
