"""What the direct lane sends: the caller's bytes, but for what must differ."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.records import Call, Model, Operation
from gateway.specs import key_record
from gateway.upstream.direct_requests import Target, request_body, with_model

CHAT = (
    b'{ "model": "mine",\n "messages": [{"role": "user", "content": "caf\xc3\xa9"}], "seed": 1.0 }'
)
THEIRS = b'"model": "gpt-4o"'


def model(**fields: Any) -> Model:
    values = {
        "id": "model_1",
        "name": "mine",
        "provider": "openai",
        "upstream_model": "gpt-4o",
        "base_url": None,
        "api_version": None,
        "params": {},
        "secrets": {"api_key": "sk-theirs"},
        "info": {},
        "created_at": 0,
        "updated_at": 0,
    }
    return Model(**values | fields)


def call(raw: bytes = CHAT, operation: Operation = Operation.CHAT, **fields: Any) -> Call:
    return Call(operation, key_record("", "", 0), orjson.loads(raw), "r", raw=raw, **fields)


def sent(made: Call, **fields: Any) -> bytes:
    of = model(**fields)
    return request_body(made, of, Target.of(of))


def test_the_bytes_are_the_callers_but_for_the_model() -> None:
    assert sent(call()) == CHAT.replace(b'"model": "mine"', THEIRS)


def test_a_stream_asks_for_its_usage() -> None:
    streamed = CHAT.replace(b'"seed"', b'"stream": true, "seed"')
    body = sent(call(streamed))
    assert body.startswith(streamed[:-1].replace(b'"model": "mine"', THEIRS).rstrip())
    assert orjson.loads(body)["stream_options"] == {"include_usage": True}
    asked = streamed.replace(b'"seed"', b'"stream_options": {"include_usage": true}, "seed"')
    assert sent(call(asked)) == asked.replace(b'"model": "mine"', THEIRS)
    other = streamed.replace(b'"seed"', b'"stream_options": {"include_obfuscation": true}, "seed"')
    options = {"include_usage": True, "include_obfuscation": True}
    assert orjson.loads(sent(call(other)))["stream_options"] == options
    # Those of Responses and Messages come with every stream.
    for operation in (Operation.RESPONSES, Operation.MESSAGES):
        assert b"stream_options" not in sent(call(streamed, operation))


def test_defaults_are_for_callers_who_name_none() -> None:
    params = {"temperature": 0.5, "seed": 7, "max_tokens": 9, "rpm": 5, "lane": "direct"}
    body = orjson.loads(sent(call(), params=params))
    assert body == orjson.loads(CHAT) | {"model": "gpt-4o", "temperature": 0.5, "max_tokens": 9}
    body = orjson.loads(sent(call(operation=Operation.RESPONSES), params=params))
    assert (body["max_output_tokens"], "max_tokens" in body) == (9, False)
    assert sent(call(operation=Operation.EMBEDDING), params=params) == sent(call())


def test_an_extra_body_is_in_every_request() -> None:
    extra = {"extra_body": {"seed": 2, "guided_regex": "x"}}
    assert orjson.loads(sent(call(), params=extra)) == orjson.loads(CHAT) | {
        "model": "gpt-4o",
        "seed": 2,
        "guided_regex": "x",
    }


@pytest.mark.parametrize(
    "raw",
    [
        # Which of them counts, JSON does not say.
        b'{"model": "other", "model": "mine", "messages": []}',
        b'{"model": "mine", "metadata": {"model": "mine"}}',
        b'{"mod\\u0065l": "mine", "metadata": {"model": "mine"}}',
        b'{"model": "m\\u0069ne"}',
    ],
)
def test_a_body_that_could_be_misread_is_written_anew(raw: bytes) -> None:
    body = sent(call(raw))
    assert orjson.loads(body) == orjson.loads(raw) | {"model": "gpt-4o"}
    assert body == orjson.dumps(orjson.loads(body))


TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(
    body=st.dictionaries(TEXT | st.just("model"), JSON, max_size=4),
    names=st.tuples(TEXT, TEXT),
    indent=st.booleans(),
)
def test_only_the_models_name_changes(
    body: dict[str, Any], names: tuple[str, str], indent: bool
) -> None:
    old, new = names
    body = {**body, "model": old}
    raw = orjson.dumps(body, option=orjson.OPT_INDENT_2 if indent else None)
    renamed = with_model(raw, old, new)
    if renamed is not None:
        assert orjson.loads(renamed) == body | {"model": new}


@pytest.mark.parametrize(
    ("fields", "operation", "url"),
    [
        ({}, Operation.CHAT, "https://api.openai.com/v1/chat/completions"),
        ({"base_url": "http://x/v1"}, Operation.EMBEDDING, "http://x/v1/embeddings"),
        ({"provider": "anthropic"}, Operation.MESSAGES, "https://api.anthropic.com/v1/messages"),
        (
            {"provider": "anthropic", "base_url": "http://x/v1/messages"},
            *(Operation.MESSAGES, "http://x/v1/messages"),
        ),
        (
            {"provider": "anthropic", "base_url": "http://x/v1"},
            *(Operation.MESSAGES, "http://x/v1/messages"),
        ),
    ],
)
def test_where_a_call_goes(fields: dict[str, Any], operation: Operation, url: str) -> None:
    assert Target.of(model(**fields)).url(operation) == url


def test_the_providers_key_goes_with_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"organization": "org", "extra_headers": {"X-Own": "1"}}
    headers = Target.of(model(params=params)).headers
    assert headers["authorization"] == "Bearer sk-theirs"
    assert (headers["openai-organization"], headers["x-own"]) == ("org", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://there/v1")
    there = Target.of(model(secrets={}))
    assert there.headers["authorization"] == "Bearer sk-of-the-environment"
    assert there.base == "http://there/v1"
    # A server of one's own need not know OpenAI's key.
    for provider in ("openai", "hosted_vllm"):
        own = Target.of(model(provider=provider, base_url="http://x/v1", secrets={}))
        assert "authorization" not in own.headers


def test_the_betas_of_operator_and_caller_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant")
    params = {"extra_headers": {"anthropic-beta": "a-1, b-2"}}
    target = Target.of(model(provider="anthropic", params=params, secrets={}))
    given = {"anthropic-beta": "b-2,c-3", "anthropic-version": "2024-01-01"}
    headers = target.headers_of(call(operation=Operation.MESSAGES, headers=given))
    assert headers["anthropic-beta"] == "a-1,b-2,c-3"
    assert headers["anthropic-version"] == "2024-01-01"
    assert headers["x-api-key"] == "sk-ant"
    assert target.headers["anthropic-version"] == "2023-06-01"


def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert Target.of(model()).proxy == "http://proxy:3128"
    assert Target.of(model(base_url="https://inside.example/v1")).proxy is None
    assert Target.of(model(base_url="http://plain.example/v1")).proxy is None
