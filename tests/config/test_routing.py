"""What a file says of deployments, retries, fallbacks and aliases, mostly as LiteLLM has it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.export import import_litellm
from gateway.config.file import read
from gateway.config.schema import json_schema
from gateway.config.values import Level
from gateway.litellm_names import ROUTING_PARAMS
from tests.config.test_file import found, model, only, schema_errors

MODELS = """\
model_list:
  - {model_name: a, litellm_params: {model: openai/a}}
  - {model_name: b, litellm_params: {model: openai/b}}
"""

# As LiteLLM's documentation has it.
LITELLM = """\
model_list:
  - model_name: gpt
    litellm_params: {model: azure/eu, api_base: "https://eu", rpm: 6, order: 1}
    model_info: {id: eu}
  - model_name: gpt
    litellm_params: {model: azure/us, api_base: "https://us", tpm: 9000, weight: 0.5, order: 2}
  - model_name: long
    litellm_params: {model: openai/long, timeout: 300, stream_timeout: 60}
  - model_name: anthropic/*
    litellm_params: {model: anthropic/*, api_key: os.environ/ANTHROPIC_API_KEY}
    model_info: {health_check_model: anthropic/claude-3-5-haiku-latest}
litellm_settings:
  num_retries: 3
  request_timeout: 60
  fallbacks: [{"gpt": ["long", "anthropic/claude-sonnet-4-5"]}]
  context_window_fallbacks: [{"gpt": ["long"]}]
  default_fallbacks: [long]
  allowed_fails: 3
router_settings:
  routing_strategy: least-busy
  retry_policy: {TimeoutErrorRetries: 2, RateLimitErrorRetries: 5}
  retry_after: 1
  cooldown_time: 30
  model_group_alias: {"gpt-4": "gpt", "hush": {"model": "gpt", "hidden": false}}
  content_policy_fallbacks: [{"*": ["long"]}]
  max_fallbacks: 3
  enable_weighted_failover: true
"""


def settings_of(text: str) -> dict[str, Any]:
    return {name: given.value for name, given in read(text).settings.items()}


def test_litellms_routing_is_supported() -> None:
    config = read(LITELLM)
    assert config.check({"ANTHROPIC_API_KEY": "set"}) == []
    assert [spec.model_name for spec in config.models] == ["gpt", "gpt", "long", "anthropic/*"]
    assert settings_of(LITELLM) == {
        "allowed_fails": 3,
        "content_policy_fallbacks": {"*": ["long"]},
        "context_window_fallbacks": {"gpt": ["long"]},
        "cooldown_time": 30.0,
        "default_fallbacks": ("long",),
        "fallbacks": {"gpt": ["long", "anthropic/claude-sonnet-4-5"]},
        "max_fallbacks": 3,
        "model_group_alias": {"gpt-4": "gpt", "hush": "gpt"},
        "num_retries": 3,
        "request_timeout": 60.0,
        "retry_after": 1.0,
        "retry_policy": {"TimeoutErrorRetries": 2, "RateLimitErrorRetries": 5},
        "routing_strategy": "least-busy",
    }
    assert schema_errors(LITELLM) == []
    again = read(import_litellm(LITELLM))
    assert again.findings == ()
    assert {name: given.value for name, given in again.settings.items()} == settings_of(LITELLM)
    assert [spec.litellm_params for spec in again.models] == [
        {"model": spec.litellm_params["model"]} | spec.litellm_params for spec in config.models
    ]


@pytest.mark.parametrize(
    ("section", "path", "message", "left"),
    [
        (
            "router_settings: {routing_strategy: usage-based-routing-v2}",
            "router_settings.routing_strategy",
            "rpm and tpm are kept to",
            {},
        ),
        (
            'router_settings: {fallbacks: [{a: [{model: b, messages: []}, "b"]}]}',
            "router_settings.fallbacks[0].a[0]",
            "without parameters",
            {"fallbacks": {"a": ["b"]}},
        ),
        (
            "litellm_settings: {default_fallbacks: [{model: b}]}",
            "litellm_settings.default_fallbacks[0]",
            "without parameters",
            {"default_fallbacks": ()},
        ),
        (
            "router_settings: {model_group_alias: {x.1: {model: b, hidden: true}}}",
            'router_settings.model_group_alias["x.1"].hidden',
            "in the list of models",
            {"model_group_alias": {"x.1": "b"}},
        ),
        (
            "router_settings: {retry_policy: {BadRequestErrorRetries: 2, TimeoutErrorRetries: 1}}",
            "router_settings.retry_policy.BadRequestErrorRetries",
            "never tried again",
            {"retry_policy": {"TimeoutErrorRetries": 1}},
        ),
        (
            'litellm_settings: {fallbacks: \'[{"a": [{"model": "b"}]}]\'}',
            "litellm_settings.fallbacks",
            "without parameters",
            {},
        ),
        (
            "router_settings: {model_group_retry_policy: {a: {TimeoutErrorRetries: 1}}}",
            "router_settings.model_group_retry_policy",
            "is not supported yet",
            {},
        ),
        (
            "litellm_settings: {model_alias_map: {x: a}}",
            "litellm_settings.model_alias_map",
            "use router_settings.model_group_alias",
            {},
        ),
    ],
)
def test_what_is_not_supported_is_left_out_and_the_rest_kept(
    section: str, path: str, message: str, left: dict[str, Any]
) -> None:
    text = MODELS + section
    finding = only(text)
    assert (finding.line, finding.path, finding.level) == (4, path, "unsupported")
    assert message in finding.message
    assert settings_of(text) == left
    assert schema_errors(text.replace("'[{", "[{").replace("}]'", "}]")) == []


@pytest.mark.parametrize(
    ("section", "path"),
    [
        (
            "router_settings:\n  fallbacks:\n  - a: [b]\n  - a: [b]",
            "router_settings.fallbacks[1].a",
        ),
        ("router_settings:\n\n\n  num_retries: -1", "router_settings.num_retries"),
        ("router_settings:\n\n\n  routing_strategy: x", "router_settings.routing_strategy"),
        ("router_settings:\n  retry_policy:\n\n    x: 1", "router_settings.retry_policy.x"),
    ],
)
def test_what_is_wrong_is_an_error_where_it_stands(section: str, path: str) -> None:
    finding = only(MODELS + section)
    assert (finding.line, finding.path, finding.level) == (7, path, "error")


def test_the_routers_settings_go_before_the_others_but_for_a_timeout() -> None:
    text = """\
litellm_settings: {num_retries: 1, fallbacks: [{a: [b]}], allowed_fails: 4, request_timeout: 9}
router_settings: {num_retries: 0, fallbacks: [], allowed_fails: 4, timeout: 8}
"""
    assert settings_of(text) == {
        "num_retries": 0,
        "fallbacks": {"a": ["b"]},
        "allowed_fails": 4,
        "request_timeout": 9,
    }
    assert found(text) == [
        (1, "litellm_settings.num_retries", "warning"),
        (2, "router_settings.fallbacks", "warning"),
        (2, "router_settings.timeout", "warning"),
    ]
    messages = [finding.message for finding in read(text).findings]
    assert messages[0] == (
        "has no effect: router_settings.num_retries goes before it, as in LiteLLM"
    )


def test_fallbacks_and_aliases_of_no_model_are_warned_of() -> None:
    text = MODELS + "router_settings:\n  fallbacks: [{a: [b, c]}, {d: [a]}]\n"
    text += "  default_fallbacks: [e]\n  model_group_alias: {x: f, b: a}\n"
    assert found(text) == [
        *((5, "router_settings.fallbacks", "warning"),) * 2,
        (6, "router_settings.default_fallbacks", "warning"),
        *((7, "router_settings.model_group_alias", "warning"),) * 2,
    ]
    # Without models, the file is about those that are registered; a variable is not known here.
    assert found(text.replace("model_list", "teams").split("  - ")[0] + text[len(MODELS) :]) == []
    assert (
        found(MODELS + "router_settings: {fallbacks: os.environ/F, default_fallbacks: [b]}") == []
    )


@pytest.mark.parametrize(
    ("entry", "path", "message"),
    [
        ("rpm: 5", "rpm", "give litellm_params.rpm"),
        ("tpm: 5", "tpm", "give litellm_params.tpm"),
        ("model_info: {rpm: 5}", "model_info.rpm", "what litellm_params.rpm says is kept to"),
        ("model_info: {tpm: 5}", "model_info.tpm", "what litellm_params.tpm says is kept to"),
    ],
)
def test_limits_elsewhere_than_litellm_params_are_not_kept_to(
    entry: str, path: str, message: str
) -> None:
    finding = only(model("{model: openai/x}", f"  {entry}"))
    assert (finding.path, finding.level) == (f"model_list[0].{path}", "unsupported")
    assert message in finding.message


@pytest.mark.parametrize(
    ("params", "level"),
    [
        ("{model: openai/x, rpm: 0}", "error"),
        ("{model: openai/x, rpm: '60'}", "error"),
        ("{model: openai/x, weight: -1}", "error"),
        ("{model: openai/x, order: first}", "error"),
        ("{model: openai/x, first_token_timeout: 0}", "error"),
        ("{model: openai/x, max_parallel_requests: 3}", "unsupported"),
        ("{model: 'openai/*'}", "error"),
    ],
)
def test_what_a_deployment_cannot_have(params: str, level: Level) -> None:
    text = model(params)
    assert [finding[2] for finding in found(text)] == [level]
    assert bool(schema_errors(text)) == (level == "error" and "*" not in text)


def test_the_same_deployment_twice_is_left_out() -> None:
    entry = "  - {model_name: a, litellm_params: {model: openai/a, api_key: os.environ/K}INFO}\n"
    text = "model_list:\n" + entry.replace("INFO", "") * 2
    text += entry.replace("INFO", "").replace("model_name: a", "model_name: b")
    text += entry.replace("INFO", ", model_info: {id: x}")
    assert found(text) == [
        (3, "model_list[1].model_name", "unsupported"),
        (5, "model_list[3].model_name", "unsupported"),
    ]
    assert "in line 2 already" in read(text).findings[0].message
    assert [spec.model_name for spec in read(text).models] == ["a", "b"]


def test_the_schema_knows_all_that_is_routed_by() -> None:
    schema = json_schema()["$defs"]
    params = schema["ModelSpec"]["properties"]["litellm_params"]["properties"]
    described = {name for name in ROUTING_PARAMS if "type" in params[name]}
    assert described == ROUTING_PARAMS
    router = schema["_RouterSettings"]["properties"]
    assert "deprecated" not in router["fallbacks"]
    assert "deprecated" in router["model_group_retry_policy"]
