"""What the gateway knows of models, keys and settings, as immutable values.

Times are whole seconds since the epoch, UTC, unless a name says `_ms`. Money is in whole
nano-dollars. Nobody changes these values; those that each call makes anew are not frozen, since
that takes four times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, get_args

RoutingStrategy = Literal[
    "simple-shuffle", "least-busy", "latency-based-routing", "cost-based-routing"
]
KeyKind = Literal["gateway", "admin"]
KeyState = Literal["active", "blocked", "expired", "revoked"]
Outcome = Literal["complete", "failed", "refused", "cancelled", "cut", "interrupted"]
SomeOutcome = Outcome | Literal["errors"]
"""Of requests that are looked for: `errors` stands for all outcomes but those in `NO_ERRORS`."""
OUTCOMES: tuple[SomeOutcome, ...] = (*get_args(Outcome), "errors")
NO_ERRORS: tuple[Outcome, ...] = ("complete", "cancelled")


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model: the name callers use, and how to reach it through litellm.

    Several of one name are its deployments, which share its calls. A `*` in the name stands for any
    text, and one in `upstream_model` for the same text.
    """

    id: str
    name: str
    provider: str
    """A name of litellm's own list, such as `openai` or `bedrock`."""
    upstream_model: str
    """The provider's name for it, without litellm's `provider/` prefix."""
    base_url: str | None
    api_version: str | None
    params: Mapping[str, Any]
    """Further litellm parameters that are not secret."""
    secrets: Mapping[str, Any] = field(repr=False)
    """`api_key` and other secret litellm parameters: plain text here, sealed in the file.

    A value `os.environ/NAME` is a reference, resolved when a call is made.
    """
    info: Mapping[str, Any]
    """What the operator says of it (`mode`, …); never sent upstream."""
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """An owner of keys, which share its budget."""

    id: str
    name: str
    blocked: bool = False
    max_budget: int | None = None
    """Nano-dollars that its keys may spend together in a budget period, or no limit."""
    soft_budget: int | None = None
    """Nano-dollars after which the gateway warns, once a period."""
    budget_duration: str | None = None
    """The length of a budget period, see `gateway.periods`; None: one period without an end."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An access key. The secret itself is known to its holder alone."""

    id: str
    kind: KeyKind
    label: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    """Whoever the key is for, in the operator's own terms."""
    secret_hash: str = field(repr=False)
    """SHA-256 of the secret, hexadecimal."""
    hint: str
    """`sk-…abcd`, for people to tell keys apart."""
    retiring_hash: str | None = field(default=None, repr=False)
    """The hash of the secret before the last rotation, which is good until `retiring_until`."""
    retiring_until: int | None = None
    blocked: bool = False
    models: tuple[str, ...] = ()
    """Names it may call, `*` standing for any text; none means all."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """What a name it asks for is replaced by."""
    rpm_limit: int | None = None
    """Requests a minute, or no limit."""
    tpm_limit: int | None = None
    """Tokens a minute, prompt and completion together, or no limit."""
    model_rpm_limit: Mapping[str, int] = field(default_factory=dict)
    """Requests a minute by model, besides `rpm_limit`."""
    model_tpm_limit: Mapping[str, int] = field(default_factory=dict)
    max_parallel_requests: int | None = None
    max_budget: int | None = None
    """Nano-dollars it may spend in a budget period, or no limit."""
    soft_budget: int | None = None
    budget_duration: str | None = None
    """As a team's."""
    tags: tuple[str, ...] = ()
    """What its requests are filed under in the usage."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: int
    updated_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    @property
    def is_admin(self) -> bool:
        return self.kind == "admin"

    def state(self, now: float) -> KeyState:
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "blocked" if self.blocked else "active"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and from where; for the audit log."""

    id: str
    """The id of an admin key; or `cli`, `start` where no key was needed."""
    label: str | None = None
    """What the key is called, or which account of the host ran the command."""
    address: str | None = None
    """The client's IP address."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Settings of every call and of what is kept of it, in the database, shared by all processes.

    Names are those of LiteLLM's `litellm_settings`, `router_settings` and `general_settings`, where
    LiteLLM has the setting.
    """

    drop_params: bool = False
    """Leave out OpenAI parameters that a provider does not know, instead of answering 400."""
    request_timeout: float = 600.0
    """Seconds a provider has for a whole answer, unless the model sets `timeout`."""
    stream_timeout: float | None = None
    """Seconds a provider has between two pieces of a stream; `request_timeout` if not set."""
    first_token_timeout: float | None = None
    """Seconds a provider has for the first piece of a stream that says something; `stream_timeout`
    if not set."""
    routing_strategy: RoutingStrategy = "simple-shuffle"
    """How a deployment is chosen among those of one name."""
    num_retries: int = 2
    """How often a call is tried again before it falls back to other models, or fails."""
    retry_policy: Mapping[str, int] = field(default_factory=dict)
    """`num_retries` by what went wrong, see `gateway.litellm_names`."""
    retry_after: float = 0.0
    """Seconds to wait at least before a deployment is tried again."""
    allowed_fails: int | None = None
    """Failures within a minute after which a deployment cools down; if not set, five in a row, or
    more than half of five or more calls."""
    cooldown_time: float = 5.0
    """Seconds for which a failing deployment is left alone, where its name has another."""
    fallbacks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The models to turn to where one fails, by its name."""
    context_window_fallbacks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Likewise, where a prompt is too long for it."""
    content_policy_fallbacks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Likewise, where its provider finds fault with the content."""
    default_fallbacks: Sequence[str] = ()
    """The models to turn to for a model without fallbacks of its own."""
    max_fallbacks: int = 5
    """To how many other models one call may turn."""
    model_group_alias: Mapping[str, str] = field(default_factory=dict)
    """Further names for models."""
    cache: bool = False
    """Answer a request that was answered before from the cache, unless its model says otherwise."""
    cache_params: Mapping[str, Any] = field(default_factory=dict)
    """How the cache works, see `gateway.specs.cache`."""
    maximum_spend_logs_retention_period: str = "90d"
    """How long the ledger's rows are kept, see `gateway.periods`, or `forever`."""
    store_prompts_in_spend_logs: bool = False
    """Keep what was asked and answered beside the ledger's rows, and as long."""
    redact_stored_prompts: tuple[str | Mapping[str, str], ...] = (
        "keys",
        "emails",
        "card_numbers",
    )
    """What is taken out of it before: names of rules in `gateway.redaction`, and patterns of the
    operator's own as `{"pattern": …, "replacement": …}`."""


