"""What an operator may say of a model."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.errors import InvalidField
from gateway.fields import is_secret
from gateway.litellm_names import ROUTING_PARAMS, UNSUPPORTED_PARAMS
from gateway.records import Model
from gateway.specs import (
    deployment_of,
    describe,
    model_spec,
    new_id,
    patched,
)

Json = dict[str, Any]

OK = {"model_name": "m", "provider": "openai"}


def record(description: Json, model_id: str | None = "model_1") -> Model:
    return model_spec(description).record(model_id, 1000, 1000)


def nested(depth: int) -> Json:
    value: Json = {}
    for _ in range(depth):
        value = {"a": value}
    return value


# --- good descriptions of models ---


@pytest.mark.parametrize(
    ("ours", "litellms"),
    [
        (
            {"model_name": "gpt-4o", "provider": "openai", "api_key": "sk-1"},
            {
                "model_name": "gpt-4o",
                "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-1"},
            },
        ),
        (
            {
                "model_name": "chat",
                "provider": "azure",
                "base_url": "https://x.openai.azure.com/",
                "api_version": "2024-10-21",
                "api_key": "os.environ/AZURE_KEY",
                "litellm_params": {"model": "my-deployment", "timeout": 30},
                "model_info": {"mode": "chat"},
            },
            {
                "model_name": "chat",
                "litellm_params": {
                    "model": "azure/my-deployment",
                    "api_base": "https://x.openai.azure.com",
                    "api_version": "2024-10-21",
                    "api_key": "os.environ/AZURE_KEY",
                    "timeout": 30,
                },
                "model_info": {"mode": "chat"},
            },
        ),
        (
            {"model_name": "m", "provider": "bedrock", "litellm_params": {"model": "a.b:0"}},
            {
                "model_name": "m",
                "litellm_params": {"model": "a.b:0", "custom_llm_provider": "bedrock"},
            },
        ),
        (
            {"model_name": "openai/gpt-4o"},
            {"model_name": "openai/gpt-4o", "litellm_params": {"model": "openai/gpt-4o"}},
        ),
        (
            {"model_name": "m", "provider": "openai", "base_url": "http://a/v1"},
            {
                "model_name": " m ",
                "provider": "openai",
                "base_url": "http://a/v1",
                "api_key": "",
                "litellm_params": {"model": None, "base_url": "http://a/v1", "api_key": None},
                "model_info": None,
            },
        ),
    ],
)
def test_both_shapes_make_the_same_record(ours: Json, litellms: Json) -> None:
    assert record(ours) == record(litellms)


def test_every_part_of_a_record() -> None:
    made = record(
        {
            "model_name": "chat",
            "litellm_params": {
                "model": "azure/dep",
                "api_base": "https://x.example/",
                "api_key": "sk-1",
                "api_version": "v1",
                "temperature": 0.5,
                "azure_ad_token": "tok",
                "seed": None,
            },
            "model_info": {"id": "given", "mode": "chat"},
        },
        None,
    )
    assert asdict(made) == {
        "id": "given",
        "name": "chat",
        "provider": "azure",
        "upstream_model": "dep",
        "base_url": "https://x.example",
        "api_version": "v1",
        "params": {"temperature": 0.5},
        "secrets": {"azure_ad_token": "tok", "api_key": "sk-1"},
        "info": {"mode": "chat"},
        "created_at": 1000,
        "updated_at": 1000,
    }
    assert "sk-1" not in repr(made)
    assert "sk-1" not in repr(model_spec(OK | {"api_key": "sk-1"}))


@pytest.mark.parametrize("info", [{}, {"id": None}, {"mode": "chat"}])
def test_a_model_without_an_id_gets_one(info: Json) -> None:
    made = model_spec(OK | {"model_info": info}).record(None, None, 7)
    assert made.id.startswith("model_")
    assert (made.created_at, made.updated_at) == (7, 7)


def test_ids_sort_by_time_and_never_repeat() -> None:
    made = [new_id("key") for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(len(name) == len("key_") + 20 for name in made)
    assert [name[:16] for name in made] == sorted(name[:16] for name in made)


@pytest.mark.parametrize(
    ("description", "provider", "upstream"),
    [
        ({"model_name": "openai/gpt-4o", "provider": "openai"}, "openai", "gpt-4o"),
        ({"model_name": "openai/gpt-4o", "provider": "openrouter"}, "openrouter", "openai/gpt-4o"),
        ({"model_name": "groq/openai/gpt-oss"}, "groq", "openai/gpt-oss"),
        ({"model_name": "x", "litellm_params": {"model": "openai/openai/y"}}, "openai", "openai/y"),
        ({"model_name": "x", "litellm_params": {"model": " openai/y "}}, "openai", "y"),
        ({"model_name": "a/b/c:d", "provider": "openai"}, "openai", "a/b/c:d"),
        ({"model_name": "модель 🦊", "provider": "openai"}, "openai", "модель 🦊"),
        ({"model_name": "x" * 256, "provider": "openai"}, "openai", "x" * 256),
    ],
)
def test_provider_and_upstream_name(description: Json, provider: str, upstream: str) -> None:
    made = record(description)
    assert (made.name, made.provider) == (description["model_name"], provider)
    assert made.upstream_model == upstream


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:11434",
        "https://api.example.com/v1",
        "http://[::1]:8080/v1",
        "http://10.0.0.1",
        "https://bücher.example/v1",
        "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        "os.environ/OLLAMA_URL",
    ],
)
def test_good_urls(url: str) -> None:
    assert record(OK | {"base_url": url}).base_url == url
    assert record(OK | {"base_url": url + "/"}).base_url == url


# --- bad ones ---

BAD_MODELS: list[tuple[Any, str | None, str]] = [
    (None, None, "by a JSON object"),
    ([OK], None, "by a JSON object"),
    ("m", None, "by a JSON object"),
    ({}, "model_name", "model_name: field required"),
    ({"provider": "openai"}, "model_name", "field required"),
    (OK | {"model_name": None}, "model_name", "valid string"),
    (OK | {"model_name": 4}, "model_name", "valid string"),
    (OK | {"model_name": "  "}, "model_name", "at least 1 character"),
    (OK | {"model_name": "x" * 257}, "model_name", "at most 256 characters"),
    (OK | {"model_name": "a\nb"}, "model_name", "control character"),
    (OK | {"model_name": "a\x00b"}, "model_name", "control character"),
    (OK | {"model_name": "a\ud800"}, "model_name", "surrogate"),
    (OK | {"litellm_params": {"model": "*"}}, "litellm_params.model", "a * without one in model"),
    (
        OK | {"model_name": "a/*", "litellm_params": {"model": "*/*"}},
        *("litellm_params.model",) * 2,
    ),
    ({"model_name": "*", "litellm_params": {"model": "*"}}, "provider", "one provider, such as"),
    ({"model_name": "*/*"}, "provider", "a pattern is of one provider, such as openai/*: register"),
    *(
        (
            OK | {"model_name": "o/*", "model_info": {"health_check_model": tried}} | params,
            "model_info.health_check_model",
            "a model that",
        )
        for tried, params in (
            ("gpt-4o", {"litellm_params": {"model": "ft:*"}}),
            ("../x", {"litellm_params": {"model": "*"}}),
            ("", {"litellm_params": {"model": "*"}}),
            (5, {"litellm_params": {"model": "gpt-*"}}),
        )
    ),
    ({"model_name": "m"}, "provider", "provider is missing: name one of litellm's providers"),
    ({"model_name": "meta-llama/x"}, "provider", "is missing"),
    (OK | {"provider": "OpenAI"}, "provider", "did you mean openai?"),
    (OK | {"provider": "vllm"}, "provider", "did you mean hosted_vllm?"),
    (OK | {"provider": "mistrall"}, "provider", "did you mean mistral"),
    (OK | {"provider": "qqqqqqq"}, "provider", "'qqqqqqq' is not one of litellm's providers"),
    (OK | {"provider": ["openai"]}, "provider", "valid string"),
    ({"model_name": "m", "litellm_params": {"custom_llm_provider": 3}}, "provider", "valid string"),
    (OK | {"litellm_params": {"custom_llm_provider": "azure"}}, "provider", "different things"),
    (OK | {"api_key": 3}, "api_key", "valid string"),
    (OK | {"api_key": "sk-…abcd"}, "api_key", "no key has"),
    (OK | {"api_key": "sk-1\nX-Evil: 1"}, "api_key", "control character"),
    (OK | {"api_key": "x" * 2049}, "api_key", "at most 2048"),
    (OK | {"api_key": "a", "litellm_params": {"api_key": "b"}}, "api_key", "different things"),
    (OK | {"api_version": 2024}, "api_version", "valid string"),
    ({"model_name": "m", "provider": "ollama"}, "base_url", "is required for the provider ollama"),
    ({"model_name": "azure/m"}, "base_url", "is required for the provider azure"),
    (OK | {"litellm_params": {"api_base": "h:80"}}, "base_url", "is not a URL"),
    (
        OK | {"litellm_params": {"api_base": "http://a", "base_url": "http://b"}},
        "base_url",
        "base_url and litellm_params.base_url say different things",
    ),
    (OK | {"api_base": "http://a"}, "api_base", "no such field; did you mean base_url?"),
    (OK | {"model": "gpt"}, "model", "no such field; did you mean litellm_params.model?"),
    (OK | {"custom_llm_provider": "x"}, "custom_llm_provider", "did you mean provider?"),
    (OK | {"temperature": 1}, "temperature", "temperature: no such field"),
    (OK | {7: 1}, "7", "a name that is not text"),
    (OK | {"\ud800": 1}, "'\\ud800'", "a name that is not text"),
    (OK | {"litellm_params": []}, "litellm_params", "valid dictionary"),
    (OK | {"litellm_params": "x"}, "litellm_params", "valid dictionary"),
    (OK | {"litellm_params": {1: 2}}, "litellm_params.1", "a name that is not text"),
    (OK | {"litellm_params": {"model": 3}}, "litellm_params.model", "takes the provider's name"),
    (OK | {"litellm_params": {"model": " "}}, "litellm_params.model", "takes the provider's name"),
    (OK | {"litellm_params": {"model": "openai/"}}, "litellm_params.model", "the provider's name"),
    (OK | {"model_info": [1]}, "model_info", "valid dictionary"),
    (OK | {"model_info": {"id": 3}}, "model_info.id", "takes text"),
    (OK | {"model_info": {"id": " "}}, "model_info.id", "takes text"),
    *(
        (OK | {"litellm_params": {name: 1}}, f"litellm_params.{name}", "not supported by this")
        for name in sorted(UNSUPPORTED_PARAMS)
    ),
    *(
        (OK | {"litellm_params": {name: True}}, f"litellm_params.{name}", "a single call")
        for name in ("messages", "prompt", "input", "stream", "stream_options", "mock_response")
    ),
    *(
        (OK | {"litellm_params": {name: value}}, f"litellm_params.{name}", message)
        for names, values, message in (
            (
                ("timeout", "stream_timeout", "first_token_timeout", "stream_total_timeout"),
                (0, -1, "30", True, [1], "os.environ/X"),
                "seconds above 0",
            ),
            (("rpm", "tpm"), (0, -1, 1.5, "60", True, 2**53 + 1, [1]), "a whole number above 0"),
            (("weight",), (-1, "1", True, [1]), "a number from 0 on"),
            (("order",), (1.5, "1", True, [1]), "a whole number; the lowest comes first"),
            (("caching",), (1, "true", []), "true or false"),
        )
        for name in names
        for value in values
    ),
    *(
        (OK | {where: {name: value}}, f"{where}.{name}", message)
        for where in ("litellm_params", "model_info")
        for name, value, message in (
            ("input_cost_per_token", -1, "takes a price in dollars, a number from 0"),
            ("output_cost_per_token_above_200k_tokens", "free", "takes a price in dollars"),
            ("input_cost_per_second", 1, "whose model_info.mode is audio_transcription"),
            ("ocr_cost_per_page", 1, "is a price that this gateway cannot reckon with yet"),
            ("off_peak_pricing", {}, "is a price that this gateway cannot reckon with yet"),
            ("tiered_pricing", [], "takes a list of prices"),
            ("base_model", 3, "takes the name of a model"),
            ("base_model", " ", "takes the name of a model"),
        )
    ),
]


@pytest.mark.parametrize(("description", "param", "message"), BAD_MODELS)
def test_a_bad_model_is_refused_by_the_name_of_its_field(
    description: Any, param: str | None, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        model_spec(description)
    assert refused.value.param == param
    assert message in refused.value.message
    assert refused.value.status == 422


def test_what_the_gateway_routes_by_is_kept_in_plain_text() -> None:
    """The name of one timeout has a word in it that is often a secret's."""
    routing: Json = {
        "caching": False,
        "first_token_timeout": 5,
        "lane": "direct",
        "order": -1,
        "rpm": 600,
        "stream_timeout": 0.5,
        "stream_total_timeout": 300,
        "timeout": 60,
        "tpm": 2**53,
        "weight": 0,
    }
    assert routing.keys() == ROUTING_PARAMS
    made = record(OK | {"litellm_params": routing | {"model": "x"}})
    assert (made.params, made.secrets) == (routing, {})
    assert patched(made, {"litellm_params": dict.fromkeys(routing)}, 2).params == {}


