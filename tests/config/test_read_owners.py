"""`keys:` and `teams:` of a configuration file."""

from __future__ import annotations

import pytest

from gateway.config.export import import_litellm
from gateway.config.file import read
from gateway.config.values import Finding
from gateway.vault import hash_key

STRONG = "sk-0123456789abcdefghij"
HASH = "0123456789abcdef" * 4


def only_error(text: str) -> Finding:
    (error,) = read(text).errors
    return error


# Keys


def test_a_key_in_plain_text_works_with_a_warning() -> None:
    config = read(f"keys:\n- label: a\n  key: {STRONG}\n  rpm_limit: 5\n")
    (entry,) = config.keys
    assert entry.secret is not None
    assert (entry.secret.text, entry.spec.rpm_limit) == (STRONG, 5)
    assert [(f.line, f.path, f.level) for f in config.findings] == [(3, "keys[0].key", "warning")]
    assert STRONG not in repr(config)


def test_a_key_takes_all_that_can_be_said_of_one() -> None:
    config = read(f"""\
keys:
  - key_hash: {HASH}
    label: notebooks
    team_id: research
    user_id: ada
    models: [gpt-4o, "openai/*"]
    aliases: {{default: gpt-4o}}
    rpm_limit: 5
    tpm_limit: 6
    model_rpm_limit: {{gpt-4o: 1}}
    model_tpm_limit: {{gpt-4o: 2}}
    max_parallel_requests: 3
    max_budget: 0.1
    soft_budget: 0
    budget_duration: 1mo
    tags: [a]
    metadata: {{ticket: OPS-42}}
    blocked: true
    expires_at: 2027-01-31T00:00:00Z
""")
    assert config.findings == ()
    [entry] = config.keys
    values = entry.spec.values_at(5)
    assert values == {
        "label": "notebooks",
        "team_id": "research",
        "user_id": "ada",
        "models": ("gpt-4o", "openai/*"),
        "aliases": {"default": "gpt-4o"},
        "rpm_limit": 5,
        "tpm_limit": 6,
        "model_rpm_limit": {"gpt-4o": 1},
        "model_tpm_limit": {"gpt-4o": 2},
        "max_parallel_requests": 3,
        "max_budget": 10**8,
        "soft_budget": 0,
        "budget_duration": "1mo",
        "tags": ("a",),
        "metadata": {"ticket": "OPS-42"},
        "blocked": True,
        "expires_at": 1_801_353_600,
    }


@pytest.mark.parametrize(
    ("entry", "path", "message"),
    [
        ("label: a", "", "takes either key or key_hash"),
        (f"key: {STRONG}\n  key_hash: {HASH}", "", "takes either key or key_hash"),
        ("key: sk-1234", ".key", "too weak"),
        ("key: 5", ".key", "takes text"),
        ("key_hash: abc", ".key_hash", "64 hexadecimal digits"),
        (f"key_hash: {'1' * 64}", ".key_hash", "in quotes"),
        (f"key_hash: {HASH}\n  rpm_limit: 0", ".rpm_limit", "greater than 0"),
        (f"key_hash: {HASH}\n  models: gpt-4o", ".models", "valid list"),
        (f"key_hash: {HASH}\n  models:\n  - a\n  - 5", ".models[1]", "valid string"),
        (f"key_hash: {HASH}\n  model_rpm_limit: {{a: x}}", ".model_rpm_limit.a", "valid integer"),
        (f"key_hash: {HASH}\n  aliases: {{gpt-4.1: 5}}", ".aliases", "aliases.gpt-4.1"),
        (f"key_hash: {HASH}\n  budget_duration: 36h", ".budget_duration", "whole days"),
        (f"key_hash: {HASH}\n  expires_at: soon", ".expires_at", "ISO 8601"),
        (f"key_hash: {HASH}\n  lable: x", ".lable", "did you mean label?"),
        (f"key_hash: {HASH}\n  key_alias: x", ".key_alias", "no such field; it takes label, key,"),
        (f"key_hash: {HASH}\n  allowed_routes: []", ".allowed_routes", "no such field"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_is_an_error(entry: str, path: str, message: str) -> None:
    finding = only_error(f"keys:\n- {entry}")
    assert finding.path == f"keys[0]{path}"
    assert message in finding.message
    assert "sk-1234" not in finding.message


def test_a_duration_would_begin_anew_at_each_start() -> None:
    finding = only_error(f"keys:\n- key_hash: {HASH}\n  duration: 30d\n")
    assert (finding.line, finding.path) == (3, "keys[0].duration")
    assert "each time the file is applied; give expires_at, such as 2027-01-31" in finding.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"key: {STRONG}", f"key_hash: {hash_key(STRONG).upper()}"),
        ("key: os.environ/K", "key: os.environ/K"),
    ],
)
def test_a_key_stands_once(first: str, second: str) -> None:
    error = only_error(f"keys:\n- {first}\n- {second}\n")
    assert (error.line, error.path) == (3, "keys[1]")
    assert "keys[0]" in error.message


