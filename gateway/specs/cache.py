"""How the cache of answers works: `cache_params`, checked.

Names and values are those of LiteLLM's `cache_params` (litellm/caching/caching.py), where LiteLLM
has them; `scope`, `max_bytes` and `max_entry_bytes` are the gateway's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import InvalidField
from gateway.litellm_names import nearest
from gateway.records import Operation

MIB = 1024 * 1024
LONGEST_TTL = 366 * 86_400

_NAMES: Mapping[Operation, tuple[str, ...]] = {
    Operation.CHAT: ("completion", "acompletion"),
    Operation.COMPLETION: ("text_completion", "atext_completion"),
    Operation.EMBEDDING: ("embedding", "aembedding"),
    Operation.RESPONSES: ("responses", "aresponses"),
    Operation.MESSAGES: ("anthropic_messages", "aanthropic_messages"),
    Operation.TRANSCRIPTION: ("transcription", "atranscription"),
    Operation.RERANK: ("rerank", "arerank"),
    Operation.MODERATION: ("moderation", "amoderation"),
    Operation.SPEECH: ("speech", "aspeech"),
}
CALL_TYPES = {name: operation for operation, names in _NAMES.items() for name in names}
"""What can be cached, by LiteLLM's names of its functions.

Not there: images, which providers give by URLs that soon expire, and counts of tokens, which cost
nothing.
"""

CacheType = Literal["local", "sqlite", "redis"]
Scope = Literal["key", "team", "all"]
_CallType = Annotated[str, Field(json_schema_extra={"enum": sorted(CALL_TYPES)})]


class CacheParams(BaseModel):
    """What `cache_params` says, with the default for what it does not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: CacheType = Field("local", description="Where: in memory, in a file, or in Redis")
    mode: Literal["default_on", "default_off"] = Field(
        "default_on", description="default_off: only for requests that ask for it"
    )
    ttl: float = Field(600.0, gt=0, le=LONGEST_TTL, description="Seconds an answer is kept")
    namespace: str | None = Field(
        None, min_length=1, max_length=64, description="Another one leaves all answers behind"
    )
    supported_call_types: list[_CallType] = Field(
        sorted(CALL_TYPES), description="What is cached, by LiteLLM's names of calls"
    )
    scope: Scope = Field("key", description="Whose requests can get an answer: key, team or all")
    max_bytes: int = Field(
        128 * MIB, ge=MIB, le=2**40, description="The most that is kept in all; not for Redis"
    )
    max_entry_bytes: int = Field(
        MIB, ge=1024, le=64 * MIB, description="A larger answer is not kept"
    )

    @property
    def operations(self) -> frozenset[Operation]:
        return frozenset(CALL_TYPES[name] for name in self.supported_call_types)


def cache_params(name: str, value: object) -> dict[str, Any]:
    """The setting `name` from JSON or its text: what was given, checked.

    Raises:
        InvalidField: `param` is the name, or `name.ttl` for a field.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, Mapping):
        raise InvalidField('takes an object, such as {"type": "sqlite", "ttl": 3600}', param=name)
    given = {field: item for field, item in value.items() if item is not None}
    try:
        params = CacheParams.model_validate(given)
    except ValidationError as error:
        raise _invalid(name, error) from None
    for position, call_type in enumerate(params.supported_call_types):
        if call_type not in CALL_TYPES:
            meant = nearest(call_type, CALL_TYPES)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(CALL_TYPES)}"
            raise InvalidField(
                f"is no call that can be cached; {hint}",
                param=f"{name}.supported_call_types.{position}",
            )
    if params.max_entry_bytes > params.max_bytes:
        raise InvalidField("is more than max_bytes", param=f"{name}.max_entry_bytes")
    return given


def _invalid(name: str, error: ValidationError) -> InvalidField:
    first = error.errors(include_url=False, include_input=False)[0]
    inner = ".".join(map(str, first["loc"]))
    param = f"{name}.{inner}"
    if first["type"] == "extra_forbidden":
        fields = CacheParams.model_fields
        meant = nearest(inner, fields)
        hint = f"did you mean {meant}?" if meant else f"there are {', '.join(fields)}"
        return InvalidField(f"no such field; {hint}", param=param)
    return InvalidField(first["msg"][0].lower() + first["msg"][1:], param=param)
