"""How long commands and the server take to start, and the memory the server holds then.

Run it on an idle machine: `.venv/bin/python -m benchmarks.start [RUNS]`. Durations are medians of
several runs, each with its least and most, the CPU it took, and as a multiple of starting Python
and importing nothing, measured in the same run. Memory is that of a server that is ready and was
not called yet: resident, and with each page shared out among the processes that hold it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.processes import (
    START_SECONDS,
    Process,
    check_runs,
    cpu_seconds,
    free_port,
    proportional,
    resident,
    running,
    until_open,
)

_GATEWAY = [str(Path(sys.executable).with_name("gateway"))]
_NOTHING = "python -c pass"
_COMMANDS = {
    _NOTHING: [sys.executable, "-c", "pass"],
    "gateway --help": [*_GATEWAY, "--help"],
    "gateway keys list": [*_GATEWAY, "keys", "list"],
}
_MIB = 2**20
_SETTLE_SECONDS = 1.0


class Took(NamedTuple):
    seconds: float
    cpu: float


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    took: dict[str, list[Took]] = defaultdict(list)
    held: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as directory:
        environ = os.environ | {"GATEWAY_DATABASE_URL": f"sqlite:///{directory}/gateway.db"}
        _command([*_GATEWAY, "keys", "create"], environ)
        for _ in range(runs):
            for name, command in _COMMANDS.items():
                took[name].append(_command(command, environ))
            for name, measured in _serve(environ, held):
                took[name].append(measured)
    base = statistics.median(each.seconds for each in took[_NOTHING])
    print(f"{'':28} {'median s':>9} {'min':>6} {'max':>6} {'CPU s':>6} {'x python':>9}")
    for name, each in took.items():
        seconds = [one.seconds for one in each]
        median, cpu = statistics.median(seconds), statistics.median(one.cpu for one in each)
        print(
            f"{name:28} {median:9.2f} {min(seconds):6.2f} {max(seconds):6.2f} {cpu:6.2f} "
            f"{median / base:9.1f}"
        )
    for name, sizes in zip(("resident", "shared out"), zip(*held, strict=True), strict=True):
        low, high = min(sizes) / _MIB, max(sizes) / _MIB
        print(f"{name:28} {statistics.median(sizes) / _MIB:5.0f} MiB ({low:.0f}-{high:.0f})")


def _command(command: list[str], environ: dict[str, str]) -> Took:
    started, cpu = time.perf_counter(), _children()
    subprocess.run(command, env=environ, capture_output=True, check=True)
    return Took(time.perf_counter() - started, _children() - cpu)


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _serve(environ: dict[str, str], held: list[tuple[int, int]]) -> Iterator[tuple[str, Took]]:
    port = free_port()
    started = time.perf_counter()
    command = [*_GATEWAY, "serve", "--port", str(port), "--log-level", "error"]
    with running(command, environ) as server:
        until_open(server, port)
        yield "gateway serve: socket open", _since(started, server)
        limit = time.monotonic() + START_SECONDS
        while not _ready(port):
            check_runs(server, limit)
            time.sleep(0.02)
        yield "gateway serve: ready", _since(started, server)
        time.sleep(_SETTLE_SECONDS)
        held.append((resident(server), proportional(server)))


def _since(started: float, server: Process) -> Took:
    return Took(time.perf_counter() - started, cpu_seconds(server))


def _ready(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/health/readiness"
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    main()