@pytest.mark.parametrize(
    ("name", "params", "provider", "upstream"),
    [
        ("openai/*", {}, "openai", "*"),
        ("openai/*", {"model": "openai/*"}, "openai", "*"),
        ("*", {"model": "openai/*"}, "openai", "*"),
        ("*", {"model": "*", "custom_llm_provider": "mistral"}, "mistral", "*"),
        ("my-*", {"model": "openai/gpt-*-mini"}, "openai", "gpt-*-mini"),
        ("any-*", {"model": "openai/gpt-4o"}, "openai", "gpt-4o"),
        ("*/*", {"model": "openai/*"}, "openai", "*"),
    ],
)
def test_a_pattern_is_a_model_of_one_provider(
    name: str, params: Json, provider: str, upstream: str
) -> None:
    made = record({"model_name": name, "litellm_params": params})
    assert (made.name, made.provider, made.upstream_model) == (name, provider, upstream)
    again = record(describe(made))
    assert (again.name, again.provider, again.upstream_model) == (name, provider, upstream)


def test_a_pattern_cannot_become_the_name_of_one_model() -> None:
    pattern = record(OK | {"model_name": "openai/*", "litellm_params": {"model": "*"}})
    with pytest.raises(InvalidField, match="has a \\* without one in model_name"):
        patched(pattern, {"model_name": "gpt"}, 2)
    changed = patched(pattern, {"model_name": "gpt", "litellm_params": {"model": "gpt-4o"}}, 2)
    assert (changed.name, changed.upstream_model) == ("gpt", "gpt-4o")


