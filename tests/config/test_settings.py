"""What a file says of what is kept: how long, with prompts or without, and redacted how."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gateway.config.export import import_litellm
from gateway.config.file import read
from gateway.config.values import ConfigRefused
from tests.config.test_file import schema_errors

FILE = r"""
general_settings:
  maximum_spend_logs_retention_period: 30d
  store_prompts_in_spend_logs: true
  redact_stored_prompts:
    - keys
    - phone_numbers
    - pattern: 'EMP-\d+'
      replacement: "[employee]"
"""
RULES = ("keys", "phone_numbers", {"pattern": r"EMP-\d+", "replacement": "[employee]"})


def settings_of(text: str, **environ: str) -> dict[str, Any]:
    config = read(text)
    assert config.findings == ()
    return dict(config.resolve(environ).settings)


def test_what_is_kept_is_said_in_the_file() -> None:
    assert settings_of(FILE) == {
        "maximum_spend_logs_retention_period": "30d",
        "store_prompts_in_spend_logs": True,
        "redact_stored_prompts": RULES,
    }
    assert schema_errors(FILE) == []


def test_variables_may_hold_it() -> None:
    text = """
general_settings:
  maximum_spend_logs_retention_period: os.environ/KEPT
  store_prompts_in_spend_logs: os.environ/STORED
  redact_stored_prompts: os.environ/RULES
"""
    environ = {"KEPT": "forever", "STORED": "true", "RULES": "keys, emails"}
    assert settings_of(text, **environ) == {
        "maximum_spend_logs_retention_period": "forever",
        "store_prompts_in_spend_logs": True,
        "redact_stored_prompts": ("keys", "emails"),
    }
    rules = settings_of(text, **environ | {"RULES": '["keys", {"pattern": "a"}]'})
    assert rules["redact_stored_prompts"] == ("keys", {"pattern": "a"})
    with pytest.raises(ConfigRefused, match=r"line 5: .*redact_stored_prompts.*emails\?"):
        read(text).resolve(environ | {"RULES": "emials"})
    assert schema_errors(text) == []


def test_a_number_is_one_of_days_as_in_litellm() -> None:
    text = "general_settings: {maximum_spend_logs_retention_period: 30}"
    assert settings_of(text) == {"maximum_spend_logs_retention_period": "30d"}
    assert schema_errors(text) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "message"),
    [
        ("30d", "36h", 3, "maximum_spend_logs_retention_period", "takes 2d or more"),
        ("30d", "0", 3, "maximum_spend_logs_retention_period", "or forever"),
        ("true", "perhaps", 4, "store_prompts_in_spend_logs", "takes true or false"),
        ("- keys", "- kyes", 6, "redact_stored_prompts[0]", "did you mean keys?"),
        ("phone_numbers", "5", 7, "redact_stored_prompts[1]", "takes the name of a rule"),
        ("EMP", "(EMP", 8, "redact_stored_prompts[2].pattern", "not a regular expression"),
        (r"'EMP-\d+'", "''", 8, "redact_stored_prompts[2].pattern", "matches an empty text"),
        ('"[employee]"', "5", 9, "redact_stored_prompts[2].replacement", "takes text"),
        ("replacement", "replace", 9, "redact_stored_prompts[2].replace", "no such field"),
        ("pattern", "patern", 8, "redact_stored_prompts[2]", "takes the name of a rule"),
    ],
)
def test_what_cannot_be_is_an_error_with_its_line(
    old: str, new: str, line: int, path: str, message: str
) -> None:
    (finding,) = read(FILE.replace(old, new, 1)).findings
    assert (finding.line, finding.level) == (line, "error")
    assert finding.path == f"general_settings.{path}"
    assert message in finding.message


@pytest.mark.parametrize("rules", ["keys", "{keys: true}"])
def test_rules_are_a_list(rules: str) -> None:
    """But for text, which may come from a variable: names between commas."""
    config = read(f"general_settings: {{redact_stored_prompts: {rules}}}")
    assert [f.level for f in config.findings] == ([] if rules == "keys" else ["error"])


def test_litellm_s_own_settings_of_this_kind_are_taken_over() -> None:
    text = "general_settings: {master_key: os.environ/M, store_prompts_in_spend_logs: true, "
    text += "maximum_spend_logs_retention_period: 7d, maximum_spend_logs_retention_interval: 1d}"
    translated = yaml.safe_load(import_litellm(text))
    assert translated["general_settings"] == {
        "master_key": "os.environ/M",
        "store_prompts_in_spend_logs": True,
        "maximum_spend_logs_retention_period": "7d",
    }
    assert "maximum_spend_logs_retention_interval" in import_litellm(text)


def test_an_import_keeps_rules() -> None:
    assert yaml.safe_load(import_litellm(FILE)) == {"model_list": []} | yaml.safe_load(FILE)
