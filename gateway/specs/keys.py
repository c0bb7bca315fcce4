"""What an operator may say of a key, checked, and made into a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway import vault
from gateway.errors import InvalidField
from gateway.fields import check_json
from gateway.records import Key, KeyKind
from gateway.specs.shared import Label, Limit, invalid_field, new_id

_MEANT = {"key_alias": "label"}


class KeySpec(BaseModel):
    """What may be said of a key when it is issued."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: Label = Field(None, description="What the key is for")
    rpm_limit: Limit | None = Field(None, description="Requests a minute")
    tpm_limit: Limit | None = Field(None, description="Tokens a minute")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        check_json(data)
        return data

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


def key_spec(data: object) -> KeySpec:
    """Check a key's description. Raises InvalidField."""
    if not isinstance(data, Mapping):
        raise InvalidField("A key is described by a JSON object")
    try:
        return KeySpec.model_validate(data)
    except ValidationError as error:
        raise invalid_field(error, _MEANT) from None
