"""Which requests can be answered from the cache, and what makes two of them the same. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.catalogue import Group
from gateway.litellm_names import ROUTING_PARAMS, is_price
from gateway.records import Call, Key, Model, Operation, Upload
from gateway.specs.cache import CacheParams, Scope

# Raised where the same text would come to mean something else.
_VERSION = 1

# What says who asks, or how the answer travels: it cannot change what is answered, but for
# Responses, which repeat the request.
_NO_MATTER = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "stream_options",
        "user",
    }
)
# What the provider would do besides answering, or would look up: none of it happens on a hit.
_MORE_THAN_AN_ANSWER = (
    "background",
    "container",
    "conversation",
    "mcp_servers",
    "previous_response_id",
    "web_search_options",
)
# Tools that the caller runs. Others are the provider's own: searches, code, MCP servers.
_CALLERS_TOOLS = (None, "function", "custom")


def is_repeatable(call: Call) -> bool:
    """Whether the provider does nothing for the call but answer it."""
    body = call.body
    # For Responses, the provider keeps what is not refused to it.
    stored = body.get("store", call.operation is Operation.RESPONSES)
    return not (
        stored
        or call.alone
        or any(body.get(name) for name in _MORE_THAN_AN_ANSWER)
        or any(_kind(tool) not in _CALLERS_TOOLS for tool in body.get("tools") or ())
    )


def request_key(call: Call, group: Group, params: CacheParams) -> str | None:
    """SHA-256, hexadecimal, of all that can change the answer, and of whose it is.

    The deployments count by what they are, not by which of them would serve: an answer of one is
    as good as another's, and a change of the model leaves its answers behind. None for what JSON
    cannot hold.
    """
    no_matter = () if call.operation is Operation.RESPONSES else _NO_MATTER
    body = {name: value for name, value in call.body.items() if name not in no_matter}
    said = {
        "version": _VERSION,
        "whose": _whose(call.key, params.scope),
        "namespace": call.cache.namespace or params.namespace,
        "operation": call.operation,
        "model": group.name,
        "deployments": sorted(map(_identity, group.deployments)),
        "body": body,
        "headers": dict(call.headers),
    }
    try:
        text = orjson.dumps(said, _of_file, orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError:
        return None
    return hashlib.sha256(text).hexdigest()


def _whose(key: Key, scope: Scope) -> str:
    if scope == "all":
        return "all"
    if scope == "team" and key.team_id is not None:
        return f"team:{key.team_id}"
    return f"key:{key.id}"


def _identity(model: Model) -> str:
    params = {
        name: value
        for name, value in model.params.items()
        if name not in ROUTING_PARAMS and not is_price(name)
    }
    described = [model.provider, model.upstream_model, model.base_url, model.api_version, params]
    return hashlib.sha256(orjson.dumps(described, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _kind(tool: Any) -> Any:
    return tool.get("type") if isinstance(tool, Mapping) else tool


def _of_file(value: object) -> Any:
    """A file by its content, as its name cannot change what is said in it."""
    if isinstance(value, Upload):
        return {"sha256": hashlib.sha256(value.data).hexdigest()}
    raise TypeError
