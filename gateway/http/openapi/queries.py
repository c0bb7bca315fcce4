"""What routes take in their query, and in headers besides the key, as types.

A parameter whose type is text takes any; where a route reads more into it, its description says.
"""

from __future__ import annotations

from typing import Annotated, Literal, Required

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway import periods
from gateway.records import KeyState, SomeOutcome
from gateway.usage import Dimension

# Texts besides true and false, as pydantic takes them for LiteLLM.
Flag = Literal["true", "false", "1", "0", "t", "f", "yes", "no", "y", "n", "on", "off"]
PlainFlag = Literal["true", "false", "1", "0"]
Order = Literal["asc", "desc"]
Count = Annotated[int, Field(ge=1, le=999_999_999)]
Limit = Annotated[int, Field(ge=1, le=1000)]
UpTo100 = Annotated[int, Field(ge=1, le=100)]
UpTo10000 = Annotated[int, Field(ge=1, le=10_000)]
_DAY = "In UTC, such as 2026-11-24"
Day = Annotated[str, Field(json_schema_extra={"format": "date"})]
GivenDate = Annotated[Day, Field(description=_DAY)]
# Empty counts as not given.
Date = Annotated[Day | Literal[""], Field(description=_DAY)]
_Ago = Annotated[str, Field(pattern=periods.DURATION.pattern)]
_Time = Day | Annotated[str, Field(json_schema_extra={"format": "date-time"})] | _Ago
Start = Annotated[_Time, Field(description="A day or time, or how long ago: 2026-11-24, 7d, 12h")]
End = Annotated[_Time, Field(description="Likewise; of a day, all of it counts")]


class NamesModel(TypedDict, total=False):
    name: Annotated[str, Field(description="The model's name, or the id of a deployment")]
    id: Annotated[str, Field(description="The id of a deployment")]


class ListsModels(TypedDict, total=False):
    limit: Annotated[str, Field(description="Of Anthropic's list: from 1 to 1000")]
    after_id: Annotated[str, Field(description="Of Anthropic's list: the id before the page")]
    before_id: Annotated[str, Field(description="Of Anthropic's list: the id after the page")]


class ListsKeys(TypedDict, total=False):
    limit: Limit
    after: Annotated[str, Field(description="The last id of the page before")]
    label: str
    team_id: str
    user_id: str
    state: KeyState


class ListsChanges(TypedDict, total=False):
    limit: Limit
    after: Annotated[
        str, Field(pattern="^[0-9]{1,18}$", description="The last id of the page before")
    ]
    target: Annotated[str, Field(description="The id or the name of what was changed")]
    actor: Annotated[str, Field(description="The id or the label of who changed it")]
    action: Annotated[str, Field(description="`key.add`, or a kind of thing alone, such as `key`")]
    since: Start | Literal[""]
    until: End | Literal[""]


class _FiltersUsage(TypedDict, total=False):
    start: Start
    end: End
    key: Annotated[str, Field(description="The key's id; a gateway key sees its own usage alone")]
    team: str
    model: str
    provider: str
    tag: str
    deployment: Annotated[str, Field(description="The id of a registered model")]
    status: Annotated[str, Field(pattern="^[1-5][0-9]{2}$", description="As the caller got it")]
    outcome: Annotated[SomeOutcome, Field(description="`errors`: of those that count as errors")]
    end_user: str
    request_id: Annotated[str, Field(description="The caller's or the gateway's")]
    format: Literal["json", "csv"]
    limit: UpTo10000


class ReportsUsage(_FiltersUsage, total=False):
    group_by: Annotated[list[Dimension], Field(json_schema_extra={"uniqueItems": True})]
    percentiles: PlainFlag


class ListsRequests(_FiltersUsage, total=False):
    after: Annotated[str, Field(description="The last id of the page before")]


class ListsInputItems(TypedDict, total=False):
    limit: UpTo100
    order: Order
    after: str
    before: str
    include: list[str]


