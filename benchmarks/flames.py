"""Flame graphs of the gateway under load: `python -m benchmarks.flames`, into docs/profiles.

Needs nginx and wrk (in Debian: nginx-light, wrk) and py-spy (`pip install py-spy`), which may have
to be run by root. Prints the share of samples that each of the gateway's parts was in.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.peers.canned import nginx
from benchmarks.peers.loads import MODES, wanted
from benchmarks.peers.servers import ROOT, SERVERS
from benchmarks.peers.serving import Served, check, served
from benchmarks.peers.wrk import load

_LANES = ("direct", "litellm")
_CONNECTIONS = 16
# What stands for a part, in the order in which it is looked for in a stack, from its top.
_PARTS = {
    "send to the client": ("_Gathering._send",),
    "send to the provider": ("Connection.send (gateway/upstream/http_connection",),
    "ledger in the database": ("(gateway/store/", "(sqlalchemy/", "(aiosqlite/"),
    "litellm": ("(litellm/",),
    "openai package": ("(openai/",),
    "HTTP client": (
        *(f"(gateway/upstream/http_{part}" for part in ("client", "connection", "reader")),
        "(aiohttp/",
        "(httpx/",
        "(httpcore/",
    ),
    "HTTP server": ("(uvicorn/", "(starlette/"),
    "reading the request": ("read_call",),
    "limits, budget, ledger row": (
        "gateway/accounting",
        "gateway/bill",
        "gateway/limits",
        "gateway/ledger",
        "gateway/journal",
    ),
    "the rest of the gateway": ("(gateway/",),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.flames", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "profiles")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for lane in _LANES:
        for mode in MODES:
            _profile(lane, mode, given.seconds, given.output / f"{lane}-{mode}.svg")


def _profile(lane: str, mode: str, seconds: int, output: Path) -> None:
    [server] = [each for each in SERVERS if each.name == lane]
    with (
        tempfile.TemporaryDirectory() as directory,
        nginx(Path(directory)) as upstream,
        served(server, Path(directory), f"{upstream}/{mode}/v1") as got,
    ):
        stream = mode == "streamed"
        check(got, stream=stream)
        # Until it is warm.
        _call(got, stream, 3)
        raw = Path(directory, "raw")
        for form, path in (("raw", raw), ("flamegraph", output)):
            recording = _record(got, seconds, form, path)
            _call(got, stream, seconds + 2)
            if recording.wait():
                raise SystemExit("py-spy could not look at the process")
        _tell(f"{lane}, {mode}", raw.read_text().splitlines())


def _call(got: Served, stream: bool, seconds: float) -> None:
    headers = got.headers | {"Content-Type": "application/json"}
    body, sought = got.body(stream=stream), wanted("streamed" if stream else "plain")
    load(got.url, headers, body, sought, _CONNECTIONS, seconds)


def _record(got: Served, seconds: int, form: str, output: Path) -> subprocess.Popen[bytes]:
    if shutil.which("py-spy") is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    command = ["py-spy", "record", "--gil", "--nonblocking", "--rate", "250", "--format", form]
    command += [
        "--duration",
        str(seconds),
        "--pid",
        str(got.process.pid),
        "--output",
        os.path.relpath(output, ROOT),
    ]
    # Its graphs tell how it was called; not where this checkout is.
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _tell(title: str, stacks: list[str]) -> None:
    parts: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")[::-1]
        parts[_part(frames)] += int(count)
    print(title)
    for part, samples in parts.most_common():
        print(f"  {samples / parts.total():6.1%}  {part}")


def _part(frames: list[str]) -> str:
    for frame in frames:
        for part, marks in _PARTS.items():
            if any(mark in frame for mark in marks):
                return part
    return "the event loop"


if __name__ == "__main__":
    main()