@dataclass(frozen=True, slots=True)
class Units:
    """What of a call providers bill by other measures than tokens."""

    characters: int = 0
    """Of a text that was spoken."""
    milliseconds: int = 0
    """Of sound, that was transcribed or made."""
    images: int = 0
    """That were made."""
    size: str = ""
    """Of each of them, such as `1024x1024`; empty where that is not known."""
    quality: str = ""
    """Likewise: `hd`, `low`, …"""
    queries: int = 0
    """Searches that a reranking is billed as."""


@dataclass(slots=True)
class Usage:
    """Tokens of one call. The two totals include the parts that are named beside them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt: read from the provider's cache."""
    cache_write_tokens: int = 0
    """Of the prompt: written to the provider's cache."""
    cache_write_1h_tokens: int = 0
    """Of those written: kept for an hour, which Anthropic prices apart."""
    audio_prompt_tokens: int = 0
    image_prompt_tokens: int = 0
    reasoning_tokens: int = 0
    """Of the completion."""
    audio_completion_tokens: int = 0
    image_completion_tokens: int = 0
    searches: int = 0
    """Web searches that the provider made and bills by piece."""
    units: Units | None = None
    """What else was used, of images, sound and rerankings."""
    tier: str = ""
    """The provider's service tier that was used, where it has a price of its own: `flex`,
    `priority`, `batches`."""
    estimated: bool = False
    """Whether the gateway counted, since the provider did not report."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Operation(StrEnum):
    """What a caller can ask of a model; the value is its route."""

    CHAT = "/chat/completions"
    COMPLETION = "/completions"
    EMBEDDING = "/embeddings"
    RESPONSES = "/responses"
    MESSAGES = "/messages"
    COUNT_TOKENS = "/messages/count_tokens"
    MODERATION = "/moderations"
    IMAGE = "/images/generations"
    IMAGE_EDIT = "/images/edits"
    SPEECH = "/audio/speech"
    TRANSCRIPTION = "/audio/transcriptions"
    RERANK = "/rerank"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in the body of a call."""

    name: str
    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is no JSON."""

    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class CacheControl:
    """What a request says of the cache. What it does not mention is as the operator has it."""

    use: bool | None = None
    """Whether it may be answered from the cache, and its answer stored there."""
    no_cache: bool = False
    """Call the model, whatever the cache holds."""
    no_store: bool = False
    """Do not store the answer."""
    ttl: float | None = None
    """Seconds for which the answer is stored."""
    max_age: float | None = None
    """Seconds that a stored answer may be old."""
    namespace: str | None = None
    """What parts its answers from others of the same key."""


@dataclass(slots=True)
class Call:
    """One request to a model, authenticated and validated."""

    operation: Operation
    key: Key
    body: Mapping[str, Any]
    """The caller's parameters, allow-listed; nulls are left out. Files are `Upload`s."""
    request_id: str
    tags: tuple[str, ...] = ()
    """What the caller files this request under, besides the key's tags."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The caller's headers that the provider shall get, such as `anthropic-beta`."""
    deployment_id: str | None = None
    """The one deployment that can serve it, and no other model; else any of the name's."""
    once: bool = False
    """Whether it is to be tried once only, to see what comes of that."""
    cache: CacheControl = CacheControl()
    trace: Mapping[str, str] = field(default_factory=dict)
    """The caller's headers that say of which trace the call is a part."""
    raw: bytes | None = field(default=None, repr=False)
    """The body as the caller wrote it, where it says no more and no less than `body`."""

    @property
    def model_name(self) -> str:
        return str(self.body["model"])

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def alone(self) -> bool:
        """Whether no other model may take its place."""
        return self.once or self.deployment_id is not None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall have its usage, which OpenAI's completions have on request."""
        if self.operation not in (Operation.CHAT, Operation.COMPLETION):
            return True
        return bool((self.body.get("stream_options") or {}).get("include_usage"))

    @property
    def end_user(self) -> str | None:
        """Whoever the caller makes the call for."""
        metadata = self.body.get("metadata")
        user = self.body.get("user")
        if self.operation is Operation.MESSAGES and isinstance(metadata, Mapping):
            user = metadata.get("user_id")
        return str(user) if user else None