def test_deployments_are_the_same_by_what_they_call_and_with_what() -> None:
    first = record(OK | {"api_key": "k", "litellm_params": {"seed": 1}})
    for same in (
        record(OK | {"api_key": "k", "litellm_params": {"seed": 1}}, "model_2"),
        record(OK | {"api_key": "k", "litellm_params": {"seed": 1}, "model_info": {"a": 1}}),
        replace(first, name="other", created_at=9, updated_at=9),
    ):
        assert deployment_of(same) == deployment_of(first)
    for other in (
        {"api_key": "K", "litellm_params": {"seed": 1}},
        {"api_key": "k", "litellm_params": {"seed": True}},
        {"api_key": "k", "litellm_params": {"seed": 1, "model": "x"}},
        {"api_key": "k", "litellm_params": {"seed": 1}, "base_url": "http://h"},
    ):
        assert deployment_of(record(OK | other)) != deployment_of(first)


def test_prices_and_whose_they_are_can_be_given() -> None:
    """As in LiteLLM, in either place; null takes one away again."""
    prices = {"input_cost_per_token": 1e-06, "output_cost_per_token": "2e-6"}
    base = {"base_model": "azure/gpt-4o"}
    made = record(OK | {"litellm_params": prices | base, "model_info": prices | base})
    assert (made.params, made.info) == (prices | base, prices | base)
    free = {"litellm_params": {"input_cost_per_token": None}, "model_info": {"base_model": None}}
    changed = patched(made, free, 2)
    assert changed.params == {"output_cost_per_token": "2e-6"} | base
    assert changed.info == prices


