"""A long run under mixed traffic with faults and key churn: does anything grow?

    .venv/bin/python -m benchmarks.soak --minutes 20

Starts a gateway and a provider of its own on loopback, calls them for so long, and prints requests,
errors, and what the gateway held over time: resident memory, blocks of memory that Python has given
out, open files, tasks; for each, after the warm-up, the slope an hour with its 95 % interval. Exit
status 1 where something grew, or where the gateway was at fault.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.soak.load import Load
from benchmarks.soak.trend import trend

Sample = dict[str, Any]

_ADMIN_KEY = "sk-soak-admin-0123456789abcdef"
_MIB = 2**20
_ROWS = 20
_READINGS = {
    "resident": (_MIB, "MiB"),
    "blocks": (1000, "thousand"),
    "files": (1, "files"),
    "tasks": (1, "tasks"),
}
# So much growth an hour is none that would matter in a month, whatever its interval.
_NEGLIGIBLE = {"resident": 2.0, "blocks": 10.0, "files": 1.0, "tasks": 1.0}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--warm-up", type=float, default=None, help="minutes; a third if not set")
    parser.add_argument("--faults", type=float, default=0.2, help="share of flaky calls that fail")
    parser.add_argument("--callers", type=int, default=12, help="who call, each again and again")
    parser.add_argument("--changes", type=float, default=2, help="keys replaced a second")
    given = parser.parse_args()
    # SQLite's caches and the threads' heaps fill for some 15,000 calls.
    warm_up = given.minutes / 3 if given.warm_up is None else given.warm_up
    return asyncio.run(_soak(given, given.minutes * 60, warm_up * 60))


async def _soak(given: argparse.Namespace, seconds: float, warm_up: float) -> int:
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            **os.environ,
            "GATEWAY_DATABASE_URL": f"sqlite:///{directory}/gateway.db",
            "GATEWAY_ADMIN_KEY": _ADMIN_KEY,
        }
        async with (
            _process("benchmarks.soak.upstream", environment, str(given.faults)) as (upstream, _),
            _process("benchmarks.soak.served", environment) as (gateway, served),
            httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=64)) as http,
        ):
            reading = asyncio.create_task(_read(served, samples))
            await _until_ready(http, gateway)
            load = Load(gateway, upstream, _ADMIN_KEY, http, given.callers, given.changes)
            await load.set_up()
            began = time.time()
            await load.run(time.monotonic() + seconds)
            ended = time.time()
            # What is left when nobody calls any more.
            await http.aclose()
            await asyncio.sleep(3)
            reading.cancel()
        kept = sum(path.stat().st_size for path in Path(directory).glob("gateway.db*"))
    calls = sum(load.outcomes.values())
    print(f"{calls:,} calls in {ended - began:,.0f} s ({calls / (ended - began):.0f}/s)")
    for outcome, count in load.outcomes.most_common():
        print(f"  {outcome:16} {count:10,}")
    print(f"Faults of the gateway: {dict(load.faults) or 'none'}")
    print(f"The database and what is beside it: {kept / _MIB:.1f} MiB")
    during = [sample for sample in samples if began <= sample["at"] <= ended]
    _table(during, began)
    grew = _trends([s for s in during if s["at"] >= began + warm_up], (seconds - warm_up) / 20)
    last = samples[-1]
    print(f"At rest afterwards: {last['tasks']} tasks, {last['files']} files")
    return 1 if grew or load.faults else 0


def _table(samples: Sequence[Sample], began: float) -> None:
    print(f"\n{'minute':>8} {'MiB':>8} {'blocks':>10} {'files':>6} {'tasks':>6}")
    for sample in samples[:: max(1, len(samples) // _ROWS)]:
        minute = (sample["at"] - began) / 60
        resident = sample["resident"] / _MIB
        held = f"{sample['blocks']:10,} {sample['files']:6} {sample['tasks']:6}"
        print(f"{minute:8.1f} {resident:8.1f} {held}")


def _trends(samples: Sequence[Sample], block: float) -> bool:
    """Print the slopes; whether any reading grew."""
    times = [sample["at"] for sample in samples]
    grew = False
    print("\nSlopes after the warm-up, an hour, with 95 % intervals:")
    for name, (unit, label) in _READINGS.items():
        found = trend(times, [sample[name] / unit for sample in samples], block)
        grows = not found.flat and found.slope > _NEGLIGIBLE[name]
        grew |= grows
        said = "GROWS" if grows else "flat"
        print(f"  {name:9} {found.slope:+9.2f} ± {found.margin:.2f} {label:6} {said}")
    return grew


@contextlib.asynccontextmanager
async def _process(
    module: str, environment: dict[str, str], *arguments: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, str(port), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _read(process: asyncio.subprocess.Process, samples: list[Sample]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        samples.append(json.loads(line))


async def _until_ready(http: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(f"{url}/health/readiness")).status_code == 200:
                    return
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
