"""GROWTH.md, of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.growth.commands import Run
from benchmarks.growth.serving import Taken
from benchmarks.peers.figures import Spread, ratios, shown, spread

_MIB = 2**20
_MS = 1000.0
# How a figure is shown, and by what it is multiplied before.
_COLUMNS: list[tuple[str, Callable[[Taken], float], float]] = [
    ("CPU a call, ms", lambda taken: taken.call, _MS),
    ("a first call, ms", lambda taken: taken.first, _MS),
    ("a change, ms", lambda taken: taken.change, _MS),
    ("idle, ms a second", lambda taken: taken.idle, _MS),
    ("start, s of CPU", lambda taken: taken.start, 1),
    ("ready after, s", lambda taken: taken.ready, 1),
    ("resident, MiB", lambda taken: taken.resident, 1 / _MIB),
]


@dataclass(frozen=True, slots=True)
class Axis:
    """Attributes:
    name: What there is more and more of.
    counts: How many, ascending.
    taken: By count and round.
    runs: Of commands, by command, count and round.
    """

    name: str
    counts: Sequence[int]
    taken: Mapping[int, Mapping[int, Taken]]
    runs: Mapping[str, Mapping[int, Sequence[Run]]]


def report(about: Mapping[str, str], options: str, axes: Sequence[Axis]) -> str:
    """The page, in Markdown."""
    lines = [_HEAD, *(f"- {name.capitalize()}: {value}" for name, value in about.items())]
    lines += [f"- Options: {options}", ""]
    for axis in axes:
        lines += [f"## {axis.name.capitalize()}", "", *_served(axis), ""]
        if axis.name in ("keys", "models"):
            lines += [_each(axis), ""]
        if axis.runs:
            lines += [*_commands(axis), ""]
    return "\n".join([*lines, _TAIL])


def _served(axis: Axis) -> Iterator[str]:
    titles = [title for title, _, _ in _COLUMNS]
    yield _row([axis.name, titles[0], "× fewest", *titles[1:]])
    yield "|---" * (len(titles) + 2) + "|"
    fewest = {number: each.call for number, each in axis.taken[axis.counts[0]].items()}
    for count in axis.counts:
        rounds = axis.taken[count]
        cells = [
            _shown(spread([figure(each) * unit for each in rounds.values() if figure(each)]))
            for _, figure, unit in _COLUMNS
        ]
        times = ratios({number: each.call for number, each in rounds.items()}, fewest)
        yield _row([f"{count:,}", cells[0], _shown(times), *cells[1:]])


def _each(axis: Axis) -> str:
    """What one more takes of memory, by the smallest and the largest."""
    few, many = axis.counts[0], axis.counts[-1]
    pairs = [
        (axis.taken[many][number].resident - axis.taken[few][number].resident) / (many - few)
        for number in axis.taken[many]
        if number in axis.taken[few]
    ]
    return f"Each takes {_shown(spread([each / 1024 for each in pairs]))} KiB of memory."


def _commands(axis: Axis) -> Iterator[str]:
    yield _row([f"seconds, MiB at most; {axis.name}:", *(f"{count:,}" for count in axis.counts)])
    yield "|---" * (len(axis.counts) + 1) + "|"
    for command, by_count in axis.runs.items():
        cells = []
        for count in axis.counts:
            seconds = spread([run.seconds for run in by_count[count]])
            cpu = spread([run.cpu for run in by_count[count]])
            most = max(run.memory for run in by_count[count]) / _MIB
            cells.append(f"{_shown(seconds)} s, of CPU {_shown(cpu)}; {most:.0f} MiB")
        yield _row([f"`gateway {command}`", *cells])


def _shown(value: Spread | None) -> str:
    if value is None:
        return "–"
    if value.low == value.high:
        return shown(value.median)
    return f"{shown(value.median)} ({shown(value.low)}–{shown(value.high)})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_HEAD = """\
# What grows with models, keys and the ledger

<!-- Written by benchmarks/growth. -->

The real server, on databases of different sizes, is called over HTTP by the direct lane; a canned
upstream answers. Medians of all rounds, with the least and the most. CPU is the server's own, of
all its threads, which a busy machine changes less than it does durations; `× fewest` is taken
within a round.

- *CPU a call*: by keys and to models that were called before, up to 1,000 of them by turns.
- *A first call*: the same, by a key or to a model that this process has not seen yet.
- *A change*: of one key, or where there are many models of one of them.
- *Idle*: with nothing to do, after all that.
- *Start*: until the server is ready, litellm's import included. *Resident* is measured then.
"""
_TAIL = """\
## Run it again

In a clone, with Debian's `nginx-light`; the largest ledger takes 4 GB of disk meanwhile:

```sh
.venv/bin/python -m benchmarks.growth            # all of it
.venv/bin/python -m benchmarks.growth --quick    # small sizes, a few minutes
.venv/bin/python -m benchmarks.growth --help
```
"""