@pytest.mark.parametrize(
    "url",
    [
        "localhost:11434",
        "example.com/v1",
        "ftp://example.com",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "http://h:99999",
        "http://h:x",
        "http://[::1",
        "http://h o/v1",
        "http://h\u00a0/v1",
        "http://h/v1#part",
        "os.environ/",
        "https:// example.com",
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InvalidField, match="is not a URL: it takes http:// or https://") as refused:
        model_spec(OK | {"base_url": url})
    assert refused.value.param == "base_url"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@h/v1",
        "http://hunter2@h",
        "http://@h",
        "https://h/v1?api_key=hunter2",
        "https://h/v1?x=1&Access-Token=hunter2",
    ],
)
def test_a_url_is_shown_to_admins_so_it_may_hold_no_secret(url: str) -> None:
    with pytest.raises(InvalidField, match="put a secret into api_key") as refused:
        model_spec(OK | {"base_url": url})
    assert refused.value.param == "base_url"
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("field", ["litellm_params", "model_info"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        (2**64, "too large"),
        (-(2**63) - 1, "too large"),
        ("\udc80", "surrogate"),
        (datetime.date(2024, 1, 1), "holds a date"),
        (b"x", "holds a bytes"),
        ({1, 2}, "holds a set"),
        ((1, 2), "holds a tuple"),
    ],
)
def test_what_json_does_not_have_is_refused_wherever_it_stands(
    field: str, value: object, message: str
) -> None:
    """YAML has all of these. The database or an answer would fail on them later."""
    for wrapped, param in ((value, f"{field}.x"), ([0, {"y": value}], f"{field}.x.1.y")):
        with pytest.raises(InvalidField, match=message) as refused:
            model_spec(OK | {field: {"x": wrapped}})
        assert refused.value.param == param


