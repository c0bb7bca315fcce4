"""`cache_params`: what an operator may say of the cache."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from litellm.types.caching import CachingSupportedCallTypes

from gateway.errors import InvalidField
from gateway.records import Operation
from gateway.specs import setting
from gateway.specs.cache import CALL_TYPES, MIB, CacheParams


def test_nothing_said_gives_the_defaults() -> None:
    params = CacheParams.model_validate(setting("cache_params", {}))
    assert (params.type, params.mode, params.scope, params.ttl) == (
        "local",
        "default_on",
        "key",
        600,
    )
    assert (params.max_bytes, params.max_entry_bytes) == (128 * MIB, MIB)
    assert Operation.CHAT in params.operations
    assert not params.operations & {Operation.IMAGE, Operation.IMAGE_EDIT, Operation.COUNT_TOKENS}


def test_every_call_that_litellm_caches_has_its_name() -> None:
    assert set(get_args(CachingSupportedCallTypes)) <= set(CALL_TYPES)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "sqlite", "ttl": 3600, "mode": "default_off", "namespace": "v2"},
        {"type": "redis", "ttl": 0.5, "scope": "team"},
        {"supported_call_types": ["acompletion", "aembedding"]},
        {"supported_call_types": []},
        {"max_bytes": MIB, "max_entry_bytes": 1024},
    ],
)
def test_what_is_given_is_kept_as_it_is(given: dict[str, Any]) -> None:
    assert setting("cache_params", given | {"namespace": given.get("namespace")}) == given


def test_a_shell_gives_it_as_json() -> None:
    assert setting("cache_params", '{"type": "sqlite", "ttl": 60}') == {"type": "sqlite", "ttl": 60}
    assert setting("cache", "true") is True


@pytest.mark.parametrize(
    ("value", "param", "message"),
    [
        (5, "cache_params", "takes an object"),
        ("sqlite", "cache_params", "takes an object"),
        ("[" * 5000, "cache_params", "takes an object"),
        ({"type": "disk"}, "cache_params.type", "'local', 'sqlite' or 'redis'"),
        ({"mode": "on"}, "cache_params.mode", "'default_on' or 'default_off'"),
        ({"scope": "everyone"}, "cache_params.scope", "'key', 'team' or 'all'"),
        ({"ttl": 0}, "cache_params.ttl", "greater than 0"),
        ({"ttl": "60"}, "cache_params.ttl", "valid number"),
        ({"ttl": 10**9}, "cache_params.ttl", "less than or equal to"),
        ({"namespace": "x" * 65}, "cache_params.namespace", "at most 64 characters"),
        ({"max_bytes": 5}, "cache_params.max_bytes", "greater than or equal to"),
        ({"max_bytes": MIB, "max_entry_bytes": 2 * MIB}, "cache_params.max_entry_bytes", "is more"),
        ({"namespce": "x"}, "cache_params.namespce", "did you mean namespace?"),
        ({"xyz": 5}, "cache_params.xyz", "there are type, mode, ttl"),
        (
            {"supported_call_types": ["completion", "acompletoin"]},
            "cache_params.supported_call_types.1",
            "did you mean acompletion?",
        ),
        (
            {"supported_call_types": ["x"]},
            "cache_params.supported_call_types.0",
            "there are completion",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_field(value: object, param: str, message: str) -> None:
    with pytest.raises(InvalidField) as refused:
        setting("cache_params", value)
    assert refused.value.param == param
    assert message in refused.value.message
