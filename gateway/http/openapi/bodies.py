"""The bodies of requests that no type checks as it stands: made from those that do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway import periods
from gateway.http.bodies.shared import CLOSED
from gateway.http.cache_control import FLAGS, TIMES
from gateway.records import RoutingStrategy
from gateway.redaction import BUILT_IN
from gateway.specs import KeySpec, ModelSpec, TeamSpec
from gateway.specs.cache import LONGEST_TTL, CacheParams
from gateway.specs.routing import MOST_FAILS, MOST_FALLBACKS, MOST_RETRIES

Json = dict[str, Any]

NULL: Json = {"type": "null"}
TEXT: Json = {"type": "string"}
_TAG: Json = {"type": "string", "minLength": 1}
_BLANK: Json = {"type": "string", "pattern": r"^\s*$"}
# With blanks around it, or blanks alone.
LENGTH: Json = {"pattern": rf"^\s*({periods.DURATION.pattern})?\s*$"}
_LENGTHS = ("budget_duration", "duration")


@dataclass(frozen=True, slots=True)
class Derived:
    """A body whose schema is that of another type, changed."""

    name: str
    base: Any
    change: Callable[[Json], Json]


def nullable(schema: Json) -> Json:
    """The schema, or null."""
    kind = schema.get("type")
    if not schema or kind == "null" or NULL in schema.get("anyOf", ()):
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], NULL]}
    if isinstance(kind, str) and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, NULL]}


def options_nullable(schema: Json) -> Json:
    """The schema of an object in which null stands for what is not given."""
    required = schema.get("required", ())
    properties = {
        name: each if name in required else nullable(each)
        for name, each in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def of_spec(schema: Json) -> Json:
    """As `options_nullable`, and blank stands for null where both may be."""
    made = options_nullable(copy.deepcopy(schema))
    for name, each in made["properties"].items():
        if name in _LENGTHS:
            each |= LENGTH
        if name == "expires_at":
            each["anyOf"] = [{"type": "string", "format": "date-time"}, _BLANK, NULL]
        options = each.get("anyOf", ())
        for option in options:
            # Without a pattern: an id is never blank.
            if NULL in options and "pattern" not in option:
                option.pop("minLength", None)
    return made


def merge_patch(schema: Json) -> Json:
    """A JSON merge patch of such an object (RFC 7396): null takes a field, or part of it, away."""
    made = copy.deepcopy(schema)
    made.pop("required", None)
    for name, each in made["properties"].items():
        each.pop("default", None)
        values = each.get("additionalProperties")
        if isinstance(values, dict):
            each["additionalProperties"] = nullable(values)
        if name not in schema.get("required", ()):
            made["properties"][name] = nullable(each)
    return made


def _named_model(schema: Json) -> Json:
    made = merge_patch(schema)
    made["properties"]["model_name"] = {**TEXT, "description": "A new name"}
    return made


KEY_PATCH = Derived("KeyPatch", KeySpec, merge_patch)
TEAM_PATCH = Derived("TeamPatch", TeamSpec, merge_patch)
MODEL_PATCH = Derived("ModelPatch", ModelSpec, _named_model)


class Rotation(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    grace_period: Annotated[
        str | None,
        Field(
            description="How long the old secret stays good, such as 1h",
            json_schema_extra={"pattern": f"^({periods.DURATION.pattern})?$"},
        ),
    ]


class NamedModel(TypedDict, total=False):
    """A model that neither the path nor the query names."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model_name: Annotated[Any, Field(description="Its name, or the id of a deployment")]
    id: Annotated[Any, Field(description="The id of a deployment")]


