"""The bodies of LiteLLM's requests, made from the types that check what they come to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field

# pydantic needs this one rather than typing's, below Python 3.12.
from typing_extensions import TypedDict

from gateway.http.bodies.shared import CLOSED
from gateway.http.litellm.descriptions import (
    ACTED_ON,
    KEY_FIELDS,
    OTHERS_OF_KEYS,
    OTHERS_OF_TEAMS,
    TEAM_FIELDS,
)
from gateway.http.openapi.bodies import LENGTH, TEXT, Derived, merge_patch, nullable
from gateway.specs import KeySpec, ModelSpec, TeamSpec

Json = dict[str, Any]


def _renamed(
    schema: Json,
    names: Mapping[str, str],
    others: Collection[str],
    texts: Mapping[str, str],
    more: Mapping[str, Json],
    required: Collection[str] = (),
) -> Json:
    """LiteLLM's names of an object's fields, some of which also take `texts`, and `more`.

    `others` are LiteLLM's alone.
    """
    known = merge_patch(schema)["properties"]
    properties = {theirs: nullable(known[ours]) for theirs, ours in names.items()}
    properties |= more
    for name, text in texts.items():
        properties[name] = {"anyOf": [properties[name], {"const": text}]}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        # Clients of LiteLLM's send what they have not set.
        "propertyNames": {"enum": sorted({*properties, *others})},
        "additionalProperties": {
            "description": "Not supported: it may be null, false or empty",
            "anyOf": [{"enum": [None, False, "", []]}, {"type": "object"}],
        },
    }


_SECRET = nullable(
    {**TEXT, "pattern": "^sk-[!-~]{17,}$", "description": "A key of one's own choice"}
)
_NAMED = nullable({**TEXT, "description": "The key, or its hash"})
_GRACE = nullable(
    {**TEXT, **LENGTH, "description": "How long the old secret stays good, such as 1h"}
)
_FALSY: Json = {"enum": [None, False, 0, "", [], {}]}
# What stands for nothing here, as it is so for every gateway key.
_ALWAYS: Mapping[str, Json] = {
    "key_type": {"enum": [None, False, "", "default", "llm_api"]},
    "allowed_routes": {"enum": [None, False, "", [], ["llm_api_routes"]]},
    "spend": {"enum": [None, False, 0, "", []]},
}
_of_keys = partial(
    _renamed,
    names=KEY_FIELDS,
    others=OTHERS_OF_KEYS | ACTED_ON,
    texts={"duration": "-1", "max_budget": "", "team_id": ""},
)
_of_teams = partial(
    _renamed,
    names=TEAM_FIELDS,
    others=OTHERS_OF_TEAMS | ACTED_ON,
    texts={"team_id": "", "team_alias": ""},
)

KEY = Derived("NewLitellmKey", KeySpec, partial(_of_keys, more={**_ALWAYS, "key": _SECRET}))
KEY_PATCH = Derived("LitellmKeyPatch", KeySpec, partial(_of_keys, more={**_ALWAYS, "key": _NAMED}))
NEW_SECRET = Derived(
    "LitellmNewSecret",
    KeySpec,
    partial(_of_keys, more={**_ALWAYS, "key": _NAMED, "new_key": _SECRET, "grace_period": _GRACE}),
)
TEAM = Derived("NewLitellmTeam", TeamSpec, partial(_of_teams, more={}))
TEAM_PATCH = Derived(
    "LitellmTeamPatch",
    TeamSpec,
    partial(
        _of_teams,
        more={"team_id": {**TEXT, "description": "The team to change"}},
        required=["team_id"],
    ),
)


def _litellm_model(schema: Json) -> Json:
    """As LiteLLM has it, whose clients send what they were shown."""
    made = merge_patch(schema)
    properties = made["properties"]
    properties["model_name"] = nullable(properties["model_name"])
    properties["blocked"] = {"description": "Not supported: it may be false", **_FALSY}
    return made


def _new_litellm_model(schema: Json) -> Json:
    made = _litellm_model(schema)
    params = {"type": "object", "properties": {"model": TEXT}, "required": ["model"]}
    named = schema["properties"]["model_name"]
    made["properties"] |= {"model_name": named, "litellm_params": params}
    return {**made, "required": ["model_name", "litellm_params"]}


def _litellm_model_with_id(schema: Json) -> Json:
    made = _litellm_model(schema)
    made["properties"]["id"] = nullable({**TEXT, "description": "The model's, or model_info.id"})
    return made


MODEL = Derived("NewLitellmModel", ModelSpec, _new_litellm_model)
MODEL_PATCH = Derived("LitellmModelPatch", ModelSpec, _litellm_model_with_id)
MODEL_MERGE = Derived("LitellmModelMerge", ModelSpec, _litellm_model)


class NamedId(TypedDict):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    id: str


class NamedKey(TypedDict):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    key: Annotated[str, Field(min_length=1, description="The key, or its hash")]


class NamedKeys(TypedDict, total=False):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    keys: Annotated[list[str] | None, Field(description="Keys, or their hashes")]
    key_aliases: Annotated[list[str] | None, Field(description="Without keys")]


def _either(schema: Json) -> Json:
    some = {"type": "array", "minItems": 1}
    given = [{"required": [name], "properties": {name: some}} for name in schema["properties"]]
    return {**schema, "anyOf": given}


NAMED_KEYS = Derived("NamedKeys", NamedKeys, _either)


class NamedTeam(TypedDict):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    team_id: str


class NamedTeams(TypedDict):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    team_ids: list[str]


class Calculation(TypedDict, total=False):
    """A prompt (`model` and `messages`), or an answer."""

    model: str | None
    messages: list[Any] | None
    completion_response: dict[str, Any] | None
