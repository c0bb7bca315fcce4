"""What litellm is kept from; tests/upstream/test_no_call_home.py has its connections."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.upstream import litellm_setup
from tests.processes import ROOT
from tests.servers import Gateway

litellm: Any = litellm_setup.load()


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


async def test_what_is_left_out_of_a_call_is_what_litellm_would_do(
    gateway: Gateway, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another version that asks for it by another name nothing would be left out."""
    asked: list[str] = []
    utils, main = litellm.utils, litellm.main
    monkeypatch.setattr(utils, "update_response_metadata", lambda **_: asked.append("metadata"))
    monkeypatch.setattr(utils, "_dispatch_success_logging", lambda **_: asked.append("logs"))
    look_up = main.get_model_info_helper

    def noted(**named: Any) -> Any:
        asked.append("model")
        return look_up(**named)

    monkeypatch.setattr(main, "get_model_info_helper", noted)
    assert (await gateway.chat(key, "fake-openai")).status_code == 200
    assert set(asked) == {"logs", "metadata", "model"}


def test_what_is_known_of_a_model_is_not_shared() -> None:
    """litellm writes into it which of OpenAI's APIs this one call is to go by."""
    utils, main = litellm.utils, litellm.main
    known = main.get_model_info_helper(model="gpt-4o", custom_llm_provider="openai")
    assert known == utils.get_model_info_helper("gpt-4o", "openai")
    known["mode"] = "responses"
    again = main.get_model_info_helper(model="gpt-4o", custom_llm_provider="openai")
    assert again["mode"] == "chat"


@pytest.mark.parametrize(("model", "here"), [("fake-openai", True), ("fake-bedrock", False)])
async def test_a_chat_is_prepared_in_a_thread_where_credentials_may_be_asked_for(
    gateway: Gateway, key: str, model: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = litellm.main
    threads: list[threading.Thread] = []
    prepare = main.completion

    def noted(**named: Any) -> Any:
        threads.append(threading.current_thread())
        return prepare(**named)

    monkeypatch.setattr(main, "completion", noted)
    await gateway.chat(key, model)
    assert [thread is threading.main_thread() for thread in threads] == [here]
