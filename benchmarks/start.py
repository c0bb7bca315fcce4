"""How long commands and the server take to start, and the memory the server holds then.

Run it on an idle machine: `.venv/bin/python -m benchmarks.start [RUNS]`. Durations are given as
medians of several runs, with their CPU, and as a multiple of starting Python and importing nothing,
measured in the same run. Memory is that of a server that nobody has called yet: resident, and with
each page shared out among the processes that hold it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

GATEWAY = [str(Path(sys.executable).with_name("gateway"))]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as directory:
        environ = os.environ | {"GATEWAY_DATABASE_URL": f"sqlite:///{directory}/gateway.db"}
        subprocess.run([*GATEWAY, "keys", "create"], env=environ, capture_output=True, check=True)
        figures = {
            "python -c pass": [
                _command([sys.executable, "-c", "pass"], environ) for _ in range(runs)
            ],
            "gateway --help": [_command([*GATEWAY, "--help"], environ) for _ in range(runs)],
            "gateway keys list": [
                _command([*GATEWAY, "keys", "list"], environ) for _ in range(runs)
            ],
        }
        served = [_serve(environ) for _ in range(runs)]
        figures["gateway serve: socket open"] = [opened for opened, _ in served]
        figures["gateway serve: ready"] = [ready for _, ready in served]
    base = statistics.median(figures["python -c pass"])
    print(f"{'':28} {'median s':>9} {'min':>6} {'max':>6} {'x python':>9}")
    for name, seconds in figures.items():
        median = statistics.median(seconds)
        print(
            f"{name:28} {median:9.2f} {min(seconds):6.2f} {max(seconds):6.2f} {median / base:9.1f}"
        )


def _command(command: list[str], environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environ, capture_output=True, check=True)
    return time.perf_counter() - started


def _serve(environ: dict[str, str]) -> tuple[float, float]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = time.perf_counter()
    command = [*GATEWAY, "serve", "--port", str(port), "--log-level", "error"]
    server = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        while not _open(port):
            time.sleep(0.005)
        opened = time.perf_counter() - started
        while not _ready(port):
            time.sleep(0.02)
        return opened, time.perf_counter() - started
    finally:
        server.terminate()
        server.wait()


def _open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _ready(port: int) -> bool:
    with contextlib.suppress(OSError):
        url = f"http://127.0.0.1:{port}/health/readiness"
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    return False


if __name__ == "__main__":
    main()
