"""What the gateway's own routes answer, as types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.records import CallSettings, KeyKind, KeyState
from gateway.usage import Dimension, RequestView

Json = dict[str, Any]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Dollars = Annotated[float, Field(description="Dollars")]


class Problem(TypedDict):
    message: str
    type: str
    param: Annotated[str | None, Field(description="What of the request is at fault")]
    code: Annotated[str, Field(description="The status, or a name of what is wrong")]


class Error(TypedDict):
    """OpenAI's format of errors."""

    error: Problem


class Fault(TypedDict):
    loc: Annotated[list[str | int], Field(description="body or query, and where in it")]
    msg: str
    type: str


class Faults(TypedDict):
    """FastAPI's format of errors, which LiteLLM's management routes have."""

    detail: list[Fault]


class AnthropicProblem(TypedDict):
    type: str
    message: str


class AnthropicError(TypedDict):
    """Anthropic's format of errors."""

    type: Literal["error"]
    error: AnthropicProblem
    request_id: str


class ListedModel(TypedDict):
    """A model that a key may call."""

    id: Annotated[str, Field(description="The name to call it by")]
    object: Literal["model"]
    created: Annotated[int, Field(description="Seconds since 1970")]
    owned_by: Annotated[str, Field(description="The provider")]


class Model(TypedDict):
    """A model as it is registered. Of secrets, references to variables alone are shown."""

    id: Annotated[str, Field(description="The name to call it by")]
    object: Literal["model"]
    created: Annotated[int, Field(description="Seconds since 1970")]
    model_id: Annotated[str, Field(description="The deployment's own id")]
    model_name: str
    provider: str
    api_key: str | None
    base_url: str | None
    api_version: str | None
    litellm_params: Json
    model_info: Json
    created_at: Moment
    updated_at: Moment


class RegisteredModel(Model):
    """The same, as an admin key has it in the list."""

    owned_by: str


class ModelList(TypedDict):
    object: Literal["list"]
    data: list[ListedModel | RegisteredModel]


class AnthropicModel(TypedDict):
    type: Literal["model"]
    id: str
    display_name: str
    created_at: Moment


class AnthropicModelPage(TypedDict):
    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class DeletedModel(TypedDict):
    id: str
    model_name: str
    object: Literal["model"]
    deleted: Literal[True]


class _Owner(TypedDict):
    blocked: bool
    max_budget: Dollars | None
    soft_budget: Dollars | None
    budget_duration: str | None
    metadata: Json
    created_at: Moment
    updated_at: Moment
    spend: Annotated[float, Field(description="Dollars spent in the budget period")]
    budget_reset_at: Moment | None


class Key(_Owner):
    """An access key, without its secret."""

    id: str
    object: Literal["key"]
    kind: KeyKind
    label: str | None
    hint: Annotated[str, Field(description="How its secret begins and ends")]
    state: KeyState
    team_id: str | None
    user_id: str | None
    models: list[str]
    aliases: dict[str, str]
    rpm_limit: int | None
    tpm_limit: int | None
    model_rpm_limit: dict[str, int]
    model_tpm_limit: dict[str, int]
    max_parallel_requests: int | None
    tags: list[str]
    expires_at: Moment | None
    rotated_until: Annotated[Moment | None, Field(description="Until when its last secret works")]
    revoked_at: Moment | None


class IssuedKey(Key):
    """A key with its secret, which is nowhere else."""

    key: str


class KeyPage(TypedDict):
    object: Literal["list"]
    data: list[Key]
    has_more: bool


class Team(_Owner):
    """An owner of keys, which share its budget."""

    team_id: str
    object: Literal["team"]
    name: str


class TeamList(TypedDict):
    object: Literal["list"]
    data: list[Team]
    has_more: Literal[False]


class DeletedTeam(TypedDict):
    team_id: str
    object: Literal["team"]
    deleted: Literal[True]


@dataclass(frozen=True, kw_only=True)
class Settings(CallSettings):
    """What holds for all calls."""

    object: Literal["settings"] = "settings"


class AuditActor(TypedDict):
    id: str
    label: str | None
    address: str | None


class AuditTarget(TypedDict):
    id: str
    name: str | None


class AuditEntry(TypedDict):
    """A change, and who made it."""

    id: int
    object: Literal["audit_entry"]
    at: Moment
    actor: AuditActor
    action: str
    target: AuditTarget
    before: Json | None
    after: Json | None


class AuditPage(TypedDict):
    object: Literal["list"]
    data: list[AuditEntry]
    has_more: bool


class UsageTotal(TypedDict):
    requests: int
    errors: int
    error_rate: float | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cost: Dollars
    latency_avg_ms: float | None
    estimated: Annotated[int, Field(description="Requests whose tokens the gateway counted")]
    unpriced: Annotated[int, Field(description="Requests without a known price")]
    cache_hits: int
    latency_p50_ms: NotRequired[int | None]
    latency_p95_ms: NotRequired[int | None]
    first_token_p50_ms: NotRequired[int | None]
    first_token_p95_ms: NotRequired[int | None]


class UsageGroup(UsageTotal, total=False):
    """What requests add up to that have the same values of what was grouped by."""

    day: str
    key_id: str
    key_label: str | None
    team_id: str
    team_name: str | None
    model: str
    provider: str
    tag: str
    end_user: str


class UsageReport(TypedDict):
    object: Literal["list"]
    group_by: list[Dimension]
    start: Moment
    end: Moment
    data: list[UsageGroup]
    total: UsageTotal
    has_more: bool


class RequestPage(TypedDict):
    object: Literal["list"]
    data: list[RequestView]
    has_more: bool


class Transcript(TypedDict):
    """The redacted prompt and answer of a request."""

    id: str
    object: Literal["transcript"]
    started_at: Moment
    request: Any
    response: Any


class Probe(TypedDict):
    object: Literal["gateway"]
    documentation: str
