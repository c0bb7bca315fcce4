"""What makes two requests the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cache.keys import is_repeatable, request_key
from gateway.catalogue import Group
from gateway.records import CacheControl, Call, Key, Model, Operation, Upload
from gateway.specs.cache import CacheParams

KEY = Key(id="key_1", kind="gateway", secret_hash="h", hint="sk-…", created_at=0, updated_at=0)
MODEL = Model("m1", "gpt", "openai", "gpt-4o", None, None, {}, {}, {}, 0, 0)
GROUP = Group("gpt", (MODEL,))
BODY: dict[str, Any] = {"model": "gpt", "messages": [{"role": "user", "content": "hello"}]}
CALL = Call(Operation.CHAT, KEY, BODY, "r")


def params(**given: Any) -> CacheParams:
    return CacheParams.model_validate(given)


def key_of(call: Call = CALL, group: Group = GROUP, **given: Any) -> str | None:
    return request_key(call, group, params(**given))


def with_body(**more: Any) -> Call:
    return replace(CALL, body=BODY | more)


SAME = {
    "user": with_body(user="somebody"),
    "metadata": with_body(metadata={"a": "b"}),
    "safety_identifier": with_body(safety_identifier="s"),
    "prompt_cache_key": with_body(prompt_cache_key="p"),
    "stream_options": with_body(stream_options={"include_usage": True}),
    "request id": replace(CALL, request_id="another"),
    "tags": replace(CALL, tags=("t",)),
    "order of names": replace(CALL, body=dict(reversed(BODY.items()))),
}
OTHER = {
    "operation": replace(CALL, operation=Operation.COMPLETION),
    "key": replace(CALL, key=replace(KEY, id="key_2")),
    "asked by another name": with_body(model="alias"),
    "message": with_body(messages=[{"role": "user", "content": "hello "}]),
    "parameter": with_body(temperature=0),
    "stream": with_body(stream=True),
    "header": replace(CALL, headers={"anthropic-beta": "x"}),
    "namespace": replace(CALL, cache=CacheControl(namespace="n")),
}
OTHER_MODELS = {
    "name": Group("gpt-2", (MODEL,)),
    "provider": Group("gpt", (replace(MODEL, provider="azure"),)),
    "upstream model": Group("gpt", (replace(MODEL, upstream_model="gpt-5"),)),
    "base URL": Group("gpt", (replace(MODEL, base_url="http://x"),)),
    "API version": Group("gpt", (replace(MODEL, api_version="1"),)),
    "parameter": Group("gpt", (replace(MODEL, params={"temperature": 1}),)),
    "another deployment": Group("gpt", (MODEL, replace(MODEL, provider="azure"))),
}
SAME_MODELS = {
    "id": Group("gpt", (replace(MODEL, id="m2"),)),
    "secret": Group("gpt", (replace(MODEL, secrets={"api_key": "x"}),)),
    "weight": Group("gpt", (replace(MODEL, params={"weight": 2, "rpm": 3, "timeout": 4}),)),
    "price": Group("gpt", (replace(MODEL, params={"input_cost_per_token": 1}),)),
    "time": Group("gpt", (replace(MODEL, updated_at=5),)),
}


@pytest.mark.parametrize("what", SAME)
def test_what_does_not_matter(what: str) -> None:
    assert key_of(SAME[what]) == key_of()


@pytest.mark.parametrize("what", ["user", "metadata", "safety_identifier"])
def test_responses_repeat_what_else_does_not_matter(what: str) -> None:
    asked, plain = (
        replace(call, operation=Operation.RESPONSES) for call in (SAME[what], with_body())
    )
    assert key_of(asked) != key_of(plain)


@pytest.mark.parametrize("what", OTHER)
def test_what_makes_another_request(what: str) -> None:
    assert key_of(OTHER[what]) != key_of()


@pytest.mark.parametrize("what", SAME_MODELS)
def test_what_leaves_a_model_as_it_was(what: str) -> None:
    assert key_of(group=SAME_MODELS[what]) == key_of()


@pytest.mark.parametrize("what", OTHER_MODELS)
def test_what_makes_another_model(what: str) -> None:
    assert key_of(group=OTHER_MODELS[what]) != key_of()


def test_the_order_of_deployments_does_not_matter() -> None:
    other = replace(MODEL, id="m2", provider="azure")
    assert key_of(group=Group("gpt", (MODEL, other))) == key_of(group=Group("gpt", (other, MODEL)))


def test_scopes_are_apart() -> None:
    mate = replace(KEY, id="key_2", team_id="t")
    calls = {
        "alone": CALL,
        "one": replace(CALL, key=replace(KEY, team_id="t")),
        "two": replace(CALL, key=mate),
    }
    by_key, by_team, by_all = (
        {name: key_of(call, scope=scope) for name, call in calls.items()}
        for scope in ("key", "team", "all")
    )
    assert by_key["one"] != by_key["two"]
    assert by_team["one"] == by_team["two"] != by_team["alone"]
    assert len(set(by_all.values())) == 1
    # A key's id and a team's may be the same text.
    named = replace(KEY, id="t")
    assert key_of(replace(CALL, key=named), scope="team") != by_team["one"]


def test_the_operators_namespace_gives_way_to_the_requests() -> None:
    asked = replace(CALL, cache=CacheControl(namespace="n"))
    assert key_of(asked) == key_of(namespace="n") == key_of(asked, namespace="m")
    assert key_of(namespace="m") not in (key_of(), key_of(namespace="n"))


def test_files_count_by_their_content() -> None:
    def transcribed(data: bytes, name: str = "a.mp3", media_type: str = "audio/mpeg") -> Call:
        body = {"model": "gpt", "file": Upload(name, data, media_type)}
        return Call(Operation.TRANSCRIPTION, KEY, body, "r")

    assert key_of(transcribed(b"a")) == key_of(transcribed(b"a", "b.mp3"))
    assert key_of(transcribed(b"a")) != key_of(transcribed(b"b"))


@pytest.mark.parametrize("value", ["\ud800", 2**70, object()])
def test_what_json_cannot_hold_is_not_cached(value: object) -> None:
    assert key_of(with_body(seed=value)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('ab"\\', max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)


@settings(max_examples=60)
@given(JSON, JSON)
def test_two_bodies_have_one_key_only_if_they_are_equal(one: Any, other: Any) -> None:
    equal = repr(_sorted(one)) == repr(_sorted(other))
    assert (key_of(with_body(stop=one)) == key_of(with_body(stop=other))) == equal


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(item) for name, item in sorted(value.items())}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("operation", "more", "repeatable"),
    [
        (Operation.CHAT, {}, True),
        (Operation.CHAT, {"store": False}, True),
        (Operation.CHAT, {"store": True}, False),
        (Operation.CHAT, {"web_search_options": {"a": 1}}, False),
        (Operation.CHAT, {"tools": [{"type": "function", "function": {}}]}, True),
        (Operation.CHAT, {"tools": [{"type": "custom"}]}, True),
        # The provider keeps a response unless it is told not to.
        (Operation.RESPONSES, {}, False),
        (Operation.RESPONSES, {"store": True}, False),
        (Operation.RESPONSES, {"store": False}, True),
        (Operation.RESPONSES, {"store": False, "previous_response_id": "resp_1"}, False),
        (Operation.RESPONSES, {"store": False, "conversation": "c"}, False),
        (Operation.RESPONSES, {"store": False, "background": True}, False),
        (Operation.RESPONSES, {"store": False, "tools": [{"type": "mcp"}]}, False),
        (Operation.MESSAGES, {"tools": [{"name": "mine", "input_schema": {}}]}, True),
        (Operation.MESSAGES, {"tools": [{"type": "web_search_20250305"}]}, False),
        (Operation.MESSAGES, {"mcp_servers": [{"url": "x"}]}, False),
        (Operation.MESSAGES, {"container": "c"}, False),
    ],
)
def test_what_does_more_than_answer_is_not_repeatable(
    operation: Operation, more: dict[str, Any], repeatable: bool
) -> None:
    assert is_repeatable(replace(with_body(**more), operation=operation)) is repeatable


def test_a_trial_of_one_deployment_is_not_repeatable() -> None:
    assert not is_repeatable(replace(CALL, once=True))
    assert not is_repeatable(replace(CALL, deployment_id="m1"))
