"""Names, patterns and aliases: which deployments a name stands for."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.catalogue import Catalogue, captured, is_pattern, matches, stand_in
from gateway.records import Model
from tests.servers import Gateway
from tests.store.records import model


def deployment(name: str, upstream: str | None = None, **fields: Any) -> Model:
    return model(name, litellm_params={"model": upstream or name}, **fields)


def found(catalogue: Catalogue, name: str) -> list[str] | None:
    """The providers' names of the deployments."""
    group = catalogue.find(name)
    return None if group is None else [each.upstream_model for each in group.deployments]


def test_models_of_one_name_are_its_deployments() -> None:
    catalogue = Catalogue([deployment("gpt", "a"), deployment("x"), deployment("gpt", "b")], {})
    group = catalogue.find("gpt")
    assert group is not None
    assert (group.name, found(catalogue, "gpt"), found(catalogue, "x")) == (
        "gpt",
        ["a", "b"],
        ["x"],
    )
    assert {each.upstream_model for each in catalogue.deployments.values()} == {"a", "b", "x"}
    for name in ("GPT", "gp", "gpt ", "", "*"):
        assert catalogue.find(name) is None


PATTERNS = [
    deployment("openai/gpt-4o", "exact"),
    deployment("openai/gpt-*", "of-gpt-*"),
    deployment("openai/*", "openai-*"),
    deployment("openai/*", "other-*"),
    deployment("*/gpt-*", "any-*-*"),
    deployment("*-mini", "fixed"),
    deployment("*", "rest/*"),
]


@pytest.mark.parametrize(
    ("name", "upstream"),
    [
        ("openai/gpt-4o", ["exact"]),
        ("openai/gpt-5", ["of-gpt-5"]),
        ("openai/o3", ["openai-o3", "other-o3"]),
        ("azure/gpt-5", ["any-azure-5"]),
        ("a-mini", ["fixed"]),
        ("mistral/x/y", ["rest/mistral/x/y"]),
    ],
)
def test_the_most_specific_pattern_serves_a_name(name: str, upstream: list[str]) -> None:
    for order in (PATTERNS, PATTERNS[::-1]):
        group = Catalogue(order, {}).find(name)
        assert group is not None
        assert group.name == name
        assert {each.name for each in group.deployments} == {name}
        assert {each.upstream_model for each in group.deployments} == set(upstream)


@pytest.mark.parametrize(
    ("name", "upstream", "asked", "reached"),
    [
        ("a/*/b/*", "x-*", "a/1/b/2", "x-1"),
        ("a/*", "*", "a/b/c", "b/c"),
        ("**", "*", "ab", None),
    ],
)
def test_stars_of_a_pattern_and_of_what_it_reaches(
    name: str, upstream: str, asked: str, reached: str | None
) -> None:
    # Between two stars that touch, the first stands for nothing, and nothing is no name.
    expected = None if reached is None else [reached]
    assert found(Catalogue([deployment(name, upstream)], {}), asked) == expected


UNSAFE = [
    *("openai/..", "openai/../admin", "openai/a..b", "openai/./x?y", "openai/a?b=c", "openai/a#b"),
    *("openai/a b", "openai/a%2e", "openai/a\\b", "openai//a", "openai/a/", "openai/", "openai/é"),
    *("openai/a\nb", "openai/a;b", "openai/a&b", "openai/" + "a" * 201, "openai/{x}", "openai/a*b"),
]


@pytest.mark.parametrize("name", UNSAFE)
def test_what_could_change_a_url_fits_no_pattern(name: str) -> None:
    assert Catalogue([deployment("openai/*", "*"), deployment("*", "*")], {}).find(name) is None


NAMES = st.text("ab/.:@-_+*?#% \n\\é", max_size=12)


@given(NAMES)
@example("openai/..")
@example("a/../../b")
def test_what_fits_a_pattern_stays_where_it_is_in_a_url(name: str) -> None:
    """Also where a provider has it in its path, as Gemini, Azure and Bedrock do."""
    group = Catalogue([deployment("*", "*")], {}).find(name)
    if group is not None:
        [made] = group.deployments
        assert made.upstream_model == name
        url = urlsplit(f"https://host/v1/models/{made.upstream_model}:generate")
        assert (url.netloc, url.query, url.fragment) == ("host", "", "")
        assert url.path == f"/v1/models/{name}:generate"
        assert not {"..", ""} & set(url.path.split("/")[1:])


@given(st.text("ab*/", max_size=8), st.text("ab/", max_size=8))
def test_captured_texts_make_the_name_again(pattern: str, name: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name)
    texts = captured(pattern, name)
    assert (texts is not None) == bool(expected) == matches([pattern], name)
    if texts is not None:
        parts = pattern.split("*")
        assert "".join(a + b for a, b in zip(parts, [*texts, ""], strict=True)) == name


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """A regular expression of them would take longer than the world has been there."""
    assert captured("*a" * 200 + "b", "a" * 5000) is None