@pytest.mark.parametrize("depth", [65, 500, 100_000])
def test_deep_nesting_is_refused_before_it_exhausts_the_stack(depth: int) -> None:
    deep = nested(depth)
    for attempt in (
        lambda: model_spec(OK | {"litellm_params": {"x": deep}}),
        lambda: model_spec(OK | {"model_name": deep}),
        lambda: patched(record(OK), {"model_info": {"x": deep}}, 1),
    ):
        with pytest.raises(InvalidField, match="nested too deeply"):
            attempt()


def test_nesting_as_deep_as_a_tools_schema_is_taken() -> None:
    assert record(OK | {"litellm_params": {"x": nested(60)}}).params == {"x": nested(60)}


def test_nulls_count_as_not_given() -> None:
    """As in what LiteLLM's /model/info shows."""
    nulls = dict.fromkeys(("model", "timeout", "max_budget", "tags", "stream", "api_base"))
    made = record(OK | {"litellm_params": nulls, "base_url": None, "model_info": {"id": None}})
    assert made == record(OK)


# --- what is secret ---


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "API_KEY",
        "apiKey",
        "X-Api-Key",
        "watsonx_apikey",
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_web_identity_token",
        "azure_ad_token",
        "azure_password",
        "client_secret",
        "clientSecret",
        "vertex_credentials",
        "extra_headers",
        "headers",
        "Authorization",
        "cookie",
        "passphrase",
        "wallet_password",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)
    made = record(OK | {"litellm_params": {name: {"x": "hidden"}}} if name != "api_key" else OK)
    assert name not in made.params


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "timeout",
        "aws_region_name",
        "vertex_project",
        "cache_read_input_token_cost",
        "output_cost_per_reasoning_token",
        "drop_params",
        "keyboard",
        "monkey",
        "tokenizer",
        "author",
    ],
)
def test_names_of_what_may_be_shown(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    "value",
    [
        {"secret": "hidden"},
        {"a": {"b": [{"apiKey": "hidden"}]}},
        [{"Authorization": "hidden"}],
        [[{"x": {"client_secret": "hidden"}}]],
    ],
)
def test_a_parameter_that_holds_a_secret_deep_inside_is_secret_as_a_whole(value: object) -> None:
    made = record(OK | {"litellm_params": {"aws": value, "extra_body": {"top_k": [5]}}})
    assert made.secrets == {"aws": value}
    assert made.params == {"extra_body": {"top_k": [5]}}
    assert "hidden" not in repr(made)


# --- changes ---

