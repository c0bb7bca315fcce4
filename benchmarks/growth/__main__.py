"""What a call, a start and memory take, as models, keys and the ledger grow.

    .venv/bin/python -m benchmarks.growth

Makes databases of each size, starts the gateway on them in turn, round after round, and writes
benchmarks/GROWTH.md.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.growth.commands import Run, run
from benchmarks.growth.databases import Size, make
from benchmarks.growth.report import Axis, report
from benchmarks.growth.serving import Taken, measure
from benchmarks.peers import machine
from benchmarks.peers.canned import nginx
from benchmarks.peers.servers import ROOT

_SIZES: dict[str, Callable[[int], Size]] = {
    "models": lambda count: Size(models=count),
    "keys": lambda count: Size(keys=count),
    "ledger rows": lambda count: Size(models=8, keys=100, rows=count),
}
_COUNTS: dict[str, tuple[int, ...]] = {
    "models": (1, 100, 10_000),
    "keys": (1, 1_000, 100_000),
    "ledger rows": (0, 100_000, 5_000_000),
}
_QUICK: dict[str, tuple[int, ...]] = {
    "models": (1, 100),
    "keys": (1, 1_000),
    "ledger rows": (0, 10_000),
}
_COMMANDS = {
    "models": ("models list",),
    "keys": ("keys list", "keys list --limit 1000000 --json"),
    "ledger rows": (
        "keys list",
        "usage",
        "usage --by key --since 80d",
        "usage --by end_user --since 7d",
        "usage --percentiles",
        "usage requests",
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=3000, help="of each round")
    parser.add_argument("--axes", type=lambda text: text.split(","), default=list(_SIZES))
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/GROWTH.md")
    given = parser.parse_args()
    if unknown := set(given.axes) - set(_SIZES):
        parser.error(f"there is nothing called {', '.join(sorted(unknown))}")
    # Whoever ends this ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    about = machine.described()
    counts = {name: (_QUICK if given.quick else _COUNTS)[name] for name in given.axes}
    taken: dict[tuple[str, int], dict[int, Taken]] = {}
    runs: dict[tuple[str, int, str], list[Run]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="growth-") as directory,
        nginx(Path(directory)) as url,
    ):
        databases = _made(Path(directory), counts, f"{url}/plain/v1")
        for number in range(given.rounds):
            for name, count in databases:
                size, path = _SIZES[name](count), databases[name, count]
                got = measure(path, size, f"{url}/plain/v1", given.calls)
                taken.setdefault((name, count), {})[number] = got
                print(number, name, count, got, flush=True)
        for _ in range(min(given.rounds, 3)):
            for name, count in databases:
                for command in _COMMANDS[name]:
                    ran = run(databases[name, count], command.split())
                    runs.setdefault((name, count, command), []).append(ran)
                    print(name, count, command, ran, flush=True)
    options = f"rounds {given.rounds}, calls {given.calls}"
    page = report(about, options, _axes(counts, taken, runs))
    given.output.write_text(page)
    print(page)
    return 0


def _made(
    directory: Path, counts: dict[str, tuple[int, ...]], upstream: str
) -> dict[tuple[str, int], Path]:
    """The databases of all sizes, each in a folder of its own."""
    made = {}
    for name, each in counts.items():
        for count in each:
            path = directory / f"{name.replace(' ', '-')}-{count}" / "gateway.db"
            path.parent.mkdir()
            asyncio.run(make(path, _SIZES[name](count), upstream))
            made[name, count] = path
    return made


def _axes(
    counts: dict[str, tuple[int, ...]],
    taken: dict[tuple[str, int], dict[int, Taken]],
    runs: dict[tuple[str, int, str], list[Run]],
) -> Sequence[Axis]:
    return [
        Axis(
            name,
            each,
            {count: taken[name, count] for count in each},
            {
                command: {count: runs[name, count, command] for count in each}
                for command in _COMMANDS[name]
            },
        )
        for name, each in counts.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
