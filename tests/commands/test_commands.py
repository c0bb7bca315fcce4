"""What holds for the whole command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from tests.commands.conftest import Run
from tests.processes import ROOT
from tests.processes import run as run_process


def test_help_names_every_command_and_the_exit_codes(run: Run) -> None:
    shown = run("--help").out
    for command in (
        "serve",
        "demo",
        "models",
        "keys",
        "teams",
        "usage",
        "config",
        "admin",
        "audit",
        "settings",
        "prune",
        "doctor",
    ):
        assert f"\n  {command} " in shown
    assert "Exit codes: 0 done" in shown
    assert "--install-completion" in shown


@pytest.mark.parametrize(
    "command",
    ["serve", "demo", "doctor", "models add", "models list", "models show", "models update",
     "models remove", "models test", "keys create", "keys list", "keys show", "keys update",
     "keys rotate", "keys block", "keys unblock", "keys revoke", "teams create", "teams list",
     "teams show", "teams update", "teams delete", "teams block", "teams unblock",
     "config check", "config apply", "config export", "config import-litellm", "config schema",
     "admin rotate-key", "admin create-key", "usage requests", "usage tail", "audit",
     "settings show", "settings set", "prune"],
)  # fmt: skip
def test_every_command_explains_itself(run: Run, command: str) -> None:
    shown = run(*command.split(), "--help")
    assert shown.code == 0
    assert f"gateway {command} [OPTIONS]" in shown.out
    assert len(shown.out.splitlines()) > 5


def test_the_version(run: Run) -> None:
    assert run("--version").out == f"{__version__}\n"


def test_completion_scripts_are_printed() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "gateway", "--show-completion", "bash"],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={"PATH": "/usr/bin:/bin", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )  # fmt: skip
    assert "_GATEWAY_COMPLETE=complete_bash" in shown.stdout


@pytest.mark.parametrize("arguments", [[], ["models"], ["frobnicate"], ["keys", "create", "--x"]])
def test_wrong_usage_is_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.sqlite
def test_a_database_url_can_be_given(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    run("--database-url", url, "keys", "create")
    assert (tmp_path / "other.db").exists()
    assert len(run("--database-url", url, "keys", "list", "--json").json) == 1
    assert run("keys", "list", "--json").json == []


def test_a_bad_environment_is_2_and_names_the_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "mysql://x")
    refused = run("keys", "list")
    assert refused.code == 2
    assert refused.err.startswith("Error: GATEWAY_DATABASE_URL names no database")


@pytest.mark.sqlite
def test_a_file_that_is_no_database_is_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"not a database, and long enough to be looked at" * 99)
    broken = run("keys", "list")
    assert broken.code == 1
    assert "Cannot use the database" in broken.err
    assert "Traceback" not in broken.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["keys", "list"],
        ["teams", "list"],
        ["models", "list"],
        ["models", "add", "--help"],
    ],
)
def test_what_takes_long_is_imported_where_it_must_alone(
    tmp_path: Path, arguments: list[str]
) -> None:
    code = (
        "import sys\nfrom gateway.commands import main\n"
        "try:\n    main()\nfinally:\n"
        "    print({'litellm', 'pydantic', 'starlette'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True,
        env={"GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/g.db"}, check=False,
    )  # fmt: skip
    assert ran.stdout.splitlines()[-1] == "set()"


def test_from_a_checkout(tmp_path: Path) -> None:
    ran = run_process(tmp_path, "--version")
    assert (ran.returncode, ran.stdout) == (0, f"{__version__}\n")