FULL = {
    "model_name": "chat",
    "provider": "openai",
    "api_key": "sk-old",
    "base_url": "http://old/v1",
    "api_version": "v1",
    "litellm_params": {
        "model": "gpt-4o",
        "temperature": 0.5,
        "extra_body": {"a": 1, "b": 2},
        "extra_headers": {"x": "1"},
    },
    "model_info": {"mode": "chat", "note": "n"},
}


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, {}),
        ({"model_name": "talk"}, {"name": "talk"}),
        ({"model_name": "azure/talk"}, {"name": "azure/talk"}),
        ({"provider": "groq"}, {"provider": "groq"}),
        ({"litellm_params": {"custom_llm_provider": "groq"}}, {"provider": "groq"}),
        ({"provider": None}, {}),
        (
            {"provider": None, "litellm_params": {"model": "groq/x"}},
            {"provider": "groq", "upstream_model": "x"},
        ),
        ({"litellm_params": {"model": "gpt-5"}}, {"upstream_model": "gpt-5"}),
        ({"litellm_params": {"model": "openai/gpt-5"}}, {"upstream_model": "gpt-5"}),
        ({"litellm_params": {"model": "openai/openai/x"}}, {"upstream_model": "openai/x"}),
        ({"litellm_params": {"model": None}}, {"upstream_model": "chat"}),
        (
            {"provider": "groq", "litellm_params": {"model": "openai/gpt-oss"}},
            {"provider": "groq", "upstream_model": "openai/gpt-oss"},
        ),
        ({"base_url": "http://old/v2/"}, {"base_url": "http://old/v2"}),
        ({"litellm_params": {"api_base": "http://old"}}, {"base_url": "http://old"}),
        ({"base_url": None}, {"base_url": None}),
        ({"litellm_params": {"api_base": None}}, {"base_url": None}),
        ({"api_version": None}, {"api_version": None}),
        ({"api_key": "sk-new"}, {"secrets": {"extra_headers": {"x": "1"}, "api_key": "sk-new"}}),
        (
            {"litellm_params": {"api_key": "sk-new"}},
            {"secrets": {"extra_headers": {"x": "1"}, "api_key": "sk-new"}},
        ),
        ({"api_key": None}, {"secrets": {"extra_headers": {"x": "1"}}}),
        ({"litellm_params": {"api_key": None}}, {"secrets": {"extra_headers": {"x": "1"}}}),
        ({"litellm_params": {"extra_headers": None}}, {"secrets": {"api_key": "sk-old"}}),
        (
            {"litellm_params": {"temperature": None, "extra_body": {"a": None, "c": {"d": 3}}}},
            {"params": {"extra_body": {"b": 2, "c": {"d": 3}}}},
        ),
        (
            {"litellm_params": {"temperature": {"now": "an object"}, "extra_body": [1]}},
            {"params": {"temperature": {"now": "an object"}, "extra_body": [1]}},
        ),
        ({"model_info": {"mode": None, "x": 1}}, {"info": {"note": "n", "x": 1}}),
        ({"model_info": None}, {"info": {}}),
        ({"model_info": {"id": "model_1"}}, {}),
        ({"litellm_params": None}, {"params": {}, "secrets": {"api_key": "sk-old"}}),
    ],
)
def test_a_merge_patch_changes_what_it_names_and_nothing_else(patch: Json, changed: Json) -> None:
    model = record(FULL)
    assert patched(model, patch, 2000) == replace(model, **changed, updated_at=2000)


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"base_url": "http://new/v1"}, "api_key"),
        ({"base_url": "http://old:8080/v1"}, "api_key"),
        ({"base_url": "https://old/v1"}, "api_key"),
        ({"base_url": "os.environ/ADDRESS"}, "api_key"),
        ({"litellm_params": {"api_base": "http://new"}}, "api_key"),
        ({"base_url": "http://new", "api_key": "sk-new"}, "litellm_params.extra_headers"),
        ({"base_url": "http://new", "api_key": None}, "litellm_params.extra_headers"),
    ],
)
def test_a_secret_goes_to_another_host_only_if_it_is_given_again(patch: Json, param: str) -> None:
    with pytest.raises(InvalidField, match="must be given again") as refused:
        patched(record(FULL), patch, 2000)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": "sk-new", "litellm_params": {"extra_headers": {"x": "2"}}},
        {"litellm_params": {"api_key": "sk-new", "extra_headers": None}},
        {"api_key": None, "litellm_params": {"extra_headers": None}},
    ],
)
def test_with_its_secrets_a_model_can_move(given: Json) -> None:
    assert patched(record(FULL), {"base_url": "http://new"} | given, 2000).base_url == "http://new"


def test_changes_leave_an_upstream_name_that_looks_like_a_prefix_alone() -> None:
    """Such as gpt-oss at a server of one's own: litellm's `openai/openai/gpt-oss-20b`."""
    model = record({"model_name": "oss", "litellm_params": {"model": "openai/openai/gpt-oss-20b"}})
    assert patched(model, {"api_key": "sk-1"}, 1).upstream_model == "openai/gpt-oss-20b"
    assert patched(model, {"provider": "groq"}, 1).upstream_model == "openai/gpt-oss-20b"