_SAME = "The same as text"
# A setting may be given as the text of a variable.
_Switch = bool | Literal["true", "false"] | None
_Number = Annotated[str, Field(pattern="[0-9]", description=_SAME)]
_Seconds = Annotated[float, Field(gt=0, description="Seconds")] | _Number | None
_Object = Annotated[str, Field(pattern=r"^\s*\{", description=_SAME)]
_List = Annotated[str, Field(pattern=r"^\s*[\[{]", description=_SAME)]
_Names = Annotated[str, Field(description="Names with commas between them, or a list in JSON")]
_Retention = Annotated[
    str, Field(pattern=rf"^\s*(forever|{periods.DURATION.pattern})\s*$", description="Or forever")
]
_Chain = list[str] | str
_Chains = list[dict[str, _Chain]] | dict[str, _Chain] | _List | None


class _Alias(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    model: str
    hidden: Any


class _Pattern(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    pattern: str
    replacement: str


_Rule = Annotated[str, Field(json_schema_extra={"enum": list(BUILT_IN)})]


class SettingsPatch(TypedDict, total=False):
    """The settings to change; null gives one its default."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]
    drop_params: _Switch
    request_timeout: _Seconds
    stream_timeout: _Seconds
    first_token_timeout: _Seconds
    routing_strategy: RoutingStrategy | None
    num_retries: Annotated[int, Field(ge=0, le=MOST_RETRIES)] | _Number | None
    retry_policy: dict[str, int | str | None] | _Object | None
    retry_after: Annotated[float, Field(ge=0, description="Seconds")] | _Number | None
    allowed_fails: Annotated[int, Field(ge=0, le=MOST_FAILS)] | _Number | None
    cooldown_time: _Seconds
    fallbacks: _Chains
    context_window_fallbacks: _Chains
    content_policy_fallbacks: _Chains
    default_fallbacks: list[str] | _Names | None
    max_fallbacks: Annotated[int, Field(ge=0, le=MOST_FALLBACKS)] | _Number | None
    model_group_alias: dict[str, str | _Alias] | _Object | None
    maximum_spend_logs_retention_period: Annotated[int, Field(ge=2)] | _Retention | None
    store_prompts_in_spend_logs: _Switch
    redact_stored_prompts: list[_Rule | _Pattern] | _Names | None
    cache: _Switch
    cache_params: CacheParams | _Object | None


class CacheControl(TypedDict, total=False):
    """LiteLLM's field for the cache of answers."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]
    namespace: Annotated[str | None, Field(min_length=1, max_length=64)]


def _with_dashes(schema: Json) -> Json:
    """With the fields that no name in Python has, or no type."""
    more: Json = {name: {"type": ["boolean", "null"]} for name in FLAGS}
    for name, (_, least) in TIMES.items():
        more[name] = {"type": ["number", "null"], "minimum": least, "maximum": LONGEST_TTL}
    return {**schema, "properties": {**schema["properties"], **more}}


CACHE_CONTROL = Derived("CacheControl", CacheControl, _with_dashes)


def of_call(schema: Json, *, model: Literal["required", "optional", "ignored"], form: bool) -> Json:
    """The body of a call, of which the gateway reads some itself.

    In JSON, null stands for what is not given.
    """
    made = copy.deepcopy(schema)
    properties = made["properties"]
    if form:
        for name, each in properties.items():
            if each.get("type") == "array":
                # A field that is there once is a list of one.
                properties[name] = {"anyOf": [each, each["items"]]}
        properties["stream"] = {"enum": [False, "false", "f", "0", "no", "n", "off"]}
    properties["tags"] = {
        "description": "What the request is filed under in the usage",
        "type": "array",
        "items": _TAG,
    }
    metadata = properties.get("metadata", {})
    if metadata.get("additionalProperties"):
        # Anything but a list is OpenAI's own metadata.
        tags = {"description": "As `tags`", "type": ["array", "string"], "items": _TAG}
        metadata["properties"] = {"tags": tags}
    # In a form, too, it is an object in JSON.
    properties["cache"] = {"anyOf": [{"$ref": f"#/components/schemas/{CACHE_CONTROL.name}"}]}
    if model != "required":
        made["required"].remove("model")
    if model == "ignored":
        properties["model"] = {"description": "The path names the model"}
    return made if form else options_nullable(made)
