"""What the gateway knows of models, keys and settings, as immutable values.

Times are whole seconds since the epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

KeyKind = Literal["gateway", "admin"]


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model: the name callers use, and how to reach it through litellm."""

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


@dataclass(frozen=True, slots=True)
class Key:
    """An access key. The secret itself is known to its holder alone."""

    id: str
    kind: KeyKind
    label: str | None
    secret_hash: str = field(repr=False)
    """SHA-256 of the secret, hexadecimal."""
    hint: str
    """`sk-…abcd`, for people to tell keys apart."""
    rpm_limit: int | None
    """Requests a minute, or no limit."""
    tpm_limit: int | None
    """Tokens a minute, prompt and completion together, or no limit."""
    created_at: int
    revoked_at: int | None

    @property
    def is_admin(self) -> bool:
        return self.kind == "admin"


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Settings of every call, kept in the database so that all processes share them.

    Names are those of LiteLLM's `litellm_settings` and `router_settings`.
    """

    drop_params: bool = False
    """Leave out OpenAI parameters that a provider does not know, instead of answering 400."""
    request_timeout: float = 600.0
    """Seconds a provider has for a whole answer, unless the model sets `timeout`."""
    stream_timeout: float | None = None
    """Seconds a provider has between two pieces of a stream; `request_timeout` if not set."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model, authenticated and validated."""

    operation: Operation
    key: Key
    body: Mapping[str, Any]
    """The caller's parameters, allow-listed; nulls are left out."""
    request_id: str

    @property
    def model_name(self) -> str:
        return str(self.body["model"])

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall end with a chunk of usage."""
        return bool((self.body.get("stream_options") or {}).get("include_usage"))
