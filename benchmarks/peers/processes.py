"""Processes that are measured: started, waited for, looked at, and ended by their id."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

START_SECONDS = 90.0
_END_SECONDS = 15.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")

Process = subprocess.Popen[bytes]


class Ended(Exception):
    """A process that should run does not, or not in time."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextlib.contextmanager
def running(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    log: Path | None = None,
) -> Iterator[Process]:
    """Run a command, and end it. What it says is kept in the log, or nowhere."""
    with open(log or os.devnull, "wb") as said:
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_open(process: Process, port: int) -> None:
    """Wait for the socket.

    Raises:
        Ended: It does not open.
    """
    limit = time.monotonic() + START_SECONDS
    while True:
        check_runs(process, limit)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)


def check_runs(process: Process, limit: float) -> None:
    """Raises:
    Ended: The process has ended, or the limit, by `time.monotonic`, is over.
    """
    if process.poll() is not None:
        raise Ended(f"{process.args!r} ended with status {process.returncode}")
    if time.monotonic() > limit:
        raise Ended(f"{process.args!r} was not ready in time")


def resident(process: Process) -> int:
    """The bytes of memory that it holds."""
    return int(_proc(process.pid, "statm").split()[1]) * _PAGE


def proportional(process: Process) -> int:
    """The bytes of memory that it holds, each page shared out among those that hold it too."""
    return _bytes(process, "smaps_rollup", "Pss")


def most_resident(process: Process) -> int:
    """The bytes of memory that it has ever held; 0 once it has ended."""
    return _bytes(process, "status", "VmHWM")


def _bytes(process: Process, name: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", _proc(process.pid, name), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def cpu_seconds(process: Process) -> float:
    """What it has used so far, in all of its threads."""
    return _cpu_seconds(process.pid)


def cpu_seconds_with_children(process: Process) -> float:
    """The same, with the processes that it has started and that run."""
    children = _proc(process.pid, f"task/{process.pid}/children").split()
    return _cpu_seconds(process.pid) + sum(_cpu_seconds(int(pid)) for pid in children)


def _cpu_seconds(pid: int) -> float:
    # The command's name, in brackets, may hold blanks.
    fields = _proc(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()
