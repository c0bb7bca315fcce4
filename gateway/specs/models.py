"""What an operator may say of a model, checked, and made into a record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway import vault
from gateway.catalogue import STAR, is_pattern, stand_in
from gateway.errors import InvalidField
from gateway.fields import (
    WrongField,
    check_json,
    check_url,
    holds_secret,
    is_secret,
    merge_patch,
)
from gateway.litellm_names import (
    DIRECT_PARAMS,
    PER_CALL,
    ROUTING_PARAMS,
    UNIT_PRICES,
    is_price,
    is_unsupported_param,
    is_unsupported_price,
)
from gateway.price_names import check_prices
from gateway.price_table import mode_of
from gateway.providers import (
    BASE_URL_REQUIRED,
    DIRECT,
    known_providers,
    nearest_providers,
    split_model,
)
from gateway.records import Model
from gateway.specs.shared import (
    LARGEST_LIMIT,
    Name,
    Object,
    OptionalText,
    ProviderKey,
    invalid_field,
    new_id,
    no_such_field,
)

# Fields that LiteLLM's shape has inside `litellm_params`, by our name for them.
_LIFTED = {
    "api_key": "api_key",
    "api_base": "base_url",
    "base_url": "base_url",
    "api_version": "api_version",
    "custom_llm_provider": "provider",
}


_MEANT = {"model": "litellm_params.model"} | {
    theirs: ours for theirs, ours in _LIFTED.items() if theirs != ours
}


class ModelSpec(BaseModel):
    """A model as it is registered, in the gateway's shape or LiteLLM's.

    `{"model_name": "gpt-4o", "provider": "openai", "api_key": "sk-…"}` and
    `{"model_name": "gpt-4o", "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-…"}}`
    say the same.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    model_name: Name = Field(description="The name callers use; * in it stands for any text")
    provider: OptionalText = Field(None, description="One of litellm's providers")
    api_key: ProviderKey = Field(None, repr=False, description="The provider's key")
    base_url: OptionalText = Field(None, description="Where the provider is")
    api_version: OptionalText = Field(None, description="Azure's API version")
    litellm_params: Object = Field(
        default_factory=dict, repr=False, description="Any further litellm parameter"
    )
    model_info: Object = Field(
        default_factory=dict, description="What to tell of the model; never sent upstream"
    )

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        check_json(data)
        return _lifted(data)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self._check_params()
        prefix, _ = split_model(self._named_upstream)
        provider = self.provider or prefix
        if provider is None:
            # LiteLLM has a pattern of all providers, which takes their keys from its environment.
            each = (
                "; a pattern is of one provider, such as openai/*: register one for each"
                if is_pattern(self._named_upstream)
                else ""
            )
            raise WrongField(
                "provider",
                "is missing: name one of litellm's providers, such as openai, azure, anthropic, "
                f"gemini, mistral, ollama, bedrock or hosted_vllm{each}",
            )
        if provider not in known_providers():
            nearest = nearest_providers(provider)
            meant = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
            raise WrongField("provider", f"{provider!r} is not one of litellm's providers{meant}")
        self.provider = provider
        if self._named_upstream == f"{provider}/":
            raise WrongField("litellm_params.model", "takes the provider's name for the model")
        if self.base_url is None:
            if provider in BASE_URL_REQUIRED:
                raise WrongField("base_url", f"is required for the provider {provider}")
        elif not vault.is_reference(self.base_url):
            check_url(self.base_url)
        self._check_pattern(provider)
        self._check_lane(provider)
        given_id = self.model_info.get("id")
        if given_id is not None and not (isinstance(given_id, str) and given_id.strip()):
            raise WrongField("model_info.id", "takes text")
        self._check_prices()
        return self

    @property
    def _named_upstream(self) -> str:
        """The provider's name for the model as it was given, perhaps with litellm's prefix."""
        return str(self.litellm_params.get("model") or self.model_name).strip()

    def _check_params(self) -> None:
        for name, value in self.litellm_params.items():
            field = f"litellm_params.{name}"
            if value is None:
                continue
            if name == "model" and not (isinstance(value, str) and value.strip()):
                raise WrongField(field, "takes the provider's name for the model")
            # Of prices, more can be said.
            if is_unsupported_param(name) and not is_unsupported_price(name):
                raise WrongField(field, "is not supported by this gateway yet")
            if name in PER_CALL:
                raise WrongField(field, "belongs to a single call, not to a model")
            takes, fits = _ROUTING.get(name, _ANYTHING)
            if not fits(value):
                raise WrongField(field, takes)

    def _check_lane(self, provider: str) -> None:
        if self.litellm_params.get("lane") != "direct":
            return
        if provider not in DIRECT:
            known = ", ".join(DIRECT)
            raise WrongField(
                "litellm_params.lane",
                f"direct is for {known}, whose API is the caller's; a server with OpenAI's API "
                "can be registered as openai with a base_url",
            )
        for name in self.litellm_params:
            taken = name in DIRECT_PARAMS or name in ROUTING_PARAMS or is_price(name)
            if not taken and self.litellm_params[name] is not None:
                raise WrongField(
                    f"litellm_params.{name}",
                    "is for litellm; in the direct lane, extra_body holds what is to be in each "
                    "request besides",
                )

    def _check_pattern(self, provider: str) -> None:
        upstream = self._named_upstream.removeprefix(f"{provider}/")
        if upstream.count(STAR) > self.model_name.count(STAR):
            raise WrongField(
                "litellm_params.model",
                f"{upstream!r} has a * without one in model_name, whose text it would stand for",
            )
        tried = self.model_info.get("health_check_model")
        if tried is not None and stand_in(self.record(None, None, 0)) is None:
            raise WrongField(
                "model_info.health_check_model",
                f"takes the provider's name of a model that {upstream!r} stands for",
            )

    def _check_prices(self) -> None:
        # To look it up takes litellm's table, which most models do not need here.
        by_unit = UNIT_PRICES.keys() & {*self.litellm_params, *self.model_info}
        mode = mode_of(self.record(None, None, 0)) if by_unit else None
        for where, values in (
            ("litellm_params", self.litellm_params),
            ("model_info", self.model_info),
        ):
            check_prices(values, where, mode)
            base_model = values.get("base_model")
            if base_model is not None and not (isinstance(base_model, str) and base_model.strip()):
                raise WrongField(f"{where}.base_model", "takes the name of a model, such as gpt-4o")

    def record(self, model_id: str | None, created_at: int | None, now: int) -> Model:
        """Make the record: a new one, or the next version of the one with this id."""
        provider = self.provider
        assert provider is not None  # noqa: S101 - _complete has seen to it
        params = {name: value for name, value in self.litellm_params.items() if value is not None}
        params.pop("model", None)
        hidden = {
            name: params.pop(name)
            for name, value in list(params.items())
            if is_secret(name) or holds_secret(value)
        }
        if self.api_key is not None:
            hidden["api_key"] = self.api_key
        return Model(
            id=model_id or self.model_info.get("id") or new_id("model"),
            name=self.model_name,
            provider=provider,
            upstream_model=self._named_upstream.removeprefix(f"{provider}/"),
            base_url=self.base_url.rstrip("/") if self.base_url else None,
            api_version=self.api_version,
            params=params,
            secrets=hidden,
            info={name: value for name, value in self.model_info.items() if name != "id"},
            created_at=created_at if created_at is not None else now,
            updated_at=now,
        )


