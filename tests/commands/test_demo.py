"""`gateway demo`: what it prints works when pasted."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.processes import COMMAND, environment


@contextlib.asynccontextmanager
async def demo(
    directory: Path, *arguments: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run `gateway demo` on a free port; yields what it has printed once it is up."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "demo", "--port", "0", *arguments,
        env=environment(directory, TMPDIR=str(directory)), cwd=directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        shown = await asyncio.wait_for(process.stdout.readuntil(b"Stop it with Ctrl-C.\n"), 60)
        yield shown.decode(), process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


async def test_the_printed_snippets_work_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    async with demo(tmp_path) as (shown, process):
        [curl] = re.findall(r"^curl .*?'$", shown, re.DOTALL | re.MULTILINE)
        called = await asyncio.to_thread(
            subprocess.run, curl, shell=True, capture_output=True, text=True, check=True
        )
        assert '"content":"You said: Hello!"' in called.stdout
        [python] = re.findall(r"^from openai.*?^print\(\)$", shown, re.DOTALL | re.MULTILINE)
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", python],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == "You said: Hello, streamed!\n"
        await _leaves_nothing(tmp_path, process, signal.SIGINT)


async def test_an_end_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    async with demo(tmp_path) as (_, process):
        await _leaves_nothing(tmp_path, process, signal.SIGTERM)


async def _leaves_nothing(
    directory: Path, process: asyncio.subprocess.Process, how: signal.Signals
) -> None:
    assert len(list(directory.glob("gateway-demo-*"))) == 1
    process.send_signal(how)
    await asyncio.wait_for(process.wait(), 20)
    assert list(directory.iterdir()) == []


async def test_a_directory_is_kept_and_used_again(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for _ in range(2):
        async with demo(tmp_path, "--directory", str(kept)) as (shown, _):
            assert "The gateway is up." in shown
    assert (kept / "gateway.db").exists()
