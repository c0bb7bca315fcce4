"""What a second worker gives, and what it costs to count in Redis: whole answers a second.

    python -m benchmarks.workers [--rounds N] [--seconds N] [--connections N]

Each lane with one process that counts by itself, with one that counts in Redis, and with two. The
key has limits of requests and tokens a minute, and a budget. Needs redis-server, nginx and
wrk; all of them share the machine's cores. A ratio is taken within each round, then its median.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import httpx

from benchmarks.peers.canned import WORDS, nginx
from benchmarks.peers.processes import (
    Process,
    cpu_seconds,
    cpu_seconds_with_children,
    free_port,
    running,
    until_open,
)
from benchmarks.peers.servers import SERVERS, Place, Server, Started
from benchmarks.peers.serving import check, served
from benchmarks.peers.wrk import load

_WARM_UP_SECONDS = 3.0
# In a row, before every worker is taken to be ready.
_READY = 30


@dataclass(frozen=True, slots=True)
class Way:
    """How the gateway runs."""

    title: str
    workers: int
    redis: bool


WAYS = (Way("alone", 1, False), Way("redis", 1, True), Way("two", 2, True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--lanes", nargs="+", default=["litellm", "direct"])
    given = parser.parse_args()
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as directory,
        nginx(Path(directory)) as url,
    ):
        for number in range(given.rounds):
            for lane in given.lanes:
                # None always comes after the same other.
                for way in WAYS[number % 3 :] + WAYS[: number % 3]:
                    rate, told = _measure(lane, way, url, given.connections, given.seconds)
                    rates[lane, way.title].append(rate)
                    print(f"round {number + 1}, {lane}, {way.title}: {told}", flush=True)
    for lane in given.lanes:
        alone, one, two = (rates[lane, way.title] for way in WAYS)
        print(
            f"{lane}: alone {median(alone):,.0f}, in Redis {median(one):,.0f} "
            f"({_ratio(one, alone):.2f} of it), two workers {median(two):,.0f} "
            f"({_ratio(two, one):.2f} times one in Redis, {_ratio(two, alone):.2f} times one alone)"
        )


def _ratio(these: list[float], those: list[float]) -> float:
    return median(this / that for this, that in zip(these, those, strict=True))


def _measure(lane: str, way: Way, url: str, connections: int, seconds: float) -> tuple[float, str]:
    """Answers a second, and all that there is to tell."""
    with _redis() as (redis, redis_url):
        server = _server(lane, way, redis_url)
        with served(server, Path(), f"{url}/plain/v1") as got:
            check(got, stream=False)
            body = got.body(stream=False)
            given = got.url, got.headers, body, (WORDS[-1], ""), connections
            load(*given, _WARM_UP_SECONDS)
            began = cpu_seconds_with_children(got.process), cpu_seconds(redis)
            taken = load(*given, seconds)
            ours = cpu_seconds_with_children(got.process) - began[0]
            its = cpu_seconds(redis) - began[1]
    answers = taken.rate * seconds
    return (
        taken.rate,
        f"{taken.rate:,.0f} a second, p50 {taken.p50:.1f} ms, p99 {taken.p99:.1f} ms; "
        f"CPU for each: gateway {ours / answers * 1e3:.2f} ms, Redis {its / answers * 1e3:.2f} ms",
    )


@contextmanager
def _redis() -> Iterator[tuple[Process, str]]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        sys.exit("needs redis-server or valkey-server; in Debian: apt-get install redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(command) as process:
        until_open(process, port)
        yield process, f"redis://127.0.0.1:{port}/0"


def _server(lane: str, way: Way, redis_url: str) -> Server:
    """The gateway as it is measured beside others, but for this."""
    base = next(each for each in SERVERS if each.name == lane)

    def start(place: Place) -> Started:
        started = base.start(place)
        environ = started.environ | ({"GATEWAY_REDIS_URL": redis_url} if way.redis else {})
        return Started([*started.command, "--workers", str(way.workers)], environ)

    def prepare(place: Place) -> dict[str, str]:
        headers = base.prepare(place)
        answers = 0
        while answers < _READY:
            ready = httpx.get(f"{place.url}/health/readiness", timeout=5).status_code == 200
            answers = answers + 1 if ready else 0
            time.sleep(0.05)
        return headers

    return replace(base, start=start, prepare=prepare)


if __name__ == "__main__":
    main()
