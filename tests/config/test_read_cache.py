"""The cache in a configuration file."""

from __future__ import annotations

import inspect
from pathlib import Path

import yaml
from litellm.caching.caching import Cache

from gateway.config.export import export, import_litellm
from gateway.config.file import read
from gateway.config.read_cache import UNSUPPORTED
from gateway.config.seed import apply
from gateway.records import Actor, CallSettings
from gateway.settings import Settings
from gateway.specs.cache import CacheParams
from gateway.store import Store

FILE = """\
litellm_settings:
  cache: true
  cache_params:
    type: redis
    host: os.environ/REDIS_HOST
    port: 6379
    password: os.environ/REDIS_PASSWORD
    namespace: ours
    ttl: 600
    default_in_redis_ttl: 600
    mode: default_off
    supported_call_types: ["acompletion", "aembedding"]
    similarity_threshold: 0.8
    s3_bucket_name: null
"""


def test_what_the_gateway_has_is_read_and_the_rest_is_listed() -> None:
    config = read(FILE)
    assert {name: setting.value for name, setting in config.settings.items()} == {
        "cache": True,
        "cache_params": {
            "type": "redis",
            "namespace": "ours",
            "ttl": 600,
            "mode": "default_off",
            "supported_call_types": ["acompletion", "aembedding"],
        },
    }
    way_out = "is not supported; set GATEWAY_REDIS_URL in the gateway's environment instead"
    where = "litellm_settings.cache_params"
    assert [(f.line, f.path, f.level, f.message) for f in config.findings] == [
        (5, f"{where}.host", "unsupported", way_out),
        (6, f"{where}.port", "unsupported", way_out),
        (7, f"{where}.password", "unsupported", way_out),
        (10, f"{where}.default_in_redis_ttl", "unsupported", "is not supported; use ttl instead"),
        (13, f"{where}.similarity_threshold", "unsupported", "is not supported"),
    ]
    # The variables of what is left out need not be set.
    assert config.check({}) == list(config.findings)


def test_where_litellms_default_is_another_the_operator_is_told() -> None:
    for text in (
        "litellm_settings: {cache: true}",
        "litellm_settings: {cache: true, cache_params: {ttl: 5}}",
    ):
        [finding] = read(text).findings
        assert (finding.path, finding.level) == ("litellm_settings.cache", "warning")
        assert "is kept in memory, where LiteLLM would use Redis" in finding.message
    for text in (
        "litellm_settings: {cache: false}",
        "litellm_settings: {cache: true, cache_params: {type: local}}",
    ):
        assert read(text).findings == ()


def test_a_type_that_is_litellms_alone_is_left_out() -> None:
    config = read("litellm_settings: {cache: true, cache_params: {type: s3, ttl: 5}}")
    [finding] = config.findings
    assert (finding.path, finding.level) == ("litellm_settings.cache_params.type", "unsupported")
    assert "by local, sqlite, redis; without a type, in memory" in finding.message
    assert config.settings["cache_params"].value == {"ttl": 5}


def test_what_is_nobodys_is_an_error_with_its_line() -> None:
    config = read("litellm_settings:\n  cache_params:\n    type: local\n    namespce: x\n")
    [finding] = config.findings
    assert (finding.line, finding.path) == (4, "litellm_settings.cache_params.namespce")
    assert (finding.level, finding.message) == ("error", "no such field; did you mean namespace?")
    assert read("litellm_settings: {cache: yes please}").errors
    assert read("litellm_settings: {cache_params: 5}").errors


def test_no_name_of_litellms_is_taken_for_a_typo() -> None:
    known = {*CacheParams.model_fields, *UNSUPPORTED}
    theirs = set(inspect.signature(Cache.__init__).parameters) - {"self", "_backend", "kwargs"}
    assert theirs <= known
    assert not UNSUPPORTED & set(CacheParams.model_fields)


def test_a_model_says_whether_it_is_cached() -> None:
    model = "model_list: [{model_name: m, litellm_params: {model: openai/m, caching: %s}}]"
    config = read(model % "false")
    assert (config.findings, config.models[0].litellm_params["caching"]) == ((), False)
    assert read(model % "maybe").errors
    [finding] = read(model.replace("caching: %s", "cache: {no-cache: true}")).findings
    assert "use caching: true or false instead" in finding.message


async def test_a_file_and_back(tmp_path: Path) -> None:
    text = import_litellm(FILE)
    assert yaml.safe_load(text)["litellm_settings"]["cache_params"]["ttl"] == 600
    async with Store.open(Settings(database_url=f"sqlite:///{tmp_path}/gateway.db")) as store:
        await apply(store, read(text), {}, Actor("test"))
        settings = await store.settings.get()
        assert settings != CallSettings()
        assert (settings.cache, settings.cache_params["mode"]) == (True, "default_off")
        again = read(await export(store))
    assert again.findings == ()
    assert {name: given.value for name, given in again.settings.items()} == {
        "cache": True,
        "cache_params": settings.cache_params,
    }
