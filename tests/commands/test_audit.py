"""`gateway audit`."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from gateway.commands.audit import changes
from tests.commands.conftest import Run


def test_the_table_tells_who_did_what(run: Run) -> None:
    run("models", "add", "m", "--provider", "openai", "--api-key-ref", "KEY")
    run("models", "update", "m", "--param", "temperature=0.5")
    shown = [line.split() for line in run("audit").out.splitlines()]
    assert ["WHEN", "WHO", "FROM", "ACTION", "WHAT"] in shown
    first = next(line for line in shown if "model.update" in line)
    assert first[1:5] == [getpass.getuser(), "cli", "model.update", "m"]
    assert ["litellm_params.temperature:", "-", "→", "0.5"] in shown
    assert ["+", "api_key:", '"os.environ/KEY"'] in shown


def test_json_is_what_the_route_answers(run: Run) -> None:
    key = run("keys", "create", "--label", "ci", "--json").json
    [entry] = run("audit", "--json").json
    assert (entry["object"], entry["action"]) == ("audit_entry", "key.add")
    assert entry["target"] == {"id": key["id"], "name": "ci"}
    assert entry["actor"] == {"id": "cli", "label": getpass.getuser(), "address": None}
    assert key["key"] not in str(entry)


def test_every_command_that_changes_something_is_in_it(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m}\n"
        "general_settings: {master_key: sk-master-0123456789abcdef}\n"
        "litellm_settings: {drop_params: true}\n"
    )
    run("config", "apply", str(file))
    run("config", "apply", str(file))  # changes nothing
    key = run("keys", "create", "--json").json
    run("keys", "revoke", key["id"])
    run("admin", "rotate-key")
    run("models", "remove", "m")
    done = [entry["action"] for entry in run("audit", "--json").json]
    assert done == [
        "model.remove",
        "key.revoke",
        "key.add",
        "key.revoke",
        "key.add",
        "settings.update",
        "model.add",
        "key.add",
    ]


def test_filters(run: Run) -> None:
    first = run("keys", "create", "--label", "first", "--json").json
    run("keys", "create", "--label", "second")
    run("keys", "revoke", first["id"])

    def found(*arguments: str) -> list[tuple[str, str]]:
        entries = run("audit", *arguments, "--json").json
        return [(entry["action"], entry["target"]["name"]) for entry in entries]

    assert found("first") == found(first["id"]) == [("key.revoke", "first"), ("key.add", "first")]
    assert found("--action", "key.revoke") == [("key.revoke", "first")]
    assert found("--actor", getpass.getuser(), "--since", "1h") == found()
    assert found("--actor", "nobody") == found("--until", "2020-01-01") == []


def test_an_empty_log_and_one_that_goes_on(run: Run) -> None:
    empty = run("audit")
    assert (empty.code, empty.out, empty.err) == (0, "", "No such changes.\n")
    run("keys", "create")
    run("keys", "create")
    cut = run("audit", "--limit", "1", "--json")
    assert len(cut.json) == 1
    assert "newest 1" in cut.err
    assert run("audit", "--limit", "2").err == ""


def test_a_moment_that_is_none_is_refused(run: Run) -> None:
    refused = run("audit", "--since", "yesterday")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("Error: --since takes a day")


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"a": 1}, {"a": None}, ["a: 1 → -"]),
        ({"a": {}}, {"a": {"b": {"c": [1]}}}, ["a.b.c: - → [1]"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": "é\x1b"}}, ['a.c: 2 → "é\\u001b"']),
        (None, {"id": "x", "label": "l", "rpm": 5, "off": False, "no": {}}, ["+ rpm: 5"]),
        ({"id": "x", "rpm": 5, "none": None}, None, ["- rpm: 5"]),
        (None, None, []),
    ],
)
def test_a_line_for_each_change(
    before: dict[str, object] | None, after: dict[str, object] | None, lines: list[str]
) -> None:
    assert changes(before, after) == lines