@dataclass(slots=True)
class LedgerRow:
    """What became of one request to a model."""

    id: str
    """The gateway's own id of the call, `x-litellm-call-id`: unique, unlike the caller's."""
    request_id: str
    """`x-request-id`, which the caller may choose."""
    started_ms: int
    key_id: str
    team_id: str | None
    operation: str
    """The route, such as `/chat/completions`."""
    model: str
    """The name the caller asked for."""
    served_model: str | None
    """The registered model it resolved to, if any."""
    deployment_id: str | None
    """That model's id."""
    provider: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    """Whether the tokens were counted here, since the provider did not report them."""
    cost: int | None
    """Nano-dollars; None where the model has no known price."""
    latency_ms: int
    first_token_ms: int | None
    """From the start of the request to the first chunk of a stream."""
    status: int
    """The HTTP status the caller got; 499 if it left before one."""
    error: str | None
    """The type of the error, if any, such as `throttling_error`."""
    outcome: Outcome
    """`complete`: answered whole. `failed`: the provider refused. `refused`: the gateway did.
    `cancelled`: the caller left. `cut`: the provider broke off a stream. `interrupted`: the
    gateway's process was killed meanwhile."""
    stream: bool
    end_user: str | None
    tags: tuple[str, ...]
    retries: int = 0
    """How often it was tried again at the models before, and at this one."""
    fallbacks: int = 0
    """How many models failed it before this one."""
    cache_hit: bool = False
    """Whether the answer is one that was given before, and cost nothing."""