def test_an_alias_is_a_further_name() -> None:
    models = [deployment("gpt", "a"), deployment("openai/*", "*"), deployment("taken", "own")]
    aliases = {"fast": "gpt", "wild": "openai/o3", "taken": "gpt", "dead": "none", "far": "fast"}
    catalogue = Catalogue(models, aliases)
    fast, wild = catalogue.find("fast"), catalogue.find("wild")
    assert fast is not None
    assert wild is not None
    assert (fast.name, found(catalogue, "fast")) == ("gpt", ["a"])
    assert (wild.name, found(catalogue, "wild")) == ("openai/o3", ["o3"])
    # A model of that name goes first; an alias of an alias is none.
    assert found(catalogue, "taken") == ["own"]
    assert catalogue.find("dead") is None
    assert catalogue.find("far") is None


def test_an_alias_of_a_pattern_is_one_of_no_model() -> None:
    assert Catalogue([deployment("openai/*", "*")], {"any": "openai/*"}).find("any") is None


@pytest.mark.parametrize(
    ("made", "tried"),
    [
        (deployment("gpt", "a"), ("gpt", "a")),
        (deployment("openai/*", "gpt-4o"), ("openai/any", "gpt-4o")),
        (deployment("openai/*", "*"), None),
        (
            deployment("openai/*", "*", model_info={"health_check_model": "openai/gpt-4o"}),
            ("openai/gpt-4o", "gpt-4o"),
        ),
    ],
)
def test_what_is_tried_for_a_pattern(made: Model, tried: tuple[str, str] | None) -> None:
    stands_in = stand_in(made)
    assert (stands_in and (stands_in.name, stands_in.upstream_model)) == tried
    assert stands_in is None or not is_pattern(stands_in.name)


# --- By HTTP ------------------------------------------------------------------------------------


async def test_patterns_and_aliases_over_http(gateway: Gateway) -> None:
    """Each call reaches the provider by the name that its most specific pattern makes."""
    await gateway.add_model("openai/*", litellm_params={"model": "*"})
    await gateway.add_model("openai/gpt-*", litellm_params={"model": "specific-*"})
    changed = await gateway.manage(
        "PATCH", "/settings", {"model_group_alias": {"quick": "openai/x"}}
    )
    assert changed.status_code == 200, changed.text
    issued = await gateway.issue_key(models=["openai/*", "own"], aliases={"own": "openai/gpt-5"})
    reached = {}
    for name in ("openai/o3", "openai/gpt-4", "own", "quick"):
        response = await gateway.chat(issued["key"], name)
        assert response.status_code == 200, response.text
        assert response.json()["model"] == name
        reached[name] = gateway.provider.received[-1].body["model"]
    assert reached == {
        "openai/o3": "o3",
        "openai/gpt-4": "specific-4",
        "own": "specific-5",
        "quick": "x",
    }
    rows = await gateway.rows(issued["id"], 4)
    assert {(row.model, row.served_model) for row in rows} == {
        ("openai/o3", "openai/o3"),
        ("openai/gpt-4", "openai/gpt-4"),
        ("own", "openai/gpt-5"),
        ("quick", "openai/x"),
    }


async def test_a_list_of_names_holds_for_patterns_too(gateway: Gateway) -> None:
    await gateway.add_model("*", litellm_params={"model": "*"})
    one = (await gateway.issue_key(models=["openai/gpt-4o"]))["key"]
    some = (await gateway.issue_key(models=["openai/*"], aliases={"x": "azure/gpt"}))["key"]
    statuses = {
        (name, key): (await gateway.chat(key, name)).status_code
        for key in (one, some)
        for name in ("openai/gpt-4o", "openai/o3", "azure/gpt", "x")
    }
    assert [statuses[name, one] for name in ("openai/gpt-4o", "openai/o3", "azure/gpt")] == [
        *(200, 403, 403)
    ]
    assert [statuses[name, some] for name in ("openai/gpt-4o", "openai/o3", "azure/gpt", "x")] == [
        *(200, 200, 403, 403)
    ]


@pytest.mark.parametrize("name", ["x/..", "x/../../v1beta/models/y", "x/a?key=b", "x/a#b", "x/a b"])
async def test_unsafe_names_never_reach_a_provider(gateway: Gateway, name: str) -> None:
    """Gemini has the model in its URLs."""
    base_url = gateway.provider.url
    await gateway.add_model(
        "x/*", provider="gemini", base_url=base_url, litellm_params={"model": "*"}
    )
    key = (await gateway.issue_key())["key"]
    refused = await gateway.chat(key, name)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "model")
    assert gateway.provider.received == []