def model_spec(data: object) -> ModelSpec:
    """Check a model's description. Raises InvalidField."""
    if not isinstance(data, Mapping):
        raise InvalidField("A model is described by a JSON object")
    try:
        return ModelSpec.model_validate(data)
    except ValidationError as error:
        raise invalid_field(error, _MEANT) from None


def describe(model: Model) -> dict[str, Any]:
    """The description that makes this model, secrets included: never for display.

    Its id and times are not part of it.
    """
    secrets = dict(model.secrets)
    return {
        "model_name": model.name,
        "provider": model.provider,
        "api_key": secrets.pop("api_key", None),
        "base_url": model.base_url,
        "api_version": model.api_version,
        "litellm_params": {
            # With the prefix, as one is taken off: servers have names such as openai/gpt-oss-20b.
            "model": f"{model.provider}/{model.upstream_model}",
            **model.params,
            **secrets,
        },
        "model_info": dict(model.info),
    }


def target_of(model: Model) -> tuple[str, str, str | None, str | None]:
    """Where its calls go."""
    return model.provider, model.upstream_model, model.base_url, model.api_version


def deployment_of(model: Model) -> str:
    """What makes a deployment the one that it is, to compare; with its secrets, never for display.

    Its id, name and times and what is told of it are not part of it.
    """
    # As JSON, in which 1 and true are not the same.
    parts = [target_of(model), dict(model.params), dict(model.secrets)]
    return json.dumps(parts, sort_keys=True)


