"""`gateway teams`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.conftest import Run

ALL = [
    "--max-budget", "100", "--soft-budget", "80.25", "--budget-duration", "7d",
    "--metadata", "cost=4711", "--metadata", 'deep={"n": 1}',
]  # fmt: skip
SAID = {
    "max_budget": 100.0,
    "soft_budget": 80.25,
    "budget_duration": "7d",
    "metadata": {"cost": 4711, "deep": {"n": 1}},
}


def said(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view[name] for name in SAID}


def test_a_team_s_id_is_alone_on_stdout(run: Run) -> None:
    made = run("teams", "create", "Research")
    assert made.code == 0
    team_id = made.out.strip()
    assert team_id.startswith("team_")
    assert f"gateway keys create --team {team_id}" in made.err
    assert run("keys", "create", "--team", team_id).code == 0


def test_everything_that_can_be_said_of_a_team_has_an_option(run: Run) -> None:
    made = run("teams", "create", "Research", "--id", "research", *ALL, "--json").json
    assert said(made) == SAID
    assert (made["team_id"], made["name"], made["spend"]) == ("research", "Research", 0)
    assert run("teams", "show", "research", "--json").json == made
    bare = run("teams", "create", "Bare", "--id", "bare", "--json").json
    assert said(run("teams", "update", "bare", *ALL, "--json").json) == SAID
    renamed = run(
        "teams", "update", "bare", "--rename", "New", "--metadata", "deep=", "--json"
    ).json
    assert renamed["name"] == "New"
    assert said(renamed) == SAID | {"metadata": {"cost": 4711}}
    unset = [word for field in SAID for word in ("--unset", field)]
    assert said(run("teams", "update", "bare", *unset, "--json").json) == said(bare)
    changed = run("teams", "update", "bare", "--max-budget", "5")
    assert (changed.out, changed.err) == ("", "Changed bare.\n")


def test_one_team_is_shown_a_field_a_line(run: Run) -> None:
    run("teams", "create", "Research", "--id", "research")
    shown = run("teams", "show", "research").out.splitlines()
    assert "team_id     research" in shown
    assert "name        Research" in shown
    assert not any(line.startswith(("max_budget", "metadata")) for line in shown)


def test_the_table_shows_keys_and_budgets(run: Run) -> None:
    empty = run("teams", "list")
    assert (empty.out, empty.code) == ("", 0)
    assert "gateway teams create NAME" in empty.err
    run("teams", "create", "[red]Research[/red]", "--id", "research", *ALL)
    run("teams", "create", "Bare", "--id", "bare")
    run("keys", "create", "--team", "research")
    run("keys", "create", "--team", "research")
    run("teams", "block", "bare")
    rows = [line.split() for line in run("teams", "list").out.splitlines()]
    assert ["research", "[red]Research[/red]", "active", "2", "0", "100/7d"] in rows
    assert ["bare", "Bare", "blocked", "0", "0", "-"] in rows


def test_a_blocked_team_can_be_let_in_again(run: Run) -> None:
    run("teams", "create", "Research", "--id", "research")
    blocked = run("teams", "block", "research")
    assert (blocked.code, blocked.out, blocked.err) == (0, "", "Blocked research.\n")
    assert run("teams", "show", "research", "--json").json["blocked"] is True
    assert run("teams", "unblock", "research", "--json").json["blocked"] is False


def test_a_team_is_deleted_once_it_has_no_live_keys(run: Run) -> None:
    run("teams", "create", "Research", "--id", "research")
    key = run("keys", "create", "--team", "research", "--json").json
    refused = run("teams", "delete", "research")
    assert (refused.code, refused.out) == (1, "")
    assert "has 1 live key(s); revoke them" in refused.err
    run("keys", "revoke", key["id"])
    assert run("teams", "delete", "research", "--json").json == {
        "team_id": "research", "object": "team", "deleted": True,
    }  # fmt: skip
    assert run("teams", "list", "--json").json == []


def test_an_unknown_team_has_an_exit_code_of_its_own(run: Run) -> None:
    for command in ("show", "update --max-budget 5", "delete", "block", "unblock"):
        name, *options = command.split()
        missing = run("teams", name, "none", *options)
        assert (missing.code, missing.err) == (3, "Error: No team has the id 'none'\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["create", " "], 2, "name: string should have at least 1"),
        (["create", "x", "--id", "a b"], 2, "team_id:"),
        (["create", "x", "--max-budget", "-1"], 2, "max_budget:"),
        (["create", "x", "--id", "research"], 1, "Another team has the id 'research'"),
        (["create", "Research"], 1, "Another team is called 'Research'"),
        (["update", "research"], 2, "Nothing to change: see `gateway teams update --help`"),
        (["update", "research", "--budget-duration", "36h"], 2, "takes whole days"),
        (["update", "research", "--unset", "name"], 2, "name: "),
        (["update", "research", "--unset", "nothing"], 2, "nothing: no such field"),
        (["update", "research", "--metadata", "x"], 2, "--metadata takes NAME=VALUE, not 'x'"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    before = run("teams", "create", "Research", "--id", "research", "--json").json
    refused = run("teams", *arguments)
    assert (refused.code, refused.out) == (code, "")
    assert message in refused.err
    assert run("teams", "list", "--json").json == [before]