class GetsResponse(TypedDict, total=False):
    stream: Annotated[str, Field(description="Not `true`: a stream cannot be had once more")]


class _Page(TypedDict, total=False):
    page: Count
    size: UpTo100


class NamesKey(TypedDict, total=False):
    key: Annotated[str, Field(description="The key or its hash; the caller's own if not given")]


class LitellmKeys(_Page, total=False):
    user_id: str
    team_id: str
    key_alias: str
    key_hash: str
    organization_id: str
    project_id: str
    access_group_id: str
    agent_id: str
    search: str
    status: Literal["", "active", "expired", "revoked", "deleted"]
    expires: Literal["", "active", "expired"]
    return_full_object: Flag
    substring_matching: Flag
    expand: list[str]
    sort_by: Literal["spend", "max_budget", "created_at", "updated_at", "token", "key_alias"]
    sort_order: str


class LitellmAliases(_Page, total=False):
    search: str
    team_id: str


class NamesTeam(TypedDict, total=False):
    team_id: Required[Annotated[str, Field(min_length=1)]]
    key_limit: Count


class LitellmTeams(TypedDict, total=False):
    team_id: str
    user_id: str
    organization_id: str
    team_alias: str
    search: str


class LitellmTeamPage(LitellmTeams, total=False):
    page: Count
    page_size: UpTo100
    status: Literal["", "deleted"]
    sort_by: Annotated[str, Field(description="team_id, team_alias or created_at")]
    sort_order: str


class _UnfilteredModels(TypedDict, total=False):
    teamId: Literal["", "false"]
    access_group: Literal["", "false"]
    user_models_only: Literal["", "false"]


class LitellmModels(_UnfilteredModels, total=False):
    litellm_model_id: str


class LitellmModelPage(_UnfilteredModels, total=False):
    page: Count
    size: Count
    model: str
    modelId: str
    search: str
    sortBy: Literal["model_name", "created_at", "updated_at"]
    sortOrder: Order


class LitellmGroups(TypedDict, total=False):
    model_group: str


class SpendLogs(TypedDict, total=False):
    start_date: Date
    end_date: Date
    api_key: str
    user_id: str
    request_id: str
    summarize: Annotated[str, Field(description="Of a span of days: true or false")]


class SpendOfDays(TypedDict, total=False):
    start_date: Date
    end_date: Date


class SpendOfKey(TypedDict, total=False):
    api_key: str
    user_id: str


class Top(TypedDict, total=False):
    limit: Annotated[int, Field(ge=1, le=100_000)]


class _BetweenDays(TypedDict):
    start_date: GivenDate
    end_date: GivenDate


class SpendOfTags(_BetweenDays, total=False):
    tags: Annotated[str, Field(description="With commas between")]


class ReportsSpend(_BetweenDays, total=False):
    group_by: Literal["", "team", "customer", "api_key"]
    api_key: str
    team_id: str
    customer_id: str
    internal_user_id: str


class TriesModels(TypedDict, total=False):
    model: Annotated[str, Field(description="A name, the gateway's or the provider's")]
    model_id: str


OfCalls = TypedDict(
    "OfCalls",
    {
        "x-litellm-tags": Annotated[
            str, Field(description="What the request is filed under in the usage, with commas")
        ],
        "cache-control": Annotated[
            str, Field(description="no-cache, no-store or max-age, to the cache of answers")
        ],
    },
    total=False,
)
OfMessages = TypedDict(
    "OfMessages",
    {
        "x-litellm-tags": Annotated[
            str, Field(description="What the request is filed under in the usage, with commas")
        ],
        "cache-control": Annotated[
            str, Field(description="no-cache, no-store or max-age, to the cache of answers")
        ],
        "anthropic-version": Annotated[str, Field(description="Passed on")],
        "anthropic-beta": Annotated[str, Field(description="Passed on")],
    },
    total=False,
)
OfLists = TypedDict(
    "OfLists",
    {"anthropic-version": Annotated[str, Field(description="Asks for Anthropic's format")]},
    total=False,
)
