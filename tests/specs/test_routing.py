"""What an operator may set of retries, fallbacks, strategies and aliases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue import Catalogue
from gateway.errors import Fault, InvalidField
from gateway.litellm_names import RETRY_POLICY
from gateway.records import CallSettings
from gateway.specs import patched_settings, setting
from gateway.specs.routing import FALLBACKS, STRATEGIES, Unsupported, loose_ends
from tests.store.records import model

Json = dict[str, Any]

CHAIN = {"a": ["b", "c"], "*": ["d"]}


@pytest.mark.parametrize(
    ("name", "given_value", "expected"),
    [
        *(("routing_strategy", strategy, strategy) for strategy in STRATEGIES),
        ("routing_strategy", " least-busy ", "least-busy"),
        ("num_retries", 0, 0),
        ("num_retries", "10", 10),
        ("max_fallbacks", 0, 0),
        ("allowed_fails", 0, 0),
        ("allowed_fails", "3", 3),
        ("retry_after", 0, 0.0),
        ("retry_after", "2.5", 2.5),
        ("cooldown_time", 30, 30.0),
        ("first_token_timeout", 1, 1.0),
        ("stream_timeout", 1, 1.0),
        *(
            (name, value, CHAIN)
            for name in FALLBACKS
            for value in (
                CHAIN,
                [{"a": ["b", "c"]}, {"*": "d"}],
                json.dumps(CHAIN),
                '[{"a": ["b", "c"], "*": ["d"]}]',
                {" a ": [" b", "c"], "*": ["d"], "none": []},
            )
        ),
        ("fallbacks", [], {}),
        ("fallbacks", {}, {}),
        ("default_fallbacks", ["b", "c"], ("b", "c")),
        ("default_fallbacks", ("b", "c"), ("b", "c")),
        ("default_fallbacks", "b, c", ("b", "c")),
        ("default_fallbacks", '["b,c"]', ("b,c",)),
        ("default_fallbacks", "", ()),
        (
            "model_group_alias",
            {"x": "a", "y": {"model": "b", "hidden": False}},
            {"x": "a", "y": "b"},
        ),
        ("model_group_alias", '{"x": {"model": "a"}}', {"x": "a"}),
        ("retry_policy", dict.fromkeys(RETRY_POLICY, 1), dict.fromkeys(RETRY_POLICY, 1)),
        ("retry_policy", '{"TimeoutErrorRetries": 0}', {"TimeoutErrorRetries": 0}),
        # What LiteLLM's clients send: all of it, null where nothing is meant.
        (
            "retry_policy",
            {"BadRequestErrorRetries": 0, "DefaultRetries": None, "RateLimitErrorRetries": "4"},
            {"RateLimitErrorRetries": 4},
        ),
        ("retry_policy", {"ContentPolicyViolationErrorRetries": 0}, {}),
    ],
)
def test_litellms_shapes_and_ours(name: str, given_value: Any, expected: Any) -> None:
    read = setting(name, given_value)
    assert read == expected
    assert type(read) is type(expected)
    # What was read can be read again: from an export, and where references are looked up.
    assert setting(name, read) == expected
    assert getattr(patched_settings(CallSettings(), {name: given_value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value", "param", "message"),
    [
        ("routing_strategy", "least-bussy", "", "did you mean least-busy?"),
        ("routing_strategy", 5, "", "takes one of simple-shuffle, least-busy"),
        *(
            (name, value, "", f"takes a whole number from 0 to {most}")
            for name, most in (("num_retries", 10), ("max_fallbacks", 100))
            for value in (-1, most + 1, 1.5, "1.5", True, None, [1], "x", "9" * 5000)
        ),
        ("allowed_fails", -1, "", "takes a whole number from 0 to 1000000"),
        ("retry_after", -0.1, "", "takes a number of seconds from 0 on"),
        ("retry_after", "inf", "", "takes a number of seconds from 0 on"),
        ("retry_after", True, "", "takes a number of seconds from 0 on"),
        ("cooldown_time", 0, "", "takes a number of seconds above 0"),
        ("fallbacks", 5, "", "takes names with values"),
        ("fallbacks", "a=b", "", "takes JSON"),
        ("fallbacks", "[" * 100_000, "", "takes JSON"),
        ("fallbacks", [["a"]], ".0", "takes names with values"),
        ("fallbacks", {"a": 5}, ".a", "takes a list of up to 100 names of models"),
        ("fallbacks", {"a": ["b"] * 101}, ".a", "takes a list of up to 100 names of models"),
        ("fallbacks", {"a": ["b", " "]}, ".a.1", "takes the name of a model"),
        ("fallbacks", {"a": ["b", None]}, ".a.1", "takes the name of a model"),
        ("fallbacks", {"a": ["b\nc"]}, ".a.0", "takes the name of a model"),
        ("fallbacks", {"": ["b"]}, ".", "takes the name of a model"),
        ("fallbacks", {"a": ["\ud800"]}, ".a.0", "half of a surrogate pair"),
        ("fallbacks", [{"a": ["b"]}, {"a": ["c"]}], ".1.a", "'a' has fallbacks already"),
        ("default_fallbacks", {"a": "b"}, "", "takes a list of up to 100 names of models"),
        ("default_fallbacks", ["b", 5], ".1", "takes the name of a model"),
        ("model_group_alias", ["a"], "", "takes names with values"),
        ("model_group_alias", {"x": 5}, ".x", "takes the name of a model"),
        ("model_group_alias", {"x": {"hidden": False}}, ".x", "takes the name of a model"),
        ("model_group_alias", {"x": {"modl": "a"}}, ".x.modl", "no such field"),
        ("retry_policy", [1], "", "takes names with values"),
        ("retry_policy", {"TimeoutErrorRetries": 11}, ".TimeoutErrorRetries", "from 0 to 10"),
        ("retry_policy", {"TimeoutErrors": 1}, ".TimeoutErrors", "did you mean TimeoutErrorRetri"),
        ("retry_policy", {"x": 1}, ".x", "there are AuthenticationErrorRetries, Internal"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is(
    name: str, value: Any, param: str, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        setting(name, value)
    assert not isinstance(refused.value, Unsupported)
    assert refused.value.param == name + param
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("name", "value", "place", "message"),
    [
        ("routing_strategy", "usage-based-routing", (), "rpm and tpm are kept to whatever"),
        ("routing_strategy", "usage-based-routing-v2", (), "rpm and tpm are kept to whatever"),
        ("routing_strategy", "provider-budget-routing", (), "those of keys and teams"),
        ("fallbacks", [{"a": ["b", {"model": "c"}]}], (0, "a", 1), "without parameters"),
        ("default_fallbacks", [{"model": "c"}], (0,), "without parameters"),
        (
            "model_group_alias",
            {"x": {"model": "a", "hidden": True}},
            ("x", "hidden"),
            "in the list",
        ),
        (
            "retry_policy",
            {"BadRequestErrorRetries": 1},
            ("BadRequestErrorRetries",),
            "never tried again",
        ),
        ("retry_policy", {"DefaultRetries": 0}, ("DefaultRetries",), "num_retries holds for all"),
        (
            "retry_policy",
            {"ServiceUnavailableErrorRetries": 1},
            ("ServiceUnavailableErrorRetries",),
            "InternalServerErrorRetries holds",
        ),
    ],
)
def test_what_litellm_has_and_the_gateway_has_not_is_told_apart(
    name: str, value: Any, place: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(Unsupported) as refused:
        setting(name, value)
    assert refused.value.place == place
    assert refused.value.param == ".".join([name, *map(str, place)])
    assert message in refused.value.message
    with pytest.raises(InvalidField, match="not supported") as answered:
        patched_settings(CallSettings(), {name: value})
    assert answered.value.message.startswith(name)


def test_retries_can_be_set_for_every_fault_that_another_try_can_mend() -> None:
    mended = set(Fault) - {Fault.BAD_REQUEST, Fault.CONTEXT_WINDOW, Fault.CONTENT_POLICY}
    assert set(RETRY_POLICY.values()) == mended


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("a*\n{[\"'", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from([*FALLBACKS, "default_fallbacks", "model_group_alias", "retry_policy"]),
    ANYTHING,
)
def test_whatever_is_given_is_read_or_refused_by_name(name: str, value: Any) -> None:
    read = None
    refused: list[str | None] = []
    try:
        read = setting(name, value)
    except InvalidField as error:
        refused = [error.param]
    assert all(param and param.startswith(name) for param in refused)
    assert refused or setting(name, json.loads(json.dumps(read))) == read


CATALOGUE = Catalogue(
    [model("a"), model("b"), model("openai/*")], {"quick": "a", "far": "quick", "b": "a", "x": "y"}
)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"fallbacks": {"a": ["b", "quick", "openai/o3"], "*": ["b"], "openai/o1": ["a"]}}, None),
        ({"fallbacks": {"a": ["none"]}}, "the fallback 'none' is no model here, and is passed"),
        ({"fallbacks": {"a": ["openai/*"]}}, "the fallback 'openai/*' is no model here"),
        ({"fallbacks": {"c": ["a"]}}, "'c' has fallbacks, and is no model here"),
        ({"fallbacks": {"quick": ["b"]}}, "'quick' has no fallbacks as it is an alias; give 'a'"),
        ({"context_window_fallbacks": {"openai/*": ["b"]}}, "only * alone can have any"),
        ({"content_policy_fallbacks": {"a": ["none"]}}, "'none' is no model here"),
        ({"default_fallbacks": ["none"]}, "'none' is no model here"),
        ({"model_group_alias": {"quick": "a"}}, None),
        ({"model_group_alias": {"b": "a"}}, "the alias 'b' has no effect: a model has this name"),
        ({"model_group_alias": {"far": "quick"}}, "'quick', which 'far' stands for, is an alias"),
        ({"model_group_alias": {"x": "y"}}, "'y', which 'x' stands for, is no model here"),
    ],
)
def test_what_names_no_model_is_found(settings: Json, problem: str | None) -> None:
    found = list(loose_ends(settings, CATALOGUE))
    if problem is None:
        assert found == []
    else:
        [(name, message)] = found
        assert name in settings
        assert problem in message
