"""`gateway keys` and `gateway admin`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Run


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


def test_revoking_twice_is_no_error(run: Run) -> None:
    key = run("keys", "create", "--json").json
    first = run("keys", "revoke", key["id"], "--json")
    again = run("keys", "revoke", key["id"], "--json")
    assert first.json["state"] == "revoked"
    assert again.json == first.json


def test_an_unknown_key_has_an_exit_code_of_its_own(run: Run) -> None:
    for command in ("show", "revoke"):
        missing = run("keys", command, "key_none")
        assert (missing.code, missing.err) == (3, "Error: No key has the id 'key_none'\n")


def test_a_bad_limit_is_refused_before_anything_is_made(run: Run) -> None:
    refused = run("keys", "create", "--rpm", "0")
    assert refused.code == 2
    assert refused.err.startswith("Error: rpm_limit:")
    assert run("keys", "list", "--json").json == []


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
