"""`RESULTS.md`, of what was measured and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from benchmarks.peers.figures import Spread, differences, ratios, shown, spread
from benchmarks.peers.servers import SERVERS, STRAIGHT

Results = dict[str, Any]
Cell = tuple[str, int]
"""A mode, and how many connections."""

_TITLES = {server.name: server.title for server in SERVERS}
_NOTHING = "–"
_PACED: list[Callable[[dict[str, Any]], float]] = [
    lambda done: float(done["first"][0]),
    lambda done: float(done["first"][1]),
    lambda done: float(done["delay"][0]),
    lambda done: float(done["delay"][1]),
    lambda done: float(done["total"]),
]
_PACED_COLUMNS = (
    "first token, ms: p50",
    "p99",
    "each token, ms: p50",
    "p99",
    "whole stream, s",
    "server's CPU",
    "instrument's CPU",
)
_INTRODUCTION = """# Measured side by side

Written by `benchmarks/run`, which anyone can run; nothing here is by hand. Upstream: nginx that
answers a canned chat completion, whole or in 66 chunks (64 tokens, the end's reason, the usage).
Load: `wrk`, one thread, POST; an answer that is no 200, lacks its text, or is a stream that does
not end in `[DONE]` fails the run. All on loopback and on the same cores, load and upstream too; one
server process, started anew for each round and mode. A figure is the median of {rounds} round(s),
in brackets the smallest and the largest. A ratio is taken within each round, then its median.

![Answers a second]({picture})
"""
_AGAIN = """
## Run it again

In a clone, with Python, npm, and Debian's `nginx-light` and `wrk`, on a machine that is otherwise
idle:

```sh
benchmarks/run                       # all of it
benchmarks/run --rounds 1 --seconds 2 --servers direct,forwarder
benchmarks/run --help
```

The peers' environments come from locks with hashes, into `.benchmarks/`. `results.json` has every
single measurement.
"""


def report(results: Results) -> str:
    """The page, of as many rounds as there are."""
    rounds = 1 + max((done["round"] for done in results["loads"]), default=0)
    return "\n".join(
        [
            _INTRODUCTION.format(rounds=rounds, picture="results.svg"),
            *_facts(results),
            *_rates(results),
            *_compared(results, "direct"),
            *_compared(results, "litellm"),
            *_latencies(results),
            *_starts(results),
            *_paced(results),
            *_failures(results),
            _AGAIN,
        ]
    )


def cells(results: Results) -> list[Cell]:
    """The columns of most tables, in order."""
    found = [(done["mode"], done["connections"]) for done in results["loads"] if "rate" in done]
    return sorted(dict.fromkeys(found))


def by_round(results: Results, server: str, figure: str, cell: Cell) -> dict[int, float]:
    """What each round measured."""
    mode, connections = cell
    return {
        done["round"]: done[figure]
        for done in results["loads"]
        if done["server"] == server
        and done["mode"] == mode
        and done.get("connections") == connections
    }


def _names(part: Sequence[dict[str, Any]]) -> list[str]:
    measured = {done["server"] for done in part}
    return [name for name in (STRAIGHT, *_TITLES) if name in measured]


def _title(name: str) -> str:
    return _TITLES.get(name, "*straight at the upstream*")


def _facts(results: Results) -> Iterator[str]:
    for name, value in results["about"].items():
        yield f"- {name.capitalize()}: {value}"
    versions = results["versions"].items()
    yield f"- Versions: {', '.join(f'{name} {version}' for name, version in versions)}"
    options = results["options"].items()
    yield f"- Options: {', '.join(f'{name} {value}' for name, value in options)}\n"
    yield "What each does while it is measured, and what it has not:\n"
    for server in SERVERS:
        yield f"- {server.title}: {server.about}"


def _rates(results: Results) -> Iterator[str]:
    yield "\n## Answers a second\n"
    yield from _table(
        results, _names(results["loads"]), lambda name, cell: _rate(results, name, cell)
    )


def _rate(results: Results, name: str, cell: Cell) -> str:
    found = spread(list(by_round(results, name, "rate", cell).values()))
    return _spread(found) if found else _why_not(results, name, cell[0])


def _compared(results: Results, name: str) -> Iterator[str]:
    others = [other for other in _names(results["loads"]) if other not in (name, STRAIGHT)]
    if name not in _names(results["loads"]):
        return
    yield f"\n## {_title(name).strip('*').capitalize()}, as a multiple of\n"
    mine = {cell: by_round(results, name, "rate", cell) for cell in cells(results)}
    yield from _table(
        results,
        others,
        lambda other, cell: _spread(ratios(mine[cell], by_round(results, other, "rate", cell))),
    )


def _latencies(results: Results) -> Iterator[str]:
    yield "\n## Time to a whole answer: p50 / p99, in ms\n"
    yield "Each connection waits for its answer before it asks again.\n"

    def both(name: str, cell: Cell) -> str:
        found = [
            spread(list(by_round(results, name, figure, cell).values()))
            for figure in ("p50", "p99")
        ]
        return " / ".join(shown(each.median) if each else _NOTHING for each in found)

    yield from _table(results, _names(results["loads"]), both)


def _starts(results: Results) -> Iterator[str]:
    yield "\n## To run it\n"
    yield "Memory is resident, of the process, after the load.\n"
    yield "| | ready after, s | MiB, plain | MiB, streamed |\n|---|---|---|---|"
    for name in _names(results["loads"]):
        found = [d for d in results["loads"] if d["server"] == name and "ready" in d]
        if not found:
            continue
        held = {
            mode: spread([d["resident"] / 2**20 for d in found if d["mode"] == mode])
            for mode in ("plain", "streamed")
        }
        ready = _spread(spread([done["ready"] for done in found]))
        yield f"| {_title(name)} | {ready} | {' | '.join(map(_spread, held.values()))} |"


def _paced(results: Results) -> Iterator[str]:
    options = results["options"]
    if not results["paced"]:
        return
    yield "\n## Added to streams at a steady pace\n"
    yield (
        f"An upstream of {options['pace']:g} tokens a second; so many streams of "
        f"{options['tokens']:,} tokens at once, and besides them short ones, ten a second, that "
        "show when a first token comes. Each token holds the moment it was sent. The first row is "
        "upstream and client alone, in absolute figures; the rows below are what a server adds to "
        "that, round by round. CPU is in cores: the server's, and the upstream's and the client's "
        "together, which share the machine with it."
    )
    for streams in options["streams"]:
        found = [done for done in results["paced"] if done["streams"] == streams]
        yield f"\n{streams} streams at once:\n"
        yield f"| | {' | '.join(_PACED_COLUMNS)} |"
        yield "|---" * (1 + len(_PACED_COLUMNS)) + "|"
        for name in _names(found):
            yield f"| {_title(name)} | {' | '.join(_paced_row(found, name))} |"


def _paced_row(found: Sequence[dict[str, Any]], name: str) -> Iterator[str]:
    mine = {done["round"]: done for done in found if done["server"] == name}
    good = {number: done for number, done in mine.items() if done.get("total") is not None}
    straight = {d["round"]: d for d in found if d["server"] == STRAIGHT and d.get("total")}
    if late := [done for done in mine.values() if done.get("late")]:
        most = max(late, key=lambda done: done["late"])
        yield (
            f"cannot: {most['late']} of {most['calls']} calls had not ended after twice their time"
        )
        yield from [_NOTHING] * 4
    elif not good:
        yield "failed"
        yield from [_NOTHING] * 4
    else:
        for figure in _PACED:
            values = {number: figure(done) for number, done in good.items()}
            base = {number: figure(done) for number, done in straight.items()}
            yield _spread(
                spread(list(values.values())) if name == STRAIGHT else differences(values, base)
            )
    yield _spread(spread([d["server_cpu"] for d in mine.values() if "server_cpu" in d]))
    yield _spread(spread([d["cpu"] + d["upstream_cpu"] for d in mine.values() if "cpu" in d]))


def _failures(results: Results) -> Iterator[str]:
    failed = [done for done in results["loads"] + results["paced"] if "failed" in done]
    if failed:
        yield "\n## What failed\n"
    for done in failed:
        what = done.get("mode") or f"{done['streams']} paced streams"
        said = " ".join(done["failed"].split())[:300].replace("`", "'")
        yield f"- {_title(done['server'])}, {what}, round {done['round'] + 1}: `{said}`"


def _why_not(results: Results, name: str, mode: str) -> str:
    failed = any(
        d["server"] == name and d["mode"] == mode and "failed" in d for d in results["loads"]
    )
    return "failed" if failed else _NOTHING


def _table(
    results: Results, names: Iterable[str], filled: Callable[[str, Cell], str]
) -> Iterator[str]:
    columns = cells(results)
    yield "| | " + " | ".join(f"{mode}, {count}" for mode, count in columns) + " |"
    yield "|---" * (1 + len(columns)) + "|"
    for name in names:
        yield f"| {_title(name)} | " + " | ".join(filled(name, cell) for cell in columns) + " |"


def _spread(found: Spread | None) -> str:
    if found is None:
        return _NOTHING
    if found.low == found.high:
        return shown(found.median)
    return f"{shown(found.median)} ({shown(found.low)}–{shown(found.high)})"
