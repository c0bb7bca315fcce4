"""From a name to a model, and which names a key may use."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue import Catalogue, matches
from gateway.errors import ModelDenied, UnknownModel
from gateway.records import Key, Operation
from gateway.resolve import callable_models, may_call, resolve
from gateway.specs import key_record, model_spec

CATALOGUE = Catalogue(
    (
        model_spec({"model_name": name, "provider": "openai"}).record(None, None, 1)
        for name in ("gpt", "openai/gpt", "a:b")
    ),
    {},
)
MODELS = CATALOGUE.groups
# Few letters, so that patterns and names meet; and what regular expressions give a meaning.
TEXT = st.text("ab*/.+[\n", max_size=6)
NAMES = st.sampled_from([*MODELS, "none", "fast"])
PATTERNS = st.sampled_from([*MODELS, "*", "openai/*", "*t", "g*t", "all-proxy-models", "other"])


def key(**fields: Any) -> Key:
    return key_record("hash", "sk-…abcd", 1, **fields)


KEYS = st.builds(
    key,
    kind=st.sampled_from(["gateway", "admin"]),
    models=st.lists(PATTERNS, max_size=3).map(tuple),
    aliases=st.dictionaries(NAMES, NAMES, max_size=3),
)


@pytest.mark.parametrize("name", MODELS)
def test_a_name_stands_for_the_model_registered_under_it(name: str) -> None:
    assert resolve(CATALOGUE, key(), name, Operation.CHAT) is MODELS[name]


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("name", ["GPT", "gpt ", "gp", "openai/", "azure/gpt", "", "%", "*"])
def test_any_other_name_is_unknown(name: str, operation: Operation) -> None:
    with pytest.raises(UnknownModel) as refused:
        resolve(CATALOGUE, key(), name, operation)
    assert refused.value.message.startswith(f"{operation.value}: Invalid model name passed in")
    assert f"model={name}." in refused.value.message
    assert (refused.value.status, refused.value.param) == (400, "model")


def test_a_name_that_is_not_in_the_list_is_denied_whether_it_exists_or_not() -> None:
    listed = key(models=("gpt",))
    assert resolve(CATALOGUE, listed, "gpt", Operation.CHAT) is MODELS["gpt"]
    for name in ("a:b", "none", "GPT"):
        with pytest.raises(ModelDenied) as refused:
            resolve(CATALOGUE, listed, name, Operation.CHAT)
        assert (refused.value.status, refused.value.type, refused.value.param) == (
            403,
            "key_model_access_denied",
            "model",
        )
        assert refused.value.message == (
            f"The requested model '{name}' is not available for this API key, or the model name "
            "is invalid. Check the models available to you and try again."
        )


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        ((), {"gpt", "openai/gpt", "a:b"}),
        (("*",), {"gpt", "openai/gpt", "a:b"}),
        (("all-proxy-models",), {"gpt", "openai/gpt", "a:b"}),
        (("openai/*",), {"openai/gpt"}),
        (("*gpt",), {"gpt", "openai/gpt"}),
        (("o*i/g*t", "a:b"), {"openai/gpt", "a:b"}),
        (("gp.",), set()),
        (("gp",), set()),
        (("GPT",), set()),
        (("no-default-models",), set()),
    ],
)
def test_a_list_names_models_or_patterns(patterns: tuple[str, ...], allowed: set[str]) -> None:
    assert set(callable_models(CATALOGUE, key(models=patterns))) == allowed


def test_an_admin_key_may_call_all() -> None:
    listed = key(kind="admin", models=("none",))
    assert resolve(CATALOGUE, listed, "gpt", Operation.CHAT) is MODELS["gpt"]


def test_an_alias_stands_for_another_name() -> None:
    aliased = key(aliases={"fast": "gpt", "gpt": "a:b", "dead": "none"})
    assert resolve(CATALOGUE, aliased, "fast", Operation.CHAT) is MODELS["gpt"]
    assert resolve(CATALOGUE, aliased, "gpt", Operation.CHAT) is MODELS["a:b"]
    with pytest.raises(UnknownModel, match="model=dead"):
        resolve(CATALOGUE, aliased, "dead", Operation.CHAT)
    assert callable_models(CATALOGUE, aliased) == {
        "a:b": MODELS["a:b"],
        "fast": MODELS["gpt"],
        "gpt": MODELS["a:b"],
        "openai/gpt": MODELS["openai/gpt"],
    }


def test_an_alias_is_allowed_by_its_own_name_or_by_what_it_means() -> None:
    aliases = {"fast": "gpt", "slow": "a:b"}
    by_meaning = key(aliases=aliases, models=("gpt",))
    assert set(callable_models(CATALOGUE, by_meaning)) == {"fast", "gpt"}
    by_name = key(aliases=aliases, models=("slow",))
    assert set(callable_models(CATALOGUE, by_name)) == {"slow"}
    with pytest.raises(ModelDenied, match="'slow'"):
        resolve(CATALOGUE, by_meaning, "slow", Operation.CHAT)


@given(KEYS, NAMES)
def test_what_is_listed_is_what_can_be_called(caller: Key, name: str) -> None:
    found = callable_models(CATALOGUE, caller)
    try:
        model = resolve(CATALOGUE, caller, name, Operation.CHAT)
    except (ModelDenied, UnknownModel):
        assert name not in found
    else:
        assert found[name] is model
    assert list(found) == sorted(found)


@given(KEYS)
def test_a_list_only_ever_takes_away(caller: Key) -> None:
    free = key(aliases=caller.aliases)
    assert callable_models(CATALOGUE, caller).items() <= callable_models(CATALOGUE, free).items()


@given(TEXT, TEXT)
def test_a_star_stands_for_any_text_and_nothing_else_does(pattern: str, name: str) -> None:
    expected = re.compile("".join(".*" if c == "*" else re.escape(c) for c in pattern), re.DOTALL)
    assert matches([pattern], name) == bool(expected.fullmatch(name))


@given(st.lists(TEXT, max_size=3), TEXT, TEXT)
def test_more_patterns_allow_more(patterns: list[str], more: str, name: str) -> None:
    assert matches([*patterns, more], name) == (matches(patterns, name) or matches([more], name))
    if patterns:
        assert may_call(key(models=tuple(patterns)), name) == matches(patterns, name)


PATTERNED = Catalogue(
    (
        model_spec({"model_name": name, "provider": "openai"}).record(None, None, 1)
        for name in ("gpt", "openai/*", "*-mini")
    ),
    {"quick": "gpt", "wild": "openai/o3", "dead": "azure/x"},
)


def test_patterns_are_not_listed_and_what_they_stand_for_can_be_called() -> None:
    own = key(aliases={"mine": "openai/o1"})
    assert {name: group.name for name, group in callable_models(PATTERNED, own).items()} == {
        "gpt": "gpt",
        "mine": "openai/o1",
        "quick": "gpt",
        "wild": "openai/o3",
    }
    assert resolve(PATTERNED, own, "openai/gpt-5", Operation.CHAT).name == "openai/gpt-5"
    for unknown in ("azure/gpt", "openai/*", "openai/../x"):
        with pytest.raises(UnknownModel):
            resolve(PATTERNED, own, unknown, Operation.CHAT)


@pytest.mark.parametrize(
    ("models", "allowed"),
    [
        (("gpt",), {"gpt", "quick"}),
        (("quick",), {"quick"}),
        (("openai/o3",), {"openai/o3", "wild"}),
        (("openai/*",), {"openai/o3", "openai/gpt", "wild"}),
        (("*-mini",), {"a-mini"}),
    ],
)
def test_a_list_holds_for_patterns_and_for_aliases_of_models(
    models: tuple[str, ...], allowed: set[str]
) -> None:
    listed = key(models=models)
    called = set()
    for name in ("gpt", "quick", "wild", "openai/o3", "openai/gpt", "a-mini"):
        with contextlib.suppress(ModelDenied):
            resolve(PATTERNED, listed, name, Operation.CHAT)
            called.add(name)
    assert called == allowed
