"""What an operator may say of a key."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.display import key_view
from gateway.errors import Conflict, InvalidField
from gateway.records import Key
from gateway.specs import key_record, key_spec, patched_key, rotated
from gateway.vault import hash_key
from tests.specs.values import DEEP, nested, objects

Json = dict[str, Any]

NOW = 1_764_000_000
SECRET = "sk-secret-abcd"

FULL = {
    "label": "notebooks",
    "team_id": "research",
    "user_id": "ada@example.com",
    "models": ["gpt-4o", "openai/*"],
    "aliases": {"default": "gpt-4o"},
    "rpm_limit": 60,
    "tpm_limit": 100_000,
    "model_rpm_limit": {"gpt-4o": 10},
    "model_tpm_limit": {"gpt-4o": 5000},
    "max_parallel_requests": 4,
    "max_budget": 20.5,
    "soft_budget": 15,
    "budget_duration": "1mo",
    "tags": ["a", "b"],
    "metadata": {"ticket": {"id": 42}, "note": "n"},
    "blocked": True,
    "expires_at": "2027-01-31T00:00:00Z",
}


def made(description: Json | None = None, **fields: Any) -> Key:
    return key_spec((description or {}) | fields).record(SECRET, NOW)


# --- good ones ---


def test_every_part_of_a_record() -> None:
    key = made(FULL)
    assert key == Key(
        id=key.id,
        kind="gateway",
        label="notebooks",
        team_id="research",
        user_id="ada@example.com",
        secret_hash=hash_key(SECRET),
        hint="sk-…abcd",
        blocked=True,
        models=("gpt-4o", "openai/*"),
        aliases={"default": "gpt-4o"},
        rpm_limit=60,
        tpm_limit=100_000,
        model_rpm_limit={"gpt-4o": 10},
        model_tpm_limit={"gpt-4o": 5000},
        max_parallel_requests=4,
        max_budget=20_500_000_000,
        soft_budget=15_000_000_000,
        budget_duration="1mo",
        tags=("a", "b"),
        metadata={"ticket": {"id": 42}, "note": "n"},
        created_at=NOW,
        updated_at=NOW,
        expires_at=1_801_353_600,
    )
    assert key.id.startswith("key_")
    assert key.secret_hash not in repr(key)


def test_nothing_need_be_said_of_a_key() -> None:
    bare = key_record(hash_key(SECRET), "sk-…abcd", NOW)
    assert replace(made(), id=bare.id) == bare
    nulls = made(dict.fromkeys([*FULL, "duration"]))
    assert replace(nulls, id=bare.id) == bare


@pytest.mark.parametrize(
    ("field", "given_value", "stored"),
    [
        ("label", "  CI  ", "CI"),
        ("label", " ", None),
        ("label", "ключ 🗝" + "x" * 194, "ключ 🗝" + "x" * 194),
        ("user_id", "  ", None),
        ("team_id", " a.b:c@d_e-9 ", "a.b:c@d_e-9"),
        ("models", [" a ", "b", "a"], ("a", "b")),
        ("models", [], ()),
        ("tags", ["x", " x", "y"], ("x", "y")),
        ("tags", ["t" * 64] * 20, ("t" * 64,)),
        ("rpm_limit", 1, 1),
        ("tpm_limit", 2**53, 2**53),
        ("aliases", {" a ": " b "}, {"a": "b"}),
        ("max_budget", 0, 0),
        ("max_budget", 1e9, 10**18),
        ("expires_at", "", None),
        ("expires_at", "2027-01-31", 1_801_353_600),
        ("expires_at", " 2027-01-31T02:00:00+02:00 ", 1_801_353_600),
        ("expires_at", "2027-01-31T00:00:00.999", 1_801_353_600),
        ("expires_at", "9999-12-31T23:59:59Z", 253_402_300_799),
    ],
)
def test_what_is_made_of_a_field(field: str, given_value: Any, stored: Any) -> None:
    key = made({field: given_value})
    assert getattr(key, field) == stored
    orjson.dumps(key_view(key))


@pytest.mark.parametrize(
    ("duration", "ends"),
    [("30s", NOW + 30), ("12h", NOW + 43_200), ("1mo", NOW + 30 * 86_400), ("", None)],
)
def test_a_duration_is_counted_from_now(duration: str, ends: int | None) -> None:
    assert made(duration=duration).expires_at == ends


def test_an_admin_key_has_no_limits() -> None:
    assert key_spec({"label": "x"}).record(SECRET, 5, "admin").is_admin
    for field in ("models", "max_budget", "team_id", "model_rpm_limit"):
        with pytest.raises(InvalidField, match="an admin key is bound by no limit") as refused:
            key_spec({field: FULL[field]}).record(SECRET, 5, "admin")
        assert refused.value.param == field


# --- bad ones ---

BAD: list[tuple[Any, str | None, str]] = [
    (None, None, "by a JSON object"),
    ([], None, "by a JSON object"),
    ({"label": 3}, "label", "valid string"),
    ({"label": "x" * 201}, "label", "at most 200"),
    ({"label": "a\x1b[31m"}, "label", "control character"),
    ({"label": "\ud800"}, "label", "surrogate"),
    ({"rpm_limit": 0}, "rpm_limit", "greater than 0"),
    ({"rpm_limit": -1}, "rpm_limit", "greater than 0"),
    ({"rpm_limit": 2**53 + 1}, "rpm_limit", "less than or equal"),
    ({"rpm_limit": 10**400}, "rpm_limit", "too large"),
    ({"rpm_limit": 1.0}, "rpm_limit", "valid integer"),
    ({"rpm_limit": True}, "rpm_limit", "valid integer"),
    ({"tpm_limit": "5"}, "tpm_limit", "valid integer"),
    ({"tpm_limit": float("inf")}, "tpm_limit", "finite"),
    ({"max_parallel_requests": 0}, "max_parallel_requests", "greater than 0"),
    ({"key_alias": "x"}, "key_alias", "no such field; did you mean label?"),
    ({"expires": "2027-01-31"}, "expires", "no such field; did you mean expires_at?"),
    ({"key": "sk-mine"}, "key", "no such field"),
    ({"kind": "admin"}, "kind", "no such field"),
    ({"spend": 0}, "spend", "no such field"),
    ({1: 1}, "1", "a name that is not text"),
    ({"team_id": "a b"}, "team_id", "pattern"),
    ({"team_id": ""}, "team_id", "pattern"),
    ({"team_id": "é"}, "team_id", "pattern"),
    ({"team_id": "x" * 129}, "team_id", "pattern"),
    ({"user_id": 5}, "user_id", "valid string"),
    ({"models": "gpt"}, "models", "valid list"),
    ({"models": [""]}, "models.0", "at least 1"),
    ({"models": ["a", 3]}, "models.1", "valid string"),
    ({"models": ["x" * 257]}, "models.0", "at most 256"),
    ({"aliases": ["a"]}, "aliases", "valid dictionary"),
    ({"aliases": {"a": 1}}, "aliases.a", "valid string"),
    ({"aliases": {"a": None}}, "aliases.a", "valid string"),
    ({"model_rpm_limit": {"gpt": 0}}, "model_rpm_limit.gpt", "greater than 0"),
    ({"model_rpm_limit": {"gpt": "5"}}, "model_rpm_limit.gpt", "valid integer"),
    ({"model_tpm_limit": 5}, "model_tpm_limit", "valid dictionary"),
    ({"tags": "a"}, "tags", "valid list"),
    ({"tags": ["a,b"]}, "tags.0", "without commas"),
    ({"tags": ["t" * 65]}, "tags.0", "up to 64 characters"),
    ({"tags": [str(n) for n in range(21)]}, "tags", "at most 20"),
    ({"metadata": "x"}, "metadata", "valid dictionary"),
    ({"metadata": {"a": float("nan")}}, "metadata.a", "finite"),
    ({"metadata": {"a": 2**64}}, "metadata.a", "too large"),
    ({"blocked": 1}, "blocked", "valid boolean"),
    ({"duration": "soon"}, "duration", "takes a length of time such as 30s"),
    ({"duration": "2000mo"}, "duration", "longer than a hundred years"),
    ({"duration": 30}, "duration", "valid string"),
    ({"expires_at": "tomorrow"}, "expires_at", "takes an ISO 8601 time such as"),
    ({"expires_at": 1_801_353_600}, "expires_at", "takes an ISO 8601 time such as"),
    ({"expires_at": "9999-12-31T23:59:59-10:00"}, "expires_at", "takes an ISO 8601 time"),
    ({"expires_at": "0001-01-01T00:00:00+10:00"}, "expires_at", "takes an ISO 8601 time"),
    ({"duration": "1h", "expires_at": "2027-01-31"}, "duration", "give one of them"),
]


@pytest.mark.parametrize(("description", "param", "message"), BAD)
def test_a_bad_key_is_refused_by_the_name_of_its_field(
    description: Any, param: str | None, message: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        key_spec(description)
    assert refused.value.param == param
    assert message in refused.value.message
    assert refused.value.status == 422


# --- changes ---


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, {}),
        ({"label": "new"}, {"label": "new"}),
        ({"label": None}, {"label": None}),
        ({"models": ["x"]}, {"models": ("x",)}),
        ({"models": None}, {"models": ()}),
        ({"tags": []}, {"tags": ()}),
        ({"aliases": {"b": "c"}}, {"aliases": {"default": "gpt-4o", "b": "c"}}),
        ({"aliases": {"default": None}}, {"aliases": {}}),
        ({"aliases": {}}, {}),
        ({"aliases": None}, {"aliases": {}}),
        ({"model_rpm_limit": {"x": 1}}, {"model_rpm_limit": {"gpt-4o": 10, "x": 1}}),
        ({"model_tpm_limit": {"gpt-4o": None}}, {"model_tpm_limit": {}}),
        (
            {"metadata": {"ticket": {"id": None, "url": "u"}}},
            {"metadata": {"ticket": {"url": "u"}, "note": "n"}},
        ),
        ({"max_budget": 0.1}, {"max_budget": 100_000_000}),
        ({"max_budget": None}, {"max_budget": None}),
        ({"budget_duration": None}, {"budget_duration": None}),
        ({"blocked": None}, {"blocked": False}),
        ({"blocked": False}, {"blocked": False}),
        ({"duration": "1h"}, {"expires_at": NOW + 100 + 3600}),
        ({"duration": None}, {"expires_at": None}),
        ({"expires_at": None}, {"expires_at": None}),
        ({"expires_at": "2028-01-01", "duration": None}, {"expires_at": 1_830_297_600}),
    ],
)  # fmt: skip
def test_a_merge_patch_changes_what_it_names_and_nothing_else(patch: Json, changed: Json) -> None:
    key = made(FULL)
    assert patched_key(key, patch, NOW + 100) == replace(key, **changed, updated_at=NOW + 100)


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        (None, None),
        ([], None),
        ({"id": "x"}, "id"),
        ({"secret_hash": "x"}, "secret_hash"),
        ({"revoked_at": None}, "revoked_at"),
        ({"rpm_limit": 0}, "rpm_limit"),
        ({"aliases": {"a": 1}}, "aliases.a"),
        ({"budget_duration": "36h"}, "budget_duration"),
        ({1: 1}, "1"),
    ],
)
def test_a_bad_patch_is_refused_by_the_name_of_its_field(patch: Any, param: str | None) -> None:
    with pytest.raises(InvalidField) as refused:
        patched_key(made(FULL), patch, NOW)
    assert refused.value.param == param


def test_a_patch_gives_no_limit_to_an_admin_key() -> None:
    admin = key_spec({}).record(SECRET, NOW, "admin")
    assert patched_key(admin, {"label": "x", "rpm_limit": None}, NOW).label == "x"
    with pytest.raises(InvalidField, match="an admin key"):
        patched_key(admin, {"rpm_limit": 5}, NOW)


@pytest.mark.parametrize("depth", DEEP)
def test_deep_nesting_is_refused_before_it_exhausts_the_stack(depth: int) -> None:
    key, deep = made(), nested(depth)
    for attempt in (
        lambda: key_spec({"metadata": deep}),
        lambda: key_spec({"label": deep}),
        lambda: patched_key(key, {"metadata": deep}, NOW),
        lambda: patched_key(key, {"aliases": deep}, NOW),
    ):
        with pytest.raises(InvalidField, match="nested too deeply"):
            attempt()


# --- rotation ---


@pytest.mark.parametrize(("grace", "until"), [("1h", NOW + 3600), (None, NOW), ("", NOW)])
def test_a_rotated_key_has_a_new_secret_and_knows_the_old_one(
    grace: str | None, until: int
) -> None:
    """Also where the old one ends at once, so that nobody brings it back as a new key."""
    key = made(FULL)
    assert rotated(key, "sk-another-wxyz", grace, NOW) == replace(
        key,
        secret_hash=hash_key("sk-another-wxyz"),
        hint="sk-…wxyz",
        retiring_hash=hash_key(SECRET),
        retiring_until=until,
        updated_at=NOW,
    )


def test_a_grace_that_is_no_length_of_time_is_refused() -> None:
    with pytest.raises(InvalidField, match="grace_period takes a length of time") as refused:
        rotated(made(), "sk-another-wxyz", "a while", NOW)
    assert refused.value.param == "grace_period"


def test_a_key_that_has_expired_gets_no_new_secret() -> None:
    with pytest.raises(Conflict, match="has expired"):
        rotated(made(duration="1h"), "sk-another-wxyz", None, NOW + 3600)


# --- whatever comes ---


def _sound(key: Key) -> None:
    """It can be stored and shown."""
    assert orjson.loads(orjson.dumps(asdict(key))) == json.loads(json.dumps(asdict(key)))
    orjson.dumps(key_view(key))
    assert key.max_budget is None or key.max_budget < 2**63


@given(objects(FULL | {"duration": "1h"}))
def test_anything_at_all_is_a_key_or_refused(data: Any) -> None:
    try:
        key = made(data) if isinstance(data, dict) else key_spec(data).record(SECRET, NOW)
    except InvalidField as error:
        orjson.dumps(error.body())
    else:
        _sound(key)


@given(objects(FULL | {"duration": "1h"}))
def test_anything_at_all_is_a_patch_or_refused(data: Any) -> None:
    key = made(FULL)
    try:
        new = patched_key(key, data, NOW + 1)
    except InvalidField as error:
        orjson.dumps(error.body())
    else:
        _sound(new)
        kept = ("id", "kind", "secret_hash", "hint", "created_at", "revoked_at")
        assert [getattr(new, name) for name in kept] == [getattr(key, name) for name in kept]
