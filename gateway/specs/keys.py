"""What an operator may say of a key, checked, and made into a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from gateway import periods, vault
from gateway.errors import Conflict, InvalidField
from gateway.fields import WrongField, merge_patch
from gateway.records import Key, KeyKind
from gateway.specs.budgets import BudgetSpec
from gateway.specs.shared import (
    Id,
    Label,
    Limit,
    Name,
    OptionalText,
    check_patch,
    invalid_field,
    new_id,
)

_MEANT = {"key_alias": "label", "expires": "expires_at"}
_MOST_TAGS = 20
_LONGEST_TAG = 64
_MERGED = ("aliases", "metadata", "model_rpm_limit", "model_tpm_limit")
# No limit holds for an admin key, so to take one would be a promise broken.
_NOT_FOR_ADMINS = (
    "team_id",
    "models",
    "rpm_limit",
    "tpm_limit",
    "model_rpm_limit",
    "model_tpm_limit",
    "max_parallel_requests",
    "max_budget",
    "soft_budget",
    "budget_duration",
)


def _none_is(empty: type) -> BeforeValidator:
    return BeforeValidator(lambda value: empty() if value is None else value)


def _distinct(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _tag(text: str) -> str:
    if len(text) > _LONGEST_TAG or "," in text:
        raise ValueError(f"takes a text of up to {_LONGEST_TAG} characters without commas")
    return text


def _length(duration: str | None) -> str | None:
    if duration is not None:
        periods.seconds(duration)
    return duration


def _moment(value: object) -> int | None:
    """The seconds since the epoch of an ISO 8601 time, in UTC unless it names a zone."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        moment = datetime.fromisoformat(value.strip() if isinstance(value, str) else "")
        found = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        # In a zone, the first and the last year reach beyond what can be shown in UTC.
        datetime.fromtimestamp(found, UTC)
    except ValueError:
        raise ValueError("takes an ISO 8601 time such as 2027-01-31T00:00:00Z") from None
    return found


Tag = Annotated[Name, AfterValidator(_tag)]
Tags = Annotated[list[Tag], _none_is(list), Field(max_length=_MOST_TAGS), AfterValidator(_distinct)]


class KeySpec(BudgetSpec):
    """What may be said of a key when it is issued."""

    label: Label = Field(None, description="What the key is for")
    team_id: Id | None = Field(None, description="The team that owns it")
    user_id: OptionalText = Field(None, description="Whoever it is for, in terms of your own")
    models: Annotated[list[Name], _none_is(list), AfterValidator(_distinct)] = Field(
        default_factory=list,
        description="Models it may call, * standing for any text; none means all",
    )
    aliases: Annotated[dict[Name, Name], _none_is(dict)] = Field(
        default_factory=dict, description="Names it may ask for, and the models they mean"
    )
    rpm_limit: Limit | None = Field(None, description="Requests a minute")
    tpm_limit: Limit | None = Field(None, description="Tokens a minute")
    model_rpm_limit: Annotated[dict[Name, Limit], _none_is(dict)] = Field(
        default_factory=dict, description="Requests a minute by model, besides rpm_limit"
    )
    model_tpm_limit: Annotated[dict[Name, Limit], _none_is(dict)] = Field(
        default_factory=dict, description="Tokens a minute by model, besides tpm_limit"
    )
    max_parallel_requests: Limit | None = Field(None, description="Requests at the same time")
    tags: Tags = Field(
        default_factory=list, description="What its requests are filed under in the usage"
    )
    duration: Annotated[OptionalText, AfterValidator(_length)] = Field(
        None, description="How long from now it is good for: 12h, 30d, …; without, for ever"
    )
    expires_at: Annotated[int | None, BeforeValidator(_moment)] = Field(
        None,
        description="When it ends, instead of duration: an ISO 8601 time",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "null"}]},
    )

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.duration is not None and self.expires_at is not None:
            raise WrongField("duration", "and expires_at both say when it ends; give one of them")
        return self

    def values_at(self, now: int) -> dict[str, Any]:
        """The fields as a record has them, of those that were given."""
        values = self.values()
        duration = values.pop("duration", None)
        if "duration" in self.model_fields_set and values.get("expires_at") is None:
            values["expires_at"] = now + periods.seconds(duration) if duration else None
        for name in ("models", "tags"):
            if name in values:
                values[name] = tuple(values[name])
        return values

    def record(self, secret: str, now: int, kind: KeyKind = "gateway") -> Key:
        """Make the record of the key whose secret this is.

        Raises:
            InvalidField: An admin key is given what only a gateway key can have.
        """
        return _checked(
            key_record(
                vault.hash_key(secret), vault.hint(secret), now, kind=kind, **self.values_at(now)
            )
        )


def key_record(
    secret_hash: str, hint: str, now: int, *, kind: KeyKind = "gateway", **values: Any
) -> Key:
    """A new key's record, from the hash of its secret alone; `values` are further fields of it."""
    return Key(
        id=new_id("key"),
        kind=kind,
        secret_hash=secret_hash,
        hint=hint,
        created_at=now,
        updated_at=now,
        **values,
    )


def key_spec(data: object) -> KeySpec:
    """Check a key's description. Raises InvalidField."""
    if not isinstance(data, Mapping):
        raise InvalidField("A key is described by a JSON object")
    try:
        return KeySpec.model_validate(data)
    except ValidationError as error:
        raise invalid_field(error, _MEANT) from None


def patched_key(key: Key, patch: object, now: int) -> Key:
    """The key with the fields that a JSON merge patch names; null gives one its default.

    Raises:
        InvalidField: The patch cannot be.
    """
    merged = {
        name: merge_patch(getattr(key, name), value)
        if name in _MERGED and isinstance(value, Mapping)
        else value
        for name, value in check_patch(patch).items()
    }
    return described_key(key, merged, now)


def described_key(key: Key, description: object, now: int) -> Key:
    """The key with the fields that a description gives, each of them whole.

    Raises:
        InvalidField: The description cannot be, or not for this kind of key.
    """
    values = key_spec(description).values_at(now)
    return _checked(dataclasses.replace(key, **values, updated_at=now))


def _checked(key: Key) -> Key:
    for name in _NOT_FOR_ADMINS:
        if key.is_admin and getattr(key, name) not in (None, (), {}):
            raise InvalidField(
                f"{name}: an admin key is bound by no limit; issue a gateway key for what shall be",
                param=name,
            )
    return key


def rotated(key: Key, secret: str, grace: str | None, now: int) -> Key:
    """The key with a new secret, and the old one good for a length of time such as `1h`, or ended.

    The old one stays known even so: whoever still has it is not to bring it back as a new key.

    Raises:
        InvalidField: `grace` is no length of time.
        Conflict: The key has expired, and its new secret would have too.
    """
    try:
        until = now + periods.seconds(grace) if grace else now
    except ValueError as error:
        raise InvalidField(f"grace_period {error}", param="grace_period") from None
    if key.state(now) == "expired":
        raise Conflict(
            f"The key {key.id!r} has expired, and a new secret for it would have too; give it "
            "another end first (duration or expires_at)",
            param="id",
        )
    return dataclasses.replace(
        key,
        secret_hash=vault.hash_key(secret),
        hint=vault.hint(secret),
        retiring_hash=key.secret_hash,
        retiring_until=until,
        updated_at=now,
    )
