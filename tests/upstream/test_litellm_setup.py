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
    program = (
        "import os\nfrom gateway.upstream import litellm_setup\nlitellm_setup.load()\n"
        "print(os.environ.get('FROM_AN_ENV_FILE'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "None\n"
