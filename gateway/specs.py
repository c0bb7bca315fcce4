"""What an operator may say of a model or a key, checked, and made into records.

The HTTP routes, the CLI and the YAML file all pass through here, so that a rule for a field
stands once.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from gateway import vault
from gateway.errors import InvalidField
from gateway.providers import (
    BASE_URL_REQUIRED,
    known_providers,
    nearest_providers,
    split_model,
)
from gateway.records import Key, KeyKind, Model

# Fields that LiteLLM's shape has inside `litellm_params`, by our name for them.
_LIFTED = {
    "api_key": "api_key",
    "api_base": "base_url",
    "base_url": "base_url",
    "api_version": "api_version",
    "custom_llm_provider": "provider",
}

NOT_YET = frozenset(
    {
        "input_cost_per_token",
        "max_budget",
        "max_parallel_requests",
        "order",
        "output_cost_per_token",
        "rpm",
        "tags",
        "tpm",
        "weight",
    }
)
"""LiteLLM's own `litellm_params` for routing and budgets, which the gateway does not have yet."""

_PER_CALL = frozenset({"messages", "prompt", "input", "stream", "stream_options", "mock_response"})

_SECRET_NAME = re.compile(r"(^|_)(key|secret|token|password|credentials?|headers)(_|$)|_key_id$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEMES = ("http", "https")


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2048)]
OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
Label = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None,
    BeforeValidator(_blank_is_none),
]
Limit = Annotated[int, Field(gt=0, le=2**53)]


class ModelSpec(BaseModel):
    """A model as it is registered, in the gateway's shape or LiteLLM's.

    `{"model_name": "gpt-4o", "provider": "openai", "api_key": "sk-…"}` and
    `{"model_name": "gpt-4o", "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-…"}}`
    say the same.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    model_name: Name = Field(description="The name callers use; may hold / and :")
    provider: OptionalText = Field(None, description="One of litellm's providers")
    api_key: OptionalText = Field(None, repr=False, description="The provider's key")
    base_url: OptionalText = Field(None, description="Where the provider is")
    api_version: OptionalText = Field(None, description="Azure's API version")
    litellm_params: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Any further litellm parameter"
    )
    model_info: dict[str, Any] = Field(
        default_factory=dict, description="What to tell of the model; never sent upstream"
    )

    @model_validator(mode="before")
    @classmethod
    def _lift(cls, data: Any) -> Any:
        """Take what LiteLLM nests in `litellm_params` to the top."""
        if not isinstance(data, Mapping) or not isinstance(data.get("litellm_params"), Mapping):
            return data
        lifted = dict(data)
        rest = lifted["litellm_params"] = dict(lifted["litellm_params"])
        for inner, outer in _LIFTED.items():
            value = rest.pop(inner, None)
            if value in (None, ""):
                continue
            if lifted.get(outer) not in (None, "", value):
                raise ValueError(f"{outer} and litellm_params.{inner} say different things")
            lifted[outer] = value
        return lifted

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if _CONTROL.search(self.model_name):
            raise _WrongField("model_name", "holds a control character")
        self._check_params()
        prefix, _ = split_model(self.litellm_params.get("model") or self.model_name)
        provider = self.provider or prefix
        if provider is None:
            raise _WrongField(
                "provider",
                "is missing: name one of litellm's providers, such as openai, azure, anthropic, "
                "gemini, mistral, ollama, bedrock or hosted_vllm",
            )
        if provider not in known_providers():
            nearest = nearest_providers(provider)
            meant = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
            raise _WrongField("provider", f"{provider!r} is not one of litellm's providers{meant}")
        self.provider = provider
        if self.base_url is None:
            if provider in BASE_URL_REQUIRED:
                raise _WrongField("base_url", f"is required for the provider {provider}")
        elif not vault.is_reference(self.base_url):
            _check_url(self.base_url)
        return self

    def _check_params(self) -> None:
        for name, value in self.litellm_params.items():
            field = f"litellm_params.{name}"
            if (
                name == "model"
                and value is not None
                and not (isinstance(value, str) and value.strip())
            ):
                raise _WrongField(field, "takes the provider's name for the model")
            if name in NOT_YET:
                raise _WrongField(field, "is not supported by this gateway yet")
            if name in _PER_CALL:
                raise _WrongField(field, "belongs to a single call, not to a model")
            if name in ("timeout", "stream_timeout") and not _positive(value):
                raise _WrongField(field, "takes a number of seconds above 0")

    def record(self, model_id: str | None, created_at: int | None, now: int) -> Model:
        """Make the record: a new one, or the next version of the one with this id."""
        provider = self.provider
        assert provider is not None  # noqa: S101 - _complete has seen to it
        params = {name: value for name, value in self.litellm_params.items() if value is not None}
        upstream = str(params.pop("model", self.model_name)).strip()
        upstream = upstream.removeprefix(f"{provider}/") or upstream
        hidden = {name: params.pop(name) for name in list(params) if is_secret(name)}
        if self.api_key is not None:
            hidden["api_key"] = self.api_key
        given_id = self.model_info.get("id")
        return Model(
            id=model_id or (given_id if isinstance(given_id, str) else "") or new_id("model"),
            name=self.model_name,
            provider=provider,
            upstream_model=upstream,
            base_url=self.base_url.rstrip("/") if self.base_url else None,
            api_version=self.api_version,
            params=params,
            secrets=hidden,
            info={name: value for name, value in self.model_info.items() if name != "id"},
            created_at=created_at if created_at is not None else now,
            updated_at=now,
        )


class KeySpec(BaseModel):
    """What may be said of a key when it is issued."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: Label = Field(None, description="What the key is for")
    rpm_limit: Limit | None = Field(None, description="Requests a minute")
    tpm_limit: Limit | None = Field(None, description="Tokens a minute")

    def record(self, secret: str, now: int, kind: KeyKind = "gateway") -> Key:
        """Make the record of the key whose secret this is."""
        return key_record(
            vault.hash_key(secret),
            vault.hint(secret),
            now,
            kind=kind,
            label=self.label,
            rpm_limit=self.rpm_limit,
            tpm_limit=self.tpm_limit,
        )