@pytest.mark.parametrize(
    ("patch", "param", "message"),
    [
        (None, None, "must be a JSON object"),
        ([], None, "must be a JSON object"),
        ({"model_name": None}, "model_name", "field required"),
        ({"model_name": ""}, "model_name", "at least 1"),
        ({"nope": 1}, "nope", "no such field"),
        ({"nope": None}, "nope", "no such field"),
        ({"id": "x"}, "id", "no such field"),
        ({"api_base": "http://x"}, "api_base", "did you mean base_url?"),
        ({7: 1, "nope": 2}, "7", "a name that is not text"),
        ({"provider": "ollama", "base_url": None}, "base_url", "is required"),
        ({"provider": "OpenAI"}, "provider", "did you mean openai?"),
        ({"litellm_params": {"model": "azure/x"}}, "litellm_params.model", "give provider too"),
        ({"litellm_params": {"timeout": 0}}, "litellm_params.timeout", "seconds above 0"),
        ({"litellm_params": {"x": float("nan")}}, "litellm_params.x", "finite"),
        ({"litellm_params": [1]}, "litellm_params", "valid dictionary"),
        ({"model_info": {"id": "other"}}, "model_info.id", "cannot be changed"),
        ({"api_key": "a", "litellm_params": {"api_key": "b"}}, "api_key", "different things"),
    ],
)
def test_a_bad_patch_is_refused_by_the_name_of_its_field(
    patch: Any, param: str | None, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        patched(record(FULL), patch, 1)
    assert refused.value.param == param
    assert message in refused.value.message


# --- whatever comes ---

_texts = st.text(max_size=8) | st.text(st.characters(), max_size=3)  # lone surrogates, too
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | _texts
    | st.binary(max_size=3)
    | st.sampled_from(["openai", "azure/x", "http://h", "os.environ/X", "openai/", "sk-1", "*"])
)
_FIELDS = [
    *("model_name", "provider", "api_key", "base_url", "api_version", "litellm_params"),
    *("model_info", "model", "api_base", "custom_llm_provider", "timeout", "id", "max_budget"),
    "extra_headers",
]
_names: st.SearchStrategy[Any] = st.sampled_from(_FIELDS) | _texts | st.integers()
_anything: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=12,
)
_objects = st.dictionaries(_names, _anything, max_size=5) | _anything


def _sound(model: Model) -> None:
    """It can be stored, shown and sent."""
    assert json.loads(json.dumps(asdict(model), allow_nan=False)) == asdict(model)
    assert orjson.loads(orjson.dumps(asdict(model))) == asdict(model)
    assert model.name
    assert model.upstream_model
    assert not any(map(is_secret, model.params))


@given(_objects)
def test_anything_at_all_is_a_model_or_refused(data: Any) -> None:
    for attempt in (data, OK | data if isinstance(data, dict) else data):
        try:
            made = model_spec(attempt).record(None, None, 1)
        except InvalidField as error:
            orjson.dumps(error.body())
        else:
            _sound(made)


@given(_objects)
def test_anything_at_all_is_a_patch_or_refused(data: Any) -> None:
    model = record(FULL)
    try:
        new = patched(model, data, 2)
    except InvalidField as error:
        orjson.dumps(error.body())
    else:
        _sound(new)
        assert (new.id, new.created_at, new.updated_at) == (model.id, model.created_at, 2)


_plain = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "token", "key"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    provider=st.sampled_from(["openai", "azure", "openrouter", "hosted_vllm"]),
    upstream=st.sampled_from(["x", "openai/x", "azure/x", "openai/openai/x", "hosted_vllm", "a b"]),
    secret=st.none() | st.just("sk-1") | st.just("os.environ/X"),
    params=st.dictionaries(st.sampled_from(["p", "q", "client_secret", "extra_headers"]), _plain),
    info=st.dictionaries(st.sampled_from(["mode", "note"]), _plain),
)
def test_a_record_described_and_read_again_is_the_same(
    name: str, provider: str, upstream: str, secret: str | None, params: Json, info: Json
) -> None:
    try:
        model = record(
            {
                "model_name": name,
                "provider": provider,
                "api_key": secret,
                "base_url": "http://h/v1",
                "litellm_params": params | {"model": upstream},
                "model_info": info,
            }
        )
    except InvalidField as refused:
        assume(refused.param != "model_name")
        raise
    assert record(describe(model)) == model
    assert patched(model, {}, model.updated_at) == model
