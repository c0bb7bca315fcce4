"""What a server adds to streams that come at a provider's pace."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.paced_client import Plan
from benchmarks.peers.processes import cpu_seconds, free_port, running, until_open
from benchmarks.peers.servers import ROOT, Server
from benchmarks.peers.serving import PATH, served
from benchmarks.peers.wrk import WrongAnswers


def measure(
    server: Server | None, peers: Path, streams: int, tokens: int, pace: float
) -> dict[str, Any]:
    """Of a server, or of the upstream and the client alone: `Taken`'s fields, and what of a core
    the server and the upstream used.

    Raises:
        WrongAnswers: Some streams were not what the upstream sent.
        Ended: The server does not run.
    """
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.peers.paced_upstream", str(port), str(pace)]
    upstream = f"http://127.0.0.1:{port}/v1"
    with running(command, os.environ, ROOT) as sending:
        until_open(sending, port)
        if server is None:
            straight = Plan(f"http://127.0.0.1:{port}{PATH}", {}, "gpt-4o", streams, tokens, pace)
            return _take(straight, {"upstream": sending})
        with served(server, peers, upstream) as got:
            plan = Plan(got.url, got.headers, got.model, streams, tokens, pace)
            _take(dataclasses.replace(plan, streams=2, tokens=10, patience=60), {})
            return _take(plan, {"server": got.process, "upstream": sending})


def _take(plan: Plan, watched: dict[str, subprocess.Popen[bytes]]) -> dict[str, Any]:
    before = {name: cpu_seconds(process) for name, process in watched.items()}
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.paced_client"],
        input=json.dumps(dataclasses.asdict(plan)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=plan.limit + 60,
    )
    wall = time.monotonic() - began
    if ran.returncode:
        raise WrongAnswers(f"the client failed: {ran.stderr[-500:]}")
    taken: dict[str, Any] = json.loads(ran.stdout)
    if taken["wrong"]:
        raise WrongAnswers(taken["wrong"])
    for name, process in watched.items():
        taken[f"{name}_cpu"] = (cpu_seconds(process) - before[name]) / wall
    return taken