def key_record(
    secret_hash: str,
    hint: str,
    now: int,
    *,
    kind: KeyKind = "gateway",
    label: str | None = None,
    rpm_limit: int | None = None,
    tpm_limit: int | None = None,
) -> Key:
    """A new key's record, from the hash of its secret alone."""
    return Key(
        id=new_id("key"),
        kind=kind,
        label=label,
        secret_hash=secret_hash,
        hint=hint,
        rpm_limit=rpm_limit,
        tpm_limit=tpm_limit,
        created_at=now,
        revoked_at=None,
    )


def model_spec(data: object) -> ModelSpec:
    """Check a model's description. Raises InvalidField."""
    if not isinstance(data, Mapping):
        raise InvalidField("A model is described by a JSON object")
    try:
        return ModelSpec.model_validate(data)
    except ValidationError as error:
        raise invalid_field(error) from None


def key_spec(data: object) -> KeySpec:
    """Check a key's description. Raises InvalidField."""
    if not isinstance(data, Mapping):
        raise InvalidField("A key is described by a JSON object")
    try:
        return KeySpec.model_validate(data)
    except ValidationError as error:
        raise invalid_field(error) from None


def describe(model: Model) -> dict[str, Any]:
    """The description that makes this model, secrets included: never for display."""
    return {
        "model_name": model.name,
        "provider": model.provider,
        "base_url": model.base_url,
        "api_version": model.api_version,
        "litellm_params": {"model": model.upstream_model, **model.params, **model.secrets},
        "model_info": dict(model.info),
    }


def patched(model: Model, patch: object, now: int) -> Model:
    """Apply a JSON merge patch (RFC 7396: null removes) to a model's description.

    Raises:
        InvalidField: The patch, or what it makes of the model, cannot be.
    """
    if not isinstance(patch, Mapping):
        raise InvalidField("The body must be a JSON object")
    unknown = sorted(set(patch) - set(ModelSpec.model_fields))
    if unknown:
        raise InvalidField(f"{unknown[0]}: no such field", param=unknown[0])
    current = describe(model)
    # A new name for callers leaves the provider's name for the model alone, unless that is new too.
    for inner, outer in _LIFTED.items():
        if outer in patch:
            current["litellm_params"].pop(inner, None)
    return model_spec(_merge(current, patch)).record(model.id, model.created_at, now)


def _merge(old: object, patch: object) -> object:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def is_secret(name: str) -> bool:
    """Whether a litellm parameter of this name holds something to keep from view.

    >>> is_secret("aws_secret_access_key"), is_secret("max_tokens")
    (True, False)
    """
    return bool(_SECRET_NAME.search(name))


def new_id(prefix: str) -> str:
    """`prefix_` and 20 hexadecimal digits that sort by the time they were made."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"


def invalid_field(error: ValidationError) -> InvalidField:
    """The first thing pydantic found wrong, as an error that names the field."""
    first = error.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    wrong = first.get("ctx", {}).get("error")
    if isinstance(wrong, _WrongField):
        return InvalidField(f"{wrong.field} {message}", param=wrong.field)
    field = ".".join(str(part) for part in first["loc"])
    if not field:
        return InvalidField(message)
    if first["type"] == "extra_forbidden":
        message = "no such field"
    return InvalidField(f"{field}: {message[0].lower()}{message[1:]}", param=field)


class _WrongField(ValueError):
    """Says which field a check across fields found wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and not re.search(r"\s", url)
        _ = parts.port  # a port out of range raises
    except ValueError:
        valid = False
    if not valid:
        raise _WrongField(
            "base_url", f"{url!r} is not a URL: it takes http:// or https:// and a host name"
        )
    if parts.username or parts.password:
        raise _WrongField(
            "base_url", "holds a user name or password; put a secret into api_key instead"
        )


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
