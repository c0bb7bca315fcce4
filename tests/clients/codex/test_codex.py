"""Codex CLI, which speaks Responses and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CODEX = Path(__file__).parent / "node_modules" / ".bin" / "codex"
CONFIG = """
model = "{model}"
model_provider = "gateway"
# Nothing is asked of anyone else.
check_for_update_on_startup = false
analytics.enabled = false

[model_providers.gateway]
name = "gateway"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "GATEWAY_KEY"
request_max_retries = 0
stream_max_retries = 0
"""


@dataclass
class Run:
    """What `codex exec --json` has told."""

    status: int
    events: list[dict[str, Any]]

    def items(self, kind: str) -> list[dict[str, Any]]:
        done = (event["item"] for event in self.events if event["type"] == "item.completed")
        return [item for item in done if item["type"] == kind]

    @property
    def usage(self) -> dict[str, int]:
        (ended,) = (event for event in self.events if event["type"] == "turn.completed")
        usage: dict[str, int] = ended["usage"]
        return usage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path


def codex(folder: Path, prompt: str, model: str = "gpt-4o-mini", **more: str) -> Run:
    home, work = folder / "home", folder / "work"
    url = os.environ["GATEWAY_URL"]
    (home / "config.toml").write_text(CONFIG.format(url=url, model=model))
    options = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    done = subprocess.run(
        [CODEX, "exec", *options, prompt],
        env=os.environ | {"CODEX_HOME": str(home), "HOME": str(home)} | more,
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    print(done.stdout, done.stderr)
    return Run(done.returncode, [json.loads(line) for line in done.stdout.splitlines()])


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-sonnet-5"])
def test_an_answer_with_usage(folder: Path, model: str) -> None:
    run = codex(folder, "Hello!", model)
    assert run.status == 0
    (message,) = run.items("agent_message")
    assert message["text"] == "You said: Hello!"
    assert run.usage["output_tokens"] == 3


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-sonnet-5"])
def test_a_command_that_the_model_has_it_run(folder: Path, model: str) -> None:
    run = codex(folder, "Run the command `echo made by codex | tee made.txt`", model)
    assert run.status == 0
    (command,) = run.items("command_execution")
    assert command["exit_code"] == 0
    assert (folder / "work" / "made.txt").read_text() == "made by codex\n"
    (message,) = run.items("agent_message")
    assert "made by codex" in message["text"]


def test_errors(folder: Path) -> None:
    denied = codex(folder, "Hello!", GATEWAY_KEY=os.environ["GATEWAY_REVOKED_KEY"])
    assert denied.status == 1
    assert "401" in denied.events[-1]["error"]["message"]
    unknown = codex(folder, "Hello!", "unheard-of")
    assert unknown.status == 1
    assert "unheard-of" in unknown.events[-1]["error"]["message"]
    limited = codex(folder, "Hello!", "busy")
    assert limited.status == 1
