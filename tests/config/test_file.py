"""Reading configuration files: what is understood, and that all the rest is found."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import litellm_names
from gateway.config.export import import_litellm
from gateway.config.file import load, read
from gateway.config.reading import show
from gateway.config.schema import json_schema
from gateway.config.values import ConfigFile, ConfigRefused, ConfigUnreadable, Finding
from gateway.vault import hash_key
from gateway.yaml_lines import MAX_CHARACTERS, Unreadable, read_yaml

CONFIG = Path(__file__).parents[2] / "config"
STRONG = "sk-0123456789abcdefghij"
OTHER = "sk-abcdefghij0123456789"
HASH = "0123456789abcdef" * 4

# As LiteLLM's documentation has it, one of most things.
LITELLM = f"""\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/my-deployment
      api_base: https://example.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY
      api_version: 2024-10-21
      rpm: 600
      max_retries: 2
    model_info:
      id: main
      mode: chat
      base_model: azure/gpt-4o
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: sk-plaintext-of-openai
      weight: 2
  - model_name: openai/*
    litellm_params:
      model: openai/*
      api_key: os.environ/OPENAI_API_KEY
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: sk-ant-plaintext
      extra_headers: {{anthropic-beta: plaintext-header}}
litellm_settings:
  drop_params: true
  request_timeout: 120
  num_retries: 3
  success_callback: [langfuse]
  set_verbose: false
router_settings:
  routing_strategy: usage-based-routing
  redis_password: redis-plaintext
general_settings:
  master_key: {STRONG}
  database_url: postgresql://user:db-plaintext@host/db
  store_model_in_db: true
environment_variables:
  OPENAI_API_KEY: sk-env-plaintext
"""
NAMES = ["gpt-4o", "gpt-4o", "openai/*", "claude"]
PLAINTEXTS = [STRONG, "plaintext"]


def found(text: str) -> list[tuple[int, str, str]]:
    """Line, path and level of each finding."""
    return [(f.line, f.path, f.level) for f in read(text).findings]


def only(text: str) -> Finding:
    """The one finding of a text."""
    (finding,) = read(text).findings
    return finding


def model(params: str, rest: str = "") -> str:
    """A file of one model; `params` begins in line 4."""
    return f"model_list:\n- model_name: m\n  litellm_params:\n    {params}\n{rest}"


# Models


def test_a_litellm_config_gives_its_models_and_settings() -> None:
    config = read(LITELLM)
    assert [spec.model_name for spec in config.models] == NAMES
    azure = config.models[0]
    assert (azure.provider, azure.api_key) == ("azure", "os.environ/AZURE_API_KEY")
    # YAML has a date there, which Azure's version is not.
    assert azure.api_version == "2024-10-21"
    assert azure.litellm_params == {"model": "azure/my-deployment", "max_retries": 2, "rpm": 600}
    assert azure.model_info["id"] == "main"
    assert {name: s.value for name, s in config.settings.items()} == {
        "drop_params": True,
        "request_timeout": 120.0,
        "num_retries": 3,
    }
    assert config.errors == ()


def test_everything_in_a_litellm_config_that_has_no_effect_is_found_with_its_line() -> None:
    assert found(LITELLM) == [
        (32, "litellm_settings.success_callback", "unsupported"),
        (35, "router_settings.routing_strategy", "unsupported"),
        (36, "router_settings.redis_password", "unsupported"),
        (38, "general_settings.master_key", "warning"),
        (39, "general_settings.database_url", "unsupported"),
        (41, "environment_variables", "unsupported"),
    ]


def test_what_is_not_supported_says_the_way_out_where_there_is_one() -> None:
    finding = only("general_settings:\n  database_url: postgresql://h/d\n")
    assert "GATEWAY_DATABASE_URL" in finding.message
    assert str(finding).startswith("line 2: general_settings.database_url: ")
    assert "use timeout" in only(model("{model: openai/x, request_timeout: 3}")).message


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ("{model: openai/x, api_base: 'ftp://h'}", "litellm_params.api_base"),
        ("{model: openai/x, base_url: nowhere}", "litellm_params.base_url"),
        ("{model: nobody/x}", "litellm_params.model"),
        ("{model: x, custom_llm_provider: opnai}", "litellm_params.custom_llm_provider"),
        ("{model: openai/x, api_key: 12345}", "litellm_params.api_key"),
        ("{model: openai/x, timeout: -1}", "litellm_params.timeout"),
        ("{model: openai/x, mock_response: hi}", "litellm_params.mock_response"),
        ("{model: 3}", "litellm_params.model"),
        (f"{{model: openai/x, extra_body: {{a: [{2**64}]}}}}", "litellm_params.extra_body.a[0]"),
        ("{model: hosted_vllm/x}", "litellm_params"),
    ],
)
def test_a_model_that_cannot_be_is_an_error_where_the_field_stands(params: str, path: str) -> None:
    finding = only(model(params))
    assert finding.level == "error"
    assert finding.path == f"model_list[0].{path}"
    assert finding.line == (3 if path == "litellm_params" else 4)


def test_our_own_shape_of_a_model_works_as_well() -> None:
    config = read("model_list: [{model_name: gpt-4o, provider: openai, api_key: os.environ/K}]")
    assert config.models[0].api_key == "os.environ/K"
    assert config.findings == ()
    wrong = "model_list:\n- model_name: x\n  provider: nobody\n  api_key: k"
    assert found(wrong) == [(3, "model_list[0].provider", "error")]


def test_a_typo_in_a_parameter_is_an_error_and_a_providers_own_parameter_a_warning() -> None:
    typo = only(model("{model: openai/x, api_bse: http://h}"))
    assert typo.level == "error"
    assert "did you mean api_base?" in typo.message
    assert "did you mean weight?" in only(model("{model: openai/x, weigth: 3}")).message
    config = read(model("{model: openai/x, quux: 3}"))
    assert [f.level for f in config.findings] == ["warning"]
    assert config.models[0].litellm_params["quux"] == 3


def test_every_parameter_the_registry_refuses_is_left_out_and_the_model_still_works() -> None:
    given_params = {"model": "openai/x", "input_cost_per_image": 1}
    given_params |= dict.fromkeys(sorted(litellm_names.UNSUPPORTED_PARAMS), 1)
    config = read(json.dumps({"model_list": [{"model_name": "m", "litellm_params": given_params}]}))
    assert config.models[0].litellm_params == {"model": "openai/x"}
    assert {f.level for f in config.findings} == {"unsupported"}
    assert len(config.findings) == len(given_params) - 1


@pytest.mark.parametrize("price", ["0.1", "3e-7", "'0.1'"])
def test_prices_are_supported(price: str) -> None:
    """YAML reads 3e-7 as text."""
    prices = f"input_cost_per_token: {price}, output_cost_per_token_above_200k_tokens_flex: {price}"
    text = model(f"{{model: openai/x, {prices}}}", f"  model_info: {{{prices}}}")
    assert found(text) == []
    spec = read(text).models[0]
    assert spec.litellm_params["input_cost_per_token"] in (0.1, "0.1", "3e-7")
    assert schema_errors(text) == []


def test_a_price_that_is_none_is_an_error_where_it_stands() -> None:
    text = model("{model: openai/x}", "  model_info: {input_cost_per_token: -1}")
    assert found(text) == [(5, "model_list[0].model_info.input_cost_per_token", "error")]
    assert read(text).models == ()


def test_prices_that_cannot_be_reckoned_with_are_reported_and_left_out() -> None:
    text = model(
        "{model: openai/x, input_cost_per_second: 0.1}",
        "  model_info: {mode: chat, off_peak_pricing: {a: 1}}",
    )
    assert found(text) == [
        (4, "model_list[0].litellm_params.input_cost_per_second", "unsupported"),
        (5, "model_list[0].model_info.off_peak_pricing", "unsupported"),
    ]
    [spec] = read(text).models
    assert (spec.litellm_params, spec.model_info) == ({"model": "openai/x"}, {"mode": "chat"})


def test_prices_of_sound_and_pictures_are_supported_where_they_can_be() -> None:
    text = model(
        "{model: openai/my-whisper, output_cost_per_second: 1e-4}",
        "  model_info: {mode: audio_transcription}",
    )
    assert found(text) == []
    assert schema_errors(text) == []
    assert read(text).models[0].litellm_params["output_cost_per_second"] == "1e-4"
    # Of a model that the table knows, nothing more need be said.
    assert found(model("{model: cohere/rerank-v3.5, input_cost_per_query: 0.003}")) == []
    wrong = model("{model: openai/whisper-1, input_cost_per_second: -1}")
    assert [level for _, _, level in found(wrong)] == ["error"]


def test_an_id_may_be_a_number_and_stands_once() -> None:
    entry = "- {model_name: NAME, litellm_params: {model: openai/x}, model_info: {id: ID}}\n"
    first = "model_list:\n" + entry.replace("NAME", "a").replace("ID", "7")
    assert read(first).models[0].model_info["id"] == "7"
    twice = read(first + entry.replace("NAME", "b").replace("ID", "'7'"))
    assert [spec.model_name for spec in twice.models] == ["a"]
    (error,) = twice.errors
    assert (error.line, error.path) == (3, "model_list[1].model_info.id")
    assert "line 2" in error.message
    for wrong in ("true", "' '", "[1]"):
        assert only(first.replace("7", wrong)).path == "model_list[0].model_info.id"


def test_a_blocked_model_is_left_out_rather_than_open() -> None:
    text = model("{model: openai/x}", "  blocked: true")
    assert found(text) == [(5, "model_list[0].blocked", "unsupported")]
    assert read(text).models == ()
    assert read(text.replace("true", "false")).models[0].model_name == "m"


def test_unknown_names_in_an_entry() -> None:
    text = model("{model: openai/x}", "  tpm: 5\n  modl_info: {}\n  zzz: 1")
    assert found(text) == [
        (5, "model_list[0].tpm", "unsupported"),
        (6, "model_list[0].modl_info", "error"),
        (7, "model_list[0].zzz", "error"),
    ]


def test_the_catch_all_wildcard_is_unsupported_and_no_error() -> None:
    text = 'model_list:\n- model_name: "*"\n  litellm_params: {model: "*"}'
    assert found(text) == [(3, "model_list[0].litellm_params.model", "unsupported")]
    assert "a pattern is of one provider" in only(text).message
    for named in ("custom_llm_provider: openai", 'model: "openai/*"'):
        assert found(text.replace('model: "*"', named)) == []


# Settings


@pytest.mark.parametrize(
    ("text", "level", "meant"),
    [
        ("modl_list: []", "error", "model_list"),
        ("qqqqqq: 1", "error", None),
        ("guardrails: [{a: 1}]", "unsupported", None),
        ("include: [a.yaml]", "unsupported", None),
        ("litellm_settings: {drop_param: true}", "error", "drop_params"),
        ("litellm_settings: {zzzzzz: true}", "unsupported", None),
        ("litellm_settings: {telemetry: true}", "unsupported", None),
        ("litellm_settings: {set_verbose: 0}", "unsupported", None),
        ("router_settings: {fallback: []}", "error", "fallbacks"),
        ("router_settings: {disable_cooldowns: true}", "unsupported", None),
        ("router_settings: {routing_groups: [{a: [b]}]}", "unsupported", None),
        ("general_settings: {master_kee: x}", "error", "master_key"),
        ("general_settings: {alerting: [slack]}", "unsupported", None),
        ("general_settings: {master_kee: }", "error", "master_key"),
    ],
)
def test_a_name_is_a_typo_or_not_there_yet(text: str, level: str, meant: str | None) -> None:
    finding = only(text)
    assert finding.level == level
    assert meant is None or f"did you mean {meant}?" in finding.message


def test_what_is_so_by_design_or_says_nothing_needs_no_finding() -> None:
    sections: dict[str, dict[str, Any]] = {
        section: dict(values) for section, values in litellm_names.SO_BY_DESIGN.items()
    }
    sections["router_settings"] |= {"routing_groups": [], "retry_policy": None, "redis_url": None}
    sections["general_settings"] |= {"master_key": None}
    sections["litellm_settings"] |= {"drop_params": None}
    config = read(json.dumps(sections | {"guardrails": None, "keys": None, "model_list": None}))
    assert config == ConfigFile()


def test_the_router_s_timeout_stands_in_for_the_other_one() -> None:
    config = read("router_settings: {timeout: 30, stream_timeout: 5}")
    assert {name: s.value for name, s in config.settings.items()} == {
        "request_timeout": 30,
        "stream_timeout": 5,
    }
    both = "litellm_settings: {request_timeout: 60}\nrouter_settings: {timeout: 30}"
    # litellm 1.106.2, router.py: `self.request_timeout … or self.timeout`
    assert read(both).settings["request_timeout"].value == 60
    assert found(both) == [(2, "router_settings.timeout", "warning")]
    assert found(both.replace("30", "60")) == []


@pytest.mark.parametrize(
    "text",
    [
        "litellm_settings: {drop_params: 1}",
        "litellm_settings: {drop_params: perhaps}",
        "litellm_settings: {request_timeout: 0}",
        "litellm_settings: {request_timeout: soon}",
        "litellm_settings: {request_timeout: true}",
        "litellm_settings: {request_timeout: [1]}",
        f"litellm_settings: {{request_timeout: {'9' * 400}}}",
        "general_settings: {master_key: 12345}",
        "general_settings: {master_key: sk-1234}",
    ],
)
def test_a_setting_of_another_kind_is_an_error(text: str) -> None:
    assert only(text).level == "error"
    assert read(text).settings == {}


# Environment variables


def test_check_lists_each_variable_that_is_not_set() -> None:
    text = model(
        "{model: openai/x, api_key: os.environ/A, extra_headers: {x: [os.environ/B]}, "
        "num_retries: os.environ/NOT_USED}",
        "keys: [{key: os.environ/C}]\nlitellm_settings: {drop_params: os.environ/D}",
    )
    config = read(text)
    unset = [f for f in config.check({"B": "set", "C": ""}) if f.level == "warning"]
    assert [(f.line, f.path) for f in unset] == [
        (4, "model_list[0].litellm_params.api_key"),
        (5, "keys[0].key"),
        (6, "litellm_settings.drop_params"),
    ]
    assert "variable A is not set" in unset[0].message


def test_resolving_looks_up_settings_and_keys() -> None:
    text = """\
general_settings: {master_key: os.environ/M}
keys: [{key: os.environ/K}, {key_hash: %s}]
litellm_settings: {drop_params: os.environ/D, request_timeout: os.environ/T}
""" % HASH.upper()  # noqa: UP031
    environ = {"M": STRONG, "K": OTHER, "D": " True ", "T": "2.5"}
    resolved = read(text).resolve(environ)
    assert resolved.settings == {"drop_params": True, "request_timeout": 2.5}
    assert resolved.master_key == STRONG
    hints = {hashed: hint for hashed, (_, hint) in resolved.keys.items()}
    assert hints == {hash_key(OTHER): "sk-…6789", HASH: "sk-…"}
    assert STRONG not in repr(resolved)


@pytest.mark.parametrize(
    ("environ", "line", "path", "message"),
    [
        ({"M": STRONG}, 2, "keys[0].key", "variable K is not set"),
        ({"K": OTHER}, 1, "general_settings.master_key", "variable M is not set"),
        ({"M": STRONG, "K": STRONG}, 2, "keys[0].key", "same key as general_settings.master_key"),
        ({"M": STRONG, "K": "sk-1234"}, 2, "keys[0].key", "too weak"),
        ({"M": STRONG, "K": OTHER, "D": "2"}, 3, "litellm_settings.drop_params", "true or false"),
    ],
)
def test_what_cannot_be_looked_up_is_refused_with_its_line(
    environ: dict[str, str], line: int, path: str, message: str
) -> None:
    text = (
        "general_settings: {master_key: os.environ/M}\n"
        "keys: [{key: os.environ/K}]\n"
        "litellm_settings: {drop_params: os.environ/D}\n"
    )
    with pytest.raises(ConfigRefused) as refused:
        read(text).resolve({"D": "true"} | environ)
    (finding,) = refused.value.findings
    assert (finding.line, finding.path) == (line, path)
    assert message in finding.message
    assert str(finding) in refused.value.message
    assert "sk-1234" not in refused.value.message


def test_a_file_with_errors_is_refused() -> None:
    with pytest.raises(ConfigRefused, match="line 1: modl_list"):
        read("modl_list: []").resolve({})


# YAML


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2", 2),
        ("a: 1\n\tb: 2", 2),
        ("a: 1\n--- \nb: 2", 2),
        ("a: 1\nb: \x00", 2),
        ("a: *nowhere", 1),
        ("- a", 1),
        ("just text", 1),
        ("a:\n " + "[" * 60, 2),
        ("a: &a\n- *a", 1),
        ("x: &x\n  <<: *x", 2),
        ("#" * (MAX_CHARACTERS + 1), 1),
    ],
)
def test_what_is_no_yaml_mapping_is_one_error_with_its_line(text: str, line: int) -> None:
    finding = next(f for f in read(text).errors if not f.path)
    assert finding.line == line


def test_an_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "aliases" in only("\n".join(lines)).message
    merges = ["a0: &a0 {x: 1}"]
    merges += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 30)]
    assert read("\n".join(merges)).errors


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        ("keys: []\nkeys: []", 2, "keys", "in line 1"),
        ("model_list:\n- model_name: !custom x", 2, "model_list[0].model_name", "tag !custom"),
        ("model_list: !!set {a}", 1, "model_list", "tag"),
        ("keys:\n- rpm_limit: !!int x", 2, "keys[0].rpm_limit", "type int"),
        ("keys:\n- rpm_limit: !!float ''", 2, "keys[0].rpm_limit", "type float"),
        ("keys:\n- rpm_limit: .nan", 2, "keys[0].rpm_limit", "JSON"),
        ('keys:\n- label: "\\ud800"', 2, "keys[0].label", "surrogate"),
        ("keys:\n- ? [a]\n  : 1", 2, "keys[0]", "name has to be text"),
        ('keys:\n- "\\udc00": 1', 2, "keys[0]", "name has to be text"),
        ("keys:\n- <<: 5", 2, 'keys[0]["<<"]', "takes a mapping"),
        ("keys: !!binary aGk=", 1, "keys", "tag"),
    ],
)
def test_values_that_are_no_json_are_errors(text: str, line: int, path: str, message: str) -> None:
    finding = next(f for f in read(text).errors if message in f.message)
    assert (finding.line, finding.path) == (line, path)


def test_yaml_values() -> None:
    document = read_yaml("""\
date: 2024-10-21
equals: =
merge: <<
numbers: {1: 0x10, 50256: -100, ~: 1e3}
text: "\\u263A"
base: &base {a: 1, b: 2}
one: {<<: *base, b: 3}
several:
  <<: [{a: 0}, *base]
  c: *base
""")
    assert document.value == {
        "date": "2024-10-21",
        "equals": "=",
        "merge": "<<",
        "numbers": {"1": 16, "50256": -100, "~": "1e3"},
        "text": "☺",
        "base": {"a": 1, "b": 2},
        "one": {"a": 1, "b": 3},
        "several": {"a": 0, "b": 2, "c": {"a": 1, "b": 2}},
    }
    assert document.lines["one", "b"] == 7
    assert document.lines["several", "b"] == 6
    assert document.line(("several", "nothing", "there")) == 8
    assert read_yaml("# nothing").value is None


def test_anchors_serve_as_in_litellm_configs() -> None:
    config = read("""\
model_list:
  - model_name: a
    litellm_params: &shared {model: openai/a, api_key: os.environ/K}
  - model_name: b
    litellm_params: {<<: *shared, model: openai/b}
""")
    assert config.findings == ()
    assert [(s.litellm_params["model"], s.api_key) for s in config.models] == [
        ("openai/a", "os.environ/K"),
        ("openai/b", "os.environ/K"),
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("model_list: {}", "model_list"),
        ("model_list: [x]", "model_list[0]"),
        ("keys: 5", "keys"),
        ("teams: {a: {name: A}}", "teams"),
        ("litellm_settings: []", "litellm_settings"),
        ("model_list: [{model_name: openai/x, litellm_params: 5}]", "model_list[0].litellm_params"),
        ("model_list: [{model_name: openai/x, model_info: 5}]", "model_list[0].model_info"),
    ],
)
def test_sections_of_another_shape_are_errors(text: str, path: str) -> None:
    assert (only(text).path, only(text).level) == (path, "error")


def test_paths_quote_what_would_be_read_wrongly() -> None:
    assert show(("a", 0, "b-c", "d.e", "f\n")) == r'a[0].b-c["d.e"]["f\n"]'


def test_files_are_loaded_or_say_why_not(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with pytest.raises(ConfigUnreadable, match="No such file"):
        load(path)
    path.write_bytes(b"a: \xff")
    with pytest.raises(ConfigUnreadable, match="not UTF-8"):
        load(path)
    path.write_text("# ☺\nkeys: []", encoding="utf-8")
    assert load(path) == ConfigFile()


# Properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
names = st.sampled_from([
    "model_list", "keys", "litellm_settings", "router_settings", "general_settings", "model_name",
    "litellm_params", "model_info", "id", "model", "api_key", "provider", "key", "key_hash",
    "label", "rpm_limit", "master_key", "drop_params", "timeout", "extra_body", "team_id", "name",
    "max_budget", "budget_duration", "expires_at", "aliases", "metadata", "tags", "duration",
    "rpm", "weight", "fallbacks", "default_fallbacks", "model_group_alias", "retry_policy",
    "hidden",
])  # fmt: skip
leaves = json_values | st.sampled_from(
    ["openai/gpt-4o", "openai/*", "os.environ/NAME", STRONG, HASH, "http://h", "a b\n", True, 7,
     "1d", "2027-01-31T00:00:00Z", 0.1, "*", "least-busy"]
)  # fmt: skip
nearly_right = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6),
    max_leaves=25,
)
entries = st.dictionaries(names, nearly_right, max_size=6)
files = st.fixed_dictionaries(
    {},
    optional={
        "model_list": st.lists(entries, max_size=3) | nearly_right,
        "keys": st.lists(entries, max_size=3) | nearly_right,
        "teams": st.lists(entries, max_size=3) | nearly_right,
        "litellm_settings": entries | nearly_right,
        "router_settings": entries | nearly_right,
        "general_settings": entries | nearly_right,
    },
)


def survives(text: str) -> None:
    """Reading, checking, resolving and translating raise nothing but what they say."""
    config = read(text)
    assert all(1 <= f.line <= len(text.splitlines()) + 1 and f.message for f in config.findings)
    assert config.check({}) == sorted(config.check({}))
    with contextlib.suppress(ConfigRefused):
        config.resolve({"NAME": OTHER})
    try:
        translated = import_litellm(text)
    except ConfigRefused:
        assert config.errors
        return
    again = read(translated)
    assert [f for f in again.findings if f.level != "warning"] == []
    assert [s.model_name for s in again.models] == [s.model_name for s in config.models]
    assert [t.spec for t in again.teams] == [t.spec for t in config.teams]
    assert len(again.keys) == len(config.keys)


@given(st.text())
@example("\udc00")
@example("\x85: [")
def test_no_text_makes_reading_fail(text: str) -> None:
    survives(text)


@given(st.text(alphabet="ab:-[]{}&*<!?|>'\"\n #,01.~=%@\\"))
def test_no_yaml_makes_reading_fail(text: str) -> None:
    survives(text)


@given(files)
@example({"model_list": [{"model_name": "openai/x\u2028# y", "model_info": {"id": "a\u2028b"}}]})
def test_no_nearly_right_file_makes_reading_fail(value: Any) -> None:
    survives(yaml.safe_dump(value))


@given(json_values)
def test_any_json_value_reads_back_as_it_was(value: Any) -> None:
    text = yaml.safe_dump({"value": value}, sort_keys=False)
    assert json.dumps(read_yaml(text).value) == json.dumps({"value": value})


@given(st.text(alphabet="&*ab:<[]{}, \n-"))
def test_yaml_is_read_as_pyyaml_reads_it(text: str) -> None:
    try:
        document, expected = read_yaml(text), yaml.safe_load(text)
    except (Unreadable, yaml.YAMLError):
        # Each refuses a little that the other takes: a lone <<, a name twice.
        return
    if not document.faults:
        assert document.value == _text_names(expected)


def _text_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {"" if k is None else str(k): _text_names(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_text_names(item) for item in value]
    return value


# Translating


def test_import_keeps_what_is_supported_and_lists_the_rest() -> None:
    text = import_litellm(LITELLM)
    config = read(text)
    assert config.findings == ()
    assert [spec.model_name for spec in config.models] == NAMES
    assert [spec.litellm_params.get("weight") for spec in config.models] == [None, 2, None, None]
    info = {"id": "main", "mode": "chat", "base_model": "azure/gpt-4o"}
    assert config.models[0].model_info == info
    assert config.settings["request_timeout"].value == 120
    for left_out in ("line 35: router_settings.routing_strategy", "line 41: environment_variables"):
        assert f"# - {left_out}" in text


def test_import_writes_no_secret_and_names_the_variables_to_set() -> None:
    text = import_litellm(LITELLM)
    assert not [secret for secret in PLAINTEXTS if secret in text]
    config = read(text)
    assert [spec.api_key for spec in config.models[1::2]] == [
        "os.environ/GPT_4O_API_KEY",
        "os.environ/CLAUDE_API_KEY",
    ]
    headers = config.models[3].litellm_params["extra_headers"]
    assert headers == {"anthropic-beta": "os.environ/CLAUDE_EXTRA_HEADERS_ANTHROPIC_BETA"}
    assert config.master_key is not None
    assert config.master_key.text == "os.environ/LITELLM_MASTER_KEY"
    assert {r.name for r in config.references} == {
        line.removeprefix("# - ") for line in text.splitlines() if line[4:].isupper()
    }


def test_import_keeps_keys_by_hash_or_reference() -> None:
    text = import_litellm(
        f"general_settings: {{master_key: os.environ/M}}\n"
        f"keys: [{{key: {STRONG}, label: a}}, {{key: os.environ/K}}, {{key_hash: {HASH}}}]"
    )
    assert STRONG not in text
    config = read(text)
    assert [e.secret_hash for e in config.keys] == [hash_key(STRONG), None, HASH]
    assert config.master_key is not None
    assert config.master_key.text == "os.environ/M"


def test_import_refuses_what_is_no_yaml() -> None:
    with pytest.raises(ConfigRefused, match="line 1: This is not valid YAML"):
        import_litellm("a: [")


def test_placeholders_have_names_of_their_own() -> None:
    entry = "- {{model_name: {}, litellm_params: {{model: openai/x, api_key: {}}}}}\n"
    text = "model_list:\n" + "".join(
        entry.format(name, key)
        for name, key in [
            ("a.b", "secret-1"),
            ("a-b", "secret-2"),
            ("c", "os.environ/A_B_API_KEY"),
            ("4o", "secret-3"),
            ("☺", "secret-4"),
        ]
    )
    assert [spec.api_key for spec in read(import_litellm(text)).models] == [
        "os.environ/A_B_API_KEY_2",
        "os.environ/A_B_API_KEY_3",
        "os.environ/A_B_API_KEY",
        "os.environ/MODEL_4O_API_KEY",
        "os.environ/API_KEY",
    ]


def test_secrets_inside_other_parameters_are_replaced_too() -> None:
    text = import_litellm(
        model(
            "{model: openai/x, extra_body: {api_key: s3cret, pins: [{token: 17, ok: true}], n: 1}}"
        )
    )
    assert "s3cret" not in text
    assert read(text).models[0].litellm_params["extra_body"] == {
        "api_key": "os.environ/M_EXTRA_BODY_API_KEY",
        "pins": [{"token": "os.environ/M_EXTRA_BODY_PINS_TOKEN", "ok": True}],
        "n": 1,
    }


# The schema and the files that ship


def schema_errors(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(json_schema())
    return [error.json_path for error in validator.iter_errors(read_yaml(text).value)]


def test_the_schema_is_valid_and_the_one_that_ships() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    # Make it anew with `gateway config schema > config/gateway.schema.json`.
    shipped = json.loads((CONFIG / "gateway.schema.json").read_text(encoding="utf-8"))
    assert shipped == json_schema()


def test_the_shipped_file_has_nothing_to_report() -> None:
    text = (CONFIG / "gateway.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=./gateway.schema.json\n")
    assert read(text).findings == ()
    assert {spec.provider for spec in read(text).models} >= {
        "openai",
        "azure",
        "anthropic",
        "ollama",
        "hosted_vllm",
    }
    assert schema_errors(text) == []


def test_what_is_commented_out_in_the_shipped_file_works() -> None:
    lines = (CONFIG / "gateway.yaml").read_text(encoding="utf-8").splitlines()
    sections = ("keys:", "teams:", "router_settings:", "general_settings:", "evals:")
    shown = [
        line.removeprefix("# ")
        for line in lines
        if line.startswith("#  ") or line.removeprefix("# ") in sections
    ]
    models = lines[lines.index("model_list:") : lines.index("litellm_settings:")]
    # Those are comments that begin with a name in a list, or inside one.
    more = [line.replace("# ", "", 1) for line in models if re.match("  # (- |  )", line)]
    start = shown.index("keys:")
    text = "\n".join([*models, *more, *shown[start:]]).replace("<64 hexadecimal digits>", HASH)
    config = read(text)
    assert config.findings == ()
    names = [spec.model_name for spec in config.models]
    assert names[-4:] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4.1", "anthropic/*"]
    assert config.settings["fallbacks"].value == {
        "gpt-4o": ["claude-sonnet", "qwen"],
        "*": ["llama3.2"],
    }
    assert [entry.spec.label for entry in config.keys] == ["backend", "notebooks"]
    assert [entry.spec.team_id for entry in config.teams] == ["research"]
    assert [entry.record.name for entry in config.evals.suites] == ["ci"]
    assert schema_errors(text) == []


def test_a_litellm_config_passes_the_schema_though_parts_have_no_effect() -> None:
    assert schema_errors(LITELLM) == []


@pytest.mark.parametrize(
    "text",
    [
        "modl_list: []",
        "router_settings: {stream_timeot: 3}",
        "general_settings: {master_kee: x}",
        "model_list: [{model_nam: x}]",
        "litellm_settings: {drop_params: perhaps}",
        "keys: [{label: x}]",
        "keys: [{key_hash: x}]",
        f"keys: [{{key_hash: {HASH}, duration: 30d}}]",
        f"keys: [{{key_hash: {HASH}, models: gpt}}]",
        "teams: [{team_id: a}]",
        "teams: [{name: A}]",
        "teams: [{team_id: a, name: A, rpm_limit: 5}]",
    ],
)
def test_the_schema_finds_what_reading_finds(text: str) -> None:
    assert schema_errors(text)
    assert read(text).errors


def test_no_name_of_the_installed_litellm_is_taken_for_a_typo() -> None:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    init = _class(package / "router.py", "Router").body
    (router,) = (n for n in init if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    arguments = {a.arg for a in router.args.args + router.args.kwonlyargs} - {"self", "model_list"}
    assert arguments <= litellm_names.ROUTER_SETTINGS
    general = _fields(package / "proxy" / "_types.py", "ConfigGeneralSettings")
    assert general <= litellm_names.GENERAL_SETTINGS
    params = _fields(package / "types" / "router.py", "CredentialLiteLLMParams")
    params |= _fields(package / "types" / "router.py", "GenericLiteLLMParams")
    known = litellm_names.PARAMS | litellm_names.ROUTING_PARAMS
    assert params - known - litellm_names.UNSUPPORTED_PARAMS == {"mock_response"}
    assert not litellm_names.PARAMS & litellm_names.ROUTING_PARAMS
    assert not known & litellm_names.UNSUPPORTED_PARAMS


def _class(path: Path, name: str) -> ast.ClassDef:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (found_class,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return found_class


def _fields(path: Path, name: str) -> set[str]:
    return {
        n.target.id
        for n in _class(path, name).body
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    }


def test_reading_needs_neither_litellm_nor_the_database() -> None:
    code = "import sys, gateway.config.file; print([m for m in sys.modules if '.' not in m])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(ran.stdout)
    assert not {"litellm", "sqlalchemy", "starlette", "cryptography", "typer"} & set(loaded)
