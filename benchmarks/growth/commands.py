"""What a command of the CLI takes: seconds, and memory at its most."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.processes import most_resident
from benchmarks.peers.servers import ROOT


@dataclass(frozen=True, slots=True)
class Run:
    """Attributes:
    seconds: From its start to its end.
    cpu: Seconds of CPU.
    memory: Bytes, resident, at most.
    """

    seconds: float
    cpu: float
    memory: int


def run(database: Path, arguments: Sequence[str]) -> Run:
    """Run a command of the gateway's on a database.

    Raises:
        RuntimeError: It failed.
    """
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "GATEWAY_DATABASE_URL": f"sqlite:///{database}",
    }
    command = [sys.executable, "-m", "gateway", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    memory = ended = 0
    while not ended:
        time.sleep(0.005)
        # Not what `wait4` tells of it: that includes this process, before the command's began.
        memory = max(memory, most_resident(process))
        ended, status, took = os.wait4(process.pid, os.WNOHANG)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Run(seconds, took.ru_utime + took.ru_stime, memory)