def test_the_master_key_is_no_gateway_key() -> None:
    text = f"general_settings: {{master_key: {STRONG}}}\nkeys:\n- key: {STRONG}\n"
    assert only_error(text).path == "keys[0]"


# Teams


def test_a_team_takes_all_that_can_be_said_of_one() -> None:
    config = read("""\
teams:
  - team_id: research
    name: Research
    max_budget: 100
    soft_budget: 80.25
    budget_duration: 7d
    blocked: true
    metadata: {cost_centre: "4711"}
  - {team_id: b, name: B}
""")
    assert config.findings == ()
    first, second = config.teams
    assert (first.line, first.path) == (2, "teams[0]")
    team = first.spec.record(5)
    assert (team.id, team.name, team.blocked) == ("research", "Research", True)
    assert (team.max_budget, team.soft_budget) == (100 * 10**9, 80_250_000_000)
    assert (team.budget_duration, team.metadata) == ("7d", {"cost_centre": "4711"})
    assert second.spec.team_id == "b"


@pytest.mark.parametrize(
    ("entry", "line", "path", "message"),
    [
        ("name: A", 2, "", "team_id is missing: it takes an id of your own choice"),
        ("name: A\n  team_id:", 3, ".team_id", "team_id is missing"),
        ("team_id: a", 2, "", "name: field required"),
        ("team_id: a b\n  name: A", 2, ".team_id", "pattern"),
        ("team_id: a\n  name: 5", 3, ".name", "valid string"),
        ("team_id: a\n  name: A\n  max_budget: -1", 4, ".max_budget", "greater than or equal"),
        ("team_id: a\n  name: A\n  max_budgt: 1", 4, ".max_budgt", "did you mean max_budget?"),
        ("team_id: a\n  name: A\n  team_alias: x", 4, ".team_alias", "no such field; it takes"),
        ("team_id: a\n  name: A\n  rpm_limit: 5", 4, ".rpm_limit", "no such field"),
    ],
)
def test_a_team_that_cannot_be_is_an_error(entry: str, line: int, path: str, message: str) -> None:
    finding = only_error(f"teams:\n- {entry}")
    assert (finding.line, finding.path) == (line, f"teams[0]{path}")
    assert message in finding.message


@pytest.mark.parametrize(
    ("second", "path"),
    [("{team_id: a, name: B}", "teams[1].team_id"), ("{team_id: b, name: A}", "teams[1].name")],
)
@pytest.mark.parametrize("separator", ["\n- ", ", "])
def test_ids_and_names_of_teams_stand_once(second: str, path: str, separator: str) -> None:
    first = "{team_id: a, name: A}"
    text = f"teams: [{first}, {second}]" if separator == ", " else f"teams:\n- {first}\n- {second}"
    finding = only_error(text)
    assert finding.path == path
    assert f"of the team in line {1 if separator == ', ' else 2} already" in finding.message
    assert [entry.spec.name for entry in read(text).teams] == ["A"]


# Translating


def test_import_keeps_keys_and_teams_with_all_that_is_said_of_them() -> None:
    text = f"""\
teams: [{{team_id: a, name: A, max_budget: 0.1, budget_duration: 1d}}]
keys:
- {{key: {STRONG}, team_id: a, models: [gpt], max_budget: 20, expires_at: 2027-01-31}}
- {{key: os.environ/K, blocked: true, metadata: {{a: 1}}}}
"""
    translated = import_litellm(text)
    assert STRONG not in translated
    assert "expires_at: '2027-01-31T00:00:00Z'" in translated
    again, before = read(translated), read(text)
    assert again.findings == ()
    assert [entry.spec for entry in again.teams] == [entry.spec for entry in before.teams]
    assert [e.spec.values_at(0) for e in again.keys] == [e.spec.values_at(0) for e in before.keys]
