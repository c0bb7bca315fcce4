"""What LiteLLM's bodies say, as the gateway's descriptions: whatever they hold."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm.proxy._types import (
    GenerateKeyRequest,
    NewTeamRequest,
    RegenerateKeyRequest,
    UpdateKeyRequest,
    UpdateTeamRequest,
)

from gateway.errors import InvalidField
from gateway.http.litellm.descriptions import key_description, secret_of, team_description
from gateway.http.litellm.rows import Spent, key_row, team_row
from gateway.records import Key
from gateway.specs import described_key, described_team, key_spec, team_spec
from gateway.vault import check_strength, hash_key

KEY_FIELDS = {
    *GenerateKeyRequest.model_fields,
    *UpdateKeyRequest.model_fields,
    *RegenerateKeyRequest.model_fields,
} - {"key", "new_key", "grace_period"}
TEAM_FIELDS = {*NewTeamRequest.model_fields, *UpdateTeamRequest.model_fields}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3)
    ),
    max_leaves=6,
)
# What can be stored, and is not taken for something empty.
NOTES = st.booleans() | st.integers(-(2**63), 2**63) | st.text("xyz", max_size=3)
NAMES = st.text("abc/*", min_size=1, max_size=4)
LIMITS = st.none() | st.integers(1, 2**53)
CENTS = st.none() | st.integers(0, 10**9).map(lambda cents: cents / 100)
DURATIONS = st.sampled_from([None, "1d", "30d", "12h", "1mo"])
KEYS = st.fixed_dictionaries(
    {},
    optional={
        "label": NAMES,
        "team_id": st.sampled_from([None, "red"]),
        "user_id": st.none() | NAMES,
        "models": st.lists(NAMES, max_size=3),
        "aliases": st.dictionaries(NAMES, NAMES, max_size=2),
        "rpm_limit": LIMITS,
        "tpm_limit": LIMITS,
        "model_rpm_limit": st.dictionaries(NAMES, st.integers(1, 9), max_size=2),
        "model_tpm_limit": st.dictionaries(NAMES, st.integers(1, 9), max_size=2),
        "max_parallel_requests": LIMITS,
        "max_budget": CENTS,
        "soft_budget": CENTS,
        "budget_duration": DURATIONS,
        "tags": st.lists(NAMES, max_size=2),
        "metadata": st.dictionaries(NAMES, NOTES, max_size=2),
        "blocked": st.booleans(),
        "duration": DURATIONS,
    },
)


def bodies(fields: set[str]) -> st.SearchStrategy[dict[str, Any]]:
    metadata = st.dictionaries(st.sampled_from(sorted(fields)), JSON, max_size=2)
    return st.dictionaries(
        st.sampled_from(sorted(fields)), JSON | metadata, max_size=4
    ) | metadata.map(lambda inner: {"metadata": inner})


def made(description: dict[str, Any]) -> Key:
    return key_spec(description).record("sk-some-0123456789-secret", 1000)


@given(bodies(KEY_FIELDS), st.booleans())
def test_a_body_of_a_key_is_understood_or_refused(body: dict[str, Any], new: bool) -> None:
    with contextlib.suppress(InvalidField):
        description = key_description(body, new=new)
        if new:
            made(description)
        else:
            described_key(made({}), description, 2000)


@given(bodies(TEAM_FIELDS))
def test_a_body_of_a_team_is_understood_or_refused(body: dict[str, Any]) -> None:
    team = team_spec({"name": "Red", "team_id": "red"}).record(1000)
    with contextlib.suppress(InvalidField):
        described_team(team, team_description(body), 2000)


@pytest.mark.parametrize("field", sorted(KEY_FIELDS))
def test_every_field_of_litellms_key_is_known(field: str) -> None:
    """So that a field of a later LiteLLM, too, gets an answer of its own."""
    key_description({field: None}, new=True)


@pytest.mark.parametrize("field", sorted(TEAM_FIELDS))
def test_every_field_of_litellms_team_is_known(field: str) -> None:
    team_description({field: None})


@given(bodies(KEY_FIELDS))
def test_nothing_but_what_the_gateway_has_passes(body: dict[str, Any]) -> None:
    """What is accepted and not part of the description was empty."""
    try:
        description = key_description(body, new=True)
    except InvalidField:
        return
    for name, value in body.items():
        ours = {"key_alias": "label"}.get(name, name)
        if ours in description or name in ("team_id", "max_budget"):
            continue
        assert not any(leaves(value)), name


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return value if isinstance(value, list) else [value]


@given(KEYS, st.sets(st.sampled_from(sorted(UpdateKeyRequest.model_fields))))
def test_a_row_that_is_sent_back_changes_nothing(
    description: dict[str, Any], left_out: set[str]
) -> None:
    """As the dashboards do that read a key, change a field and send all of it."""
    key = made(description)
    row = key_row(key, Spent(0, 0), 2000)
    body = {
        name: value
        for name, value in row.items()
        if name in UpdateKeyRequest.model_fields and name not in left_out
    }
    assert described_key(key, key_description(body, new=False), key.updated_at) == key


@given(st.dictionaries(NAMES, NOTES, max_size=2), CENTS, DURATIONS)
def test_a_teams_row_that_is_sent_back_changes_nothing(
    metadata: dict[str, Any], budget: float | None, duration: str | None
) -> None:
    description = {"name": "Red", "metadata": metadata, "max_budget": budget}
    team = team_spec(description | {"budget_duration": duration}).record(1000)
    row = team_row(team, 0, 2000)
    body = {name: row[name] for name in UpdateTeamRequest.model_fields if name in row}
    assert described_team(team, team_description(body), team.updated_at) == team


@given(JSON | st.text("ab", max_size=30).map(lambda text: f"sk-{text}"))
def test_a_secret_is_taken_if_it_is_strong_or_made(value: Any) -> None:
    body = {"key": value, "rest": 1}
    with contextlib.suppress(InvalidField):
        secret = secret_of(body, "key")
        check_strength(secret, "key")
        assert secret == value or value is None
        assert len(hash_key(secret)) == 64
    assert body == {"rest": 1}
