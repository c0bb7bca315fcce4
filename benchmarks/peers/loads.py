"""How many answers a second a server gives, how late, and what it takes to run it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.canned import WORDS
from benchmarks.peers.processes import Ended, resident
from benchmarks.peers.servers import STRAIGHT, Server
from benchmarks.peers.serving import Served, check, served
from benchmarks.peers.wrk import Load, NoAnswer, WrongAnswers, load

MODES = ("plain", "streamed")
_WARM_UP_SECONDS = 2.0
_LONGEST_SECONDS = 40.0
# Of answers to each connection: fewer would count the start and the end.
_FEWEST = 4


def measure(
    server: Server, peers: Path, nginx: str, connections: Sequence[int], seconds: float
) -> Iterator[dict[str, Any]]:
    """One round of a server: what each load came to, or why it did not, then what running took."""
    for mode in MODES:
        done: dict[str, Any] = {"server": server.name, "mode": mode}
        try:
            with served(server, peers, f"{nginx}/{mode}/v1") as got:
                check(got, stream=mode == "streamed")
                rate = _load(got, mode, 1, _WARM_UP_SECONDS).rate
                for count in connections:
                    taken = _load(got, mode, count, _long_enough(seconds, count, rate))
                    rate = taken.rate
                    figures = {"rate": rate, "p50": taken.p50, "p99": taken.p99}
                    yield done | {"connections": count} | figures
                yield done | {"ready": got.ready, "resident": resident(got.process)}
        except (Ended, WrongAnswers) as error:
            yield done | {"failed": str(error)}


def straight(nginx: str, connections: Sequence[int], seconds: float) -> Iterator[dict[str, Any]]:
    """As `measure`, of the upstream itself: what the instrument can do."""
    for mode in MODES:
        for count in connections:
            url = f"{nginx}/{mode}/v1/chat/completions"
            taken = load(url, {}, b'{"model": "gpt-4o"}', wanted(mode), count, seconds)
            figures = {"rate": taken.rate, "p50": taken.p50, "p99": taken.p99}
            yield {"server": STRAIGHT, "mode": mode, "connections": count} | figures


def _load(got: Served, mode: str, connections: int, seconds: float) -> Load:
    body = got.body(stream=mode == "streamed")
    given = (got.url, got.headers, body, wanted(mode), connections)
    try:
        return load(*given, seconds)
    except NoAnswer:
        # Some give fewer answers a second the more are asked for.
        return load(*given, _LONGEST_SECONDS)


def wanted(mode: str) -> tuple[str, str]:
    return WORDS[-1], "[DONE]" if mode == "streamed" else ""


def _long_enough(seconds: float, connections: int, rate: float) -> float:
    return min(_LONGEST_SECONDS, max(seconds, _FEWEST * connections / rate))
