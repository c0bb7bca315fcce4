"""`gateway keys` and `gateway admin`."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import Settings
from gateway.store import Store
from tests.commands.conftest import Run
from tests.ledgers import ledger_row


def test_a_key_is_alone_on_stdout_and_kept_nowhere(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "--label", "ci", "--rpm", "5", "--tpm", "100")
    assert made.code == 0
    secret = made.out.strip()
    assert secret.startswith("sk-")
    assert "shown this once" in made.err
    assert secret not in made.err
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()
    [listed] = run("keys", "list", "--json").json
    assert (listed["label"], listed["rpm_limit"], listed["tpm_limit"]) == ("ci", 5, 100)
    assert listed["hint"] == f"sk-…{secret[-4:]}"


def test_json_has_the_key_once(run: Run) -> None:
    made = run("keys", "create", "--json")
    assert made.json["key"].startswith("sk-")
    assert made.json["label"] is None
    shown = run("keys", "show", made.json["id"], "--json").json
    assert shown == {name: value for name, value in made.json.items() if name != "key"}


def test_the_table_shows_live_keys_and_all_on_demand(run: Run) -> None:
    empty = run("keys", "list")
    assert (empty.out, empty.code) == ("", 0)
    assert "gateway keys create" in empty.err
    key = run("keys", "create", "--label", "[red]leaver[/red]", "--json").json
    assert "[red]leaver[/red]" in run("keys", "list").out
    revoked = run("keys", "revoke", key["id"])
    assert (revoked.code, revoked.out) == (0, "")
    assert key["id"] not in run("keys", "list").out
    assert "revoked" in run("keys", "list", "--all").out


def test_one_key_is_shown_a_field_a_line(run: Run) -> None:
    key = run("keys", "create", "--label", "one", "--json").json
    shown = run("keys", "show", key["id"]).out.splitlines()
    assert f"id          {key['id']}" in shown
    assert "label       one" in shown
    assert not any(line.startswith("rpm_limit") for line in shown)


ALL = {
    "--label": ["notebooks"],
    "--team": ["research"],
    "--user": ["ada"],
    "--model": ["gpt-4o", "openai/*"],
    "--alias": ["default=gpt-4o", "a=b=c"],
    "--expires": ["2027-01-31T02:00:00+02:00"],
    "--rpm": ["60"],
    "--tpm": ["1000"],
    "--model-rpm": ["gpt-4o=5"],
    "--model-tpm": ["gpt-4o=50"],
    "--max-parallel": ["3"],
    "--max-budget": ["20.5"],
    "--soft-budget": ["0.1"],
    "--budget-duration": ["1mo"],
    "--tag": ["x", "y"],
    "--metadata": ["ticket=OPS-42", 'deep={"n": 1}', "number=7"],
}
OPTIONS = [word for option, values in ALL.items() for value in values for word in (option, value)]
SAID = {
    "label": "notebooks",
    "team_id": "research",
    "user_id": "ada",
    "models": ["gpt-4o", "openai/*"],
    "aliases": {"default": "gpt-4o", "a": "b=c"},
    "expires_at": "2027-01-31T00:00:00Z",
    "rpm_limit": 60,
    "tpm_limit": 1000,
    "model_rpm_limit": {"gpt-4o": 5},
    "model_tpm_limit": {"gpt-4o": 50},
    "max_parallel_requests": 3,
    "max_budget": 20.5,
    "soft_budget": 0.1,
    "budget_duration": "1mo",
    "tags": ["x", "y"],
    "metadata": {"ticket": "OPS-42", "deep": {"n": 1}, "number": 7},
}


def said(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view[name] for name in SAID}


def test_everything_that_can_be_said_of_a_key_has_an_option(run: Run) -> None:
    run("teams", "create", "Research", "--id", "research")
    made = run("keys", "create", *OPTIONS, "--json")
    assert said(made.json) == SAID
    bare = run("keys", "create", "--json").json
    run("keys", "update", bare["id"], *OPTIONS)
    assert said(run("keys", "show", bare["id"], "--json").json) == SAID
    unset = [word for field in SAID for word in ("--unset", field)]
    emptied = run("keys", "update", bare["id"], *unset, "--json").json
    assert said(emptied) == said(bare)


def test_a_key_may_end_after_a_while(run: Run) -> None:
    made = run("keys", "create", "--duration", "1h", "--json").json
    ends, begins = (datetime.fromisoformat(made[name]) for name in ("expires_at", "created_at"))
    assert (ends - begins).total_seconds() == 3600


def test_an_update_leaves_what_it_does_not_name(run: Run) -> None:
    run("teams", "create", "Research", "--id", "research")
    key = run("keys", "create", *OPTIONS, "--json").json
    changed = run(
        "keys", "update", key["id"], "--alias", "new=gpt", "--alias", "a=",
        "--model-rpm", "gpt-4o=", "--metadata", "deep=", "--metadata", "number=8",
        "--model", "only", "--rpm", "61",
    )  # fmt: skip
    assert (changed.code, changed.out, changed.err) == (0, "", f"Changed {key['id']}.\n")
    assert said(run("keys", "show", key["id"], "--json").json) == SAID | {
        "aliases": {"default": "gpt-4o", "new": "gpt"},
        "model_rpm_limit": {},
        "metadata": {"ticket": "OPS-42", "number": 8},
        "models": ["only"],
        "rpm_limit": 61,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Nothing to change: see `gateway keys update --help`"),
        (["--unset", "nothing"], "nothing: no such field"),
        (["--unset", "hint"], "hint: no such field"),
        (["--alias", "x"], "--alias takes NAME=MODEL, not 'x'"),
        (["--alias", "=x"], "--alias takes NAME=MODEL, not '=x'"),
        (["--model-rpm", "x=fast"], "--model-rpm takes NAME=N, not 'x=fast'"),
        (["--model-tpm", "x=0"], "model_tpm_limit.x: input should be greater than 0"),
        (["--metadata", "x"], "--metadata takes NAME=VALUE, not 'x'"),
        (["--max-budget", "-1"], "max_budget: input should be greater than or equal to 0"),
        (["--max-budget", "nan"], "max_budget takes a finite number"),
        (["--budget-duration", "36h"], "budget_duration: takes whole days"),
        (["--team", "none"], "No team has the id 'none'"),
        (["--expires", "soon"], "expires_at: takes an ISO 8601 time"),
        (["--expires", "2027-01-31", "--duration", "1h"], "give one of them"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    run: Run, options: list[str], message: str
) -> None:
    key = run("keys", "create", "--json").json
    refused = run("keys", "update", key["id"], *options)
    assert (refused.code, refused.out) == (2, "")
    assert message in refused.err
    if options and options[0] != "--unset":
        created = run("keys", "create", *options)
        assert (created.code, created.out) == (2, "")
        assert message in created.err
    (same,) = run("keys", "list", "--json").json
    assert same == {name: value for name, value in key.items() if name != "key"}


def test_a_rotated_key_has_a_new_secret_alone_on_stdout(run: Run, tmp_path: Path) -> None:
    key = run("keys", "create", "--label", "ci", "--json").json
    rotated = run("keys", "rotate", key["id"], "--grace", "1h")
    assert rotated.code == 0
    secret = rotated.out.strip()
    assert secret.startswith("sk-")
    assert secret != key["key"]
    assert "its old secret is good until 20" in rotated.err
    shown = run("keys", "show", key["id"], "--json").json
    assert (shown["hint"], shown["label"]) == (f"sk-…{secret[-4:]}", "ci")
    again = run("keys", "rotate", key["id"], "--json").json
    assert again["key"] not in (secret, key["key"])
    assert "is good no more" in run("keys", "rotate", key["id"]).err
    for file in tmp_path.iterdir():
        for known in (secret, key["key"], again["key"]):
            assert known.encode() not in file.read_bytes()


def test_what_cannot_be_rotated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    key = run("keys", "create", "--json").json
    bad = run("keys", "rotate", key["id"], "--grace", "a while")
    assert (bad.code, bad.out) == (2, "")
    assert "takes a length of time such as" in bad.err
    run("keys", "revoke", key["id"])
    revoked = run("keys", "rotate", key["id"])
    assert (revoked.code, revoked.out) == (1, "")
    assert "is revoked, for good" in revoked.err
    admin = run("admin", "rotate-key", "--json").json
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", admin["key"])
    given = run("keys", "rotate", admin["id"])
    assert (given.code, given.out) == (1, "")
    assert "the one in GATEWAY_ADMIN_KEY; change it there" in given.err


def test_a_blocked_key_can_be_let_in_again(run: Run) -> None:
    key = run("keys", "create", "--json").json
    blocked = run("keys", "block", key["id"])
    assert (blocked.code, blocked.out, blocked.err) == (0, "", f"Blocked {key['id']}.\n")
    assert run("keys", "show", key["id"], "--json").json["state"] == "blocked"
    assert run("keys", "block", key["id"], "--json").json["state"] == "blocked"
    assert run("keys", "unblock", key["id"], "--json").json["state"] == "active"


async def _spend(key_id: str, costs: dict[str, int]) -> None:
    rows = [ledger_row(at, key_id=key_id, team_id="research", cost=n) for at, n in costs.items()]
    async with Store.open(Settings.from_env(os.environ)) as store:
        await store.ledger.write(rows, [])


def test_what_was_spent_in_the_budget_period_is_shown(run: Run) -> None:
    run("teams", "create", "Research", "--id", "research", "--max-budget", "100")
    budget = ("--max-budget", "20", "--budget-duration", "1mo", "--expires", "2099-01-31")
    key = run("keys", "create", "--team", "research", *budget, "--json").json
    assert key["spend"] == 0
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    spending = _spend(key["id"], {"2026-01-31T23:59:59": 5 * 10**9, now: 21_500_000})
    asyncio.run(spending)
    table = run("keys", "list").out
    [row] = [line.split() for line in table.splitlines() if key["id"] in line]
    assert row == [key["id"], "-", "gateway", "research", key["hint"], "active", "0.0215",
                   "20/1mo", "-", "-", "2099-01-31T00:00:00Z"]  # fmt: skip
    shown = run("keys", "show", key["id"], "--json").json
    assert shown["spend"] == 0.0215
    resets = datetime.fromisoformat(shown["budget_reset_at"])
    assert (resets.day, resets.hour, resets > datetime.now(UTC)) == (1, 0, True)
    assert run("keys", "list", "--json").json == [shown]
    assert "spend            0.0215" in run("keys", "show", key["id"]).out
    # The team's budget has no periods.
    [team] = run("teams", "list", "--json").json
    assert (team["spend"], team["budget_reset_at"]) == (5.0215, None)
    assert " 5.0215   100" in run("teams", "list").out


def test_of_many_keys_the_oldest_are_listed(run: Run) -> None:
    for label in ("first", "second", "third"):
        assert run("keys", "create", "--label", label).code == 0
    listed = run("keys", "list", "--limit", "2", "--json")
    assert [key["label"] for key in listed.json] == ["first", "second"]
    assert listed.err == "These are the oldest 2 of 3 keys; --limit shows more.\n"
    assert "third" not in run("keys", "list", "--limit", "2").out
    assert run("keys", "list", "--limit", "3").err == ""


def test_keys_are_listed_by_team(run: Run) -> None:
    for team in ("a", "b"):
        run("teams", "create", team.upper(), "--id", team)
    mine = run("keys", "create", "--team", "a", "--json").json
    run("keys", "create")
    assert [key["id"] for key in run("keys", "list", "--team", "a", "--json").json] == [mine["id"]]
    assert run("keys", "list", "--team", "b", "--json").json == []
    missing = run("keys", "list", "--team", "c")
    assert (missing.code, missing.err) == (3, "Error: No team has the id 'c'\n")
    run("keys", "revoke", mine["id"])
    assert run("keys", "list", "--team", "a", "--json").json == []
    assert len(run("keys", "list", "--team", "a", "--all", "--json").json) == 1


def test_revoking_twice_is_no_error(run: Run) -> None:
    key = run("keys", "create", "--json").json
    first = run("keys", "revoke", key["id"], "--json")
    again = run("keys", "revoke", key["id"], "--json")
    assert first.json["state"] == "revoked"
    assert again.json == first.json


def test_an_unknown_key_has_an_exit_code_of_its_own(run: Run) -> None:
    for command in ("show", "revoke", "update --rpm 5", "rotate", "block", "unblock"):
        name, *options = command.split()
        missing = run("keys", name, "key_none", *options)
        assert (missing.code, missing.err) == (3, "Error: No key has the id 'key_none'\n")


def test_a_bad_limit_is_refused_before_anything_is_made(run: Run) -> None:
    refused = run("keys", "create", "--rpm", "0")
    assert refused.code == 2
    assert refused.err.startswith("Error: rpm_limit:")
    assert run("keys", "list", "--json").json == []


def test_another_admin_key(run: Run) -> None:
    run("admin", "rotate-key")
    made = run("admin", "create-key", "--label", "ops")
    assert made.out.startswith("sk-")
    live = [key for key in run("keys", "list", "--json").json if key["kind"] == "admin"]
    assert [key["label"] for key in live] == ["rotated", "ops"]
    assert run("admin", "create-key").code == 2


def test_rotating_the_admin_key_leaves_one_that_works(run: Run) -> None:
    first = run("admin", "rotate-key", "--json").json
    assert (first["kind"], first["revoked"]) == ("admin", 0)
    gateway_key = run("keys", "create", "--json").json
    second = run("admin", "rotate-key", "--label", "autumn")
    assert second.out.startswith("sk-")
    assert "revoked 1 other admin key" in second.err
    states = {key["id"]: key["state"] for key in run("keys", "list", "--all", "--json").json}
    assert states[first["id"]] == "revoked"
    assert states[gateway_key["id"]] == "active"
    live = [key for key in run("keys", "list", "--json").json if key["kind"] == "admin"]
    assert [(key["label"], key["hint"]) for key in live] == [
        ("autumn", f"sk-…{second.out.strip()[-4:]}")
    ]


def test_rotating_warns_of_the_key_in_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", "sk-admin-0123456789abcdef")
    assert "GATEWAY_ADMIN_KEY is set here and now revoked" in run("admin", "rotate-key").err