def patched(model: Model, patch: object, now: int) -> Model:
    """Apply a JSON merge patch (RFC 7396: null removes) to a model's description.

    The provider's name for the model changes only where the patch has `litellm_params.model`.

    Raises:
        InvalidField: The patch, or what it makes of the model, cannot be.
    """
    if not isinstance(patch, Mapping):
        raise InvalidField("The body must be a JSON object")
    try:
        check_json(patch)
        changes = _lifted(patch)
        unknown = sorted(set(changes) - set(ModelSpec.model_fields))
        if unknown:
            raise no_such_field(unknown[0], _MEANT)
        params = changes.get("litellm_params")
        info = changes.get("model_info")
        if isinstance(info, Mapping) and info.get("id") not in (None, model.id):
            raise WrongField("model_info.id", "cannot be changed")
        renamed = isinstance(params, Mapping) and "model" in params
        if isinstance(params, Mapping) and "provider" not in changes:
            _check_same_provider(params.get("model"), model.provider)
    except WrongField as wrong:
        raise wrong.shown() from None
    new = model_spec(merge_patch(describe(model), changes)).record(model.id, model.created_at, now)
    _check_secrets_stay(model, new, changes)
    return new if renamed else dataclasses.replace(new, upstream_model=model.upstream_model)


def _check_secrets_stay(old: Model, new: Model, changes: Mapping[str, Any]) -> None:
    """Refuse to send a stored secret to another host than it was given for. Raises InvalidField.

    Who may change a model could otherwise have its key sent to a host of their own.
    """
    if new.base_url is None or _origin(new.base_url) == _origin(old.base_url):
        return
    given = {*changes, *(changes.get("litellm_params") or {})}
    kept = sorted(name for name in old.secrets if name in new.secrets and name not in given)
    if kept:
        name = kept[0] if kept[0] == "api_key" else f"litellm_params.{kept[0]}"
        raise InvalidField(
            f"{name} must be given again, as base_url leads to another host, or be removed (null)",
            param=name,
        )


def _origin(url: str | None) -> tuple[str, str]:
    parts = urlsplit(url or "")
    # A reference to a variable may lead anywhere.
    return parts.scheme, parts.netloc or str(url)


def _check_same_provider(name: object, provider: str) -> None:
    # `azure/x` for a model at openai may mean another provider, or a name that openai has.
    prefix, _ = split_model(name) if isinstance(name, str) else (None, "")
    if prefix not in (None, provider):
        raise WrongField(
            "litellm_params.model",
            f"begins with {prefix}/, while the model's provider is {provider}; give provider too",
        )


def _lifted(data: Any) -> Any:
    """Take what LiteLLM nests in `litellm_params` to the top. Raises WrongField."""
    if not isinstance(data, Mapping) or not isinstance(data.get("litellm_params"), Mapping):
        return data
    lifted = dict(data)
    rest = lifted["litellm_params"] = dict(lifted["litellm_params"])
    for inner, outer in _LIFTED.items():
        if inner not in rest:
            continue
        value = rest.pop(inner)
        if lifted.get(outer) in (None, ""):
            lifted[outer] = value
        elif value not in (None, "", lifted[outer]):
            raise WrongField(outer, f"and litellm_params.{inner} say different things")
    return lifted


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_Rule = tuple[str, Callable[[Any], bool]]

_ANYTHING: _Rule = ("", lambda _: True)
_LIMIT: _Rule = (
    "takes a whole number above 0",
    lambda value: _is_whole(value) and 0 < value <= LARGEST_LIMIT,
)
_SECONDS: _Rule = (
    "takes a number of seconds above 0",
    lambda value: _is_number(value) and value > 0,
)
_ROUTING: dict[str, _Rule] = {
    "caching": ("takes true or false", lambda value: isinstance(value, bool)),
    "first_token_timeout": _SECONDS,
    "lane": ("takes 'litellm' or 'direct'", lambda value: value in ("litellm", "direct")),
    "order": ("takes a whole number; the lowest comes first", _is_whole),
    "rpm": _LIMIT,
    "stream_timeout": _SECONDS,
    "stream_total_timeout": _SECONDS,
    "timeout": _SECONDS,
    "tpm": _LIMIT,
    "weight": ("takes a number from 0 on", lambda value: _is_number(value) and value >= 0),
}
"""What `ROUTING_PARAMS` take."""
