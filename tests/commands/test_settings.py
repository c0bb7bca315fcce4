"""`gateway settings`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.commands.conftest import Run

RULES = ["keys", {"pattern": r"EMP-\d+"}]


def test_settings_are_shown_with_the_default_of_what_was_changed(run: Run) -> None:
    assert run("settings", "show", "--json").json["maximum_spend_logs_retention_period"] == "90d"
    changed = run("settings", "set", "maximum_spend_logs_retention_period", "30d")
    assert (changed.code, changed.out) == (0, "")
    assert changed.err == "maximum_spend_logs_retention_period is 30d now.\n"
    lines = run("settings", "show").out.splitlines()
    [line] = [line.split() for line in lines if "retention" in line]
    assert line == ["maximum_spend_logs_retention_period", "30d", "90d"]
    [line] = [line.split() for line in lines if "drop_params" in line]
    assert line == ["drop_params", "false"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("drop_params", "true", True),
        ("request_timeout", "5", 5.0),
        ("maximum_spend_logs_retention_period", "forever", "forever"),
        ("store_prompts_in_spend_logs", "True", True),
        ("redact_stored_prompts", "keys, emails", ["keys", "emails"]),
        ("redact_stored_prompts", json.dumps(RULES), RULES),
        ("redact_stored_prompts", "", []),
        ("num_retries", "3", 3),
        ("fallbacks", '[{"a": ["b"]}]', {"a": ["b"]}),
        ("default_fallbacks", "a, b", ["a", "b"]),
        ("cache", "true", True),
        ("cache_params", '{"type": "sqlite", "ttl": 60}', {"type": "sqlite", "ttl": 60}),
    ],
)
def test_a_setting_is_changed_and_gets_its_default_back(
    run: Run, name: str, value: str, expected: object
) -> None:
    before = run("settings", "show", "--json").json
    assert run("settings", "set", name, value, "--json").json == {name: expected}
    assert run("settings", "show", "--json").json == before | {name: expected}
    back = run("settings", "set", name, "--default", "--json")
    assert back.json == {name: before[name]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("drop_param", "true"), "drop_param: no such setting; did you mean drop_params?"),
        (("drop_params", "perhaps"), "drop_params takes true or false"),
        (("redact_stored_prompts", "keys,emials"), "redact_stored_prompts.1 is no rule; did you"),
        (("redact_stored_prompts", '["keys"'), "redact_stored_prompts takes a list"),
        (("redact_stored_prompts", "[" * 100_000), "redact_stored_prompts takes a list"),
        (("cache_params", '{"tpye": "x"}'), "cache_params.tpye no such field; did you mean type?"),
        (("cache_params", "sqlite"), "cache_params takes an object"),
        (("fallbacks", "a=b"), "fallbacks takes JSON where it is given as text"),
        (("drop_params",), "give either a VALUE or --default"),
        (("drop_params", "true", "--default"), "give either a VALUE or --default"),
    ],
)
def test_what_cannot_be_is_wrong_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    before = run("settings", "show", "--json").json
    refused = run("settings", "set", *arguments)
    assert refused.code == 2
    assert message in refused.err
    assert "Traceback" not in refused.err
    assert run("settings", "show", "--json").json == before


def test_changes_are_in_the_audit_log(run: Run) -> None:
    run("settings", "set", "drop_params", "true")
    [entry] = run("audit", "--json").json
    assert (entry["action"], entry["actor"]["id"]) == ("settings.update", "cli")
    assert (entry["before"], entry["after"]) == ({"drop_params": False}, {"drop_params": True})


def test_settings_go_into_a_file_and_come_out_of_it(run: Run, tmp_path: Path) -> None:
    run("settings", "set", "maximum_spend_logs_retention_period", "6mo")
    run("settings", "set", "store_prompts_in_spend_logs", "true")
    run("settings", "set", "redact_stored_prompts", json.dumps(RULES))
    before = run("settings", "show", "--json").json
    file = tmp_path / "config.yaml"
    run("config", "export", "--output", str(file))
    assert yaml.safe_load(file.read_text())["general_settings"] == {
        "maximum_spend_logs_retention_period": "6mo",
        "store_prompts_in_spend_logs": True,
        "redact_stored_prompts": RULES,
    }
    assert "Nothing to change." in run("config", "apply", str(file)).err
    for name in before:
        run("settings", "set", name, "--default")
    assert run("config", "apply", str(file)).code == 0
    assert run("settings", "show", "--json").json == before
