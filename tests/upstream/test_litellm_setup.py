"""What litellm is kept from; tests/upstream/test_no_call_home.py has its connections."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT


def test_no_env_file_is_read_on_import(tmp_path: Path) -> None:
    """litellm would load one from the working directory, or above, into the environment."""
    (tmp_path / ".env").write_text("FROM_AN_ENV_FILE=1\n")
    assert _after_load("os.environ.get('FROM_AN_ENV_FILE')", tmp_path) == "None"


def test_what_the_openai_package_finds_imported_is_imported_whole(tmp_path: Path) -> None:
    """It looks into `sys.modules`, where another thread may just have begun to import httpx2."""
    wanted = "hasattr(sys.modules['openai._httpx2']._loaded_httpx2(), 'Timeout')"
    assert _after_load(wanted, tmp_path) == "True"


def test_a_coroutine_that_litellm_leaves_behind_is_no_warning(tmp_path: Path) -> None:
    """Python would keep the source of each module that such a warning names."""
    assert _after_load("type(__import__('asyncio').sleep(0)).__name__", tmp_path) == "coroutine"


def _after_load(expression: str, directory: Path) -> str:
    """What a process of its own prints of it, once litellm is loaded."""
    program = (
        "import os, sys\nfrom gateway.upstream import litellm_setup\nlitellm_setup.load()\n"
        f"print({expression})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "never awaited" not in ran.stderr
    return ran.stdout.strip()
