"""Running commands in the test's own process, where coverage and speed are better."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import main
from tests.processes import variables


@dataclass
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(
    tmp_path: Path,
    database_kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run `gateway ARGUMENTS` on a new database, of SQLite's in tmp_path, as from a script: not on
    a terminal."""
    for name in ("GATEWAY_ADMIN_KEY", "GATEWAY_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path}/gateway.db")
    if database_kind == "postgresql":
        for name, value in variables(request.getfixturevalue("settings")).items():
            monkeypatch.setenv(name, value)

    def command(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
        captured = capsys.readouterr()
        assert isinstance(code, int | None)
        return Result(code or 0, captured.out, captured.err)

    return command
