"""What so many calls a second take, computed from what was measured.

`python -m benchmarks.scaling`

prints the tables of docs/scaling.md: nodes, Redis, ledger and cost for 1,000 to 10,000,000 calls a
second, at which rate one of each is not enough, and how long a call waits for busy processes.
Measured is what `MEASURED` holds, each with where it stands; `Plan` is assumed, and an option each.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import Field, dataclass, fields
from typing import NamedTuple

from benchmarks.peers.figures import percentile

DAY = 86_400
RATES = [10**power for power in range(3, 8)]
LOADS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Figure(NamedTuple):
    value: float
    unit: str
    source: str


MEASURED = {
    "plain, direct": Figure(0.56, "ms of CPU", "docs/workers.md: two in Redis"),
    "plain, litellm": Figure(2.68, "ms of CPU", "docs/workers.md: two in Redis"),
    "Redis' part, direct": Figure(0.16, "ms of CPU", "docs/workers.md: one in Redis, less alone"),
    "Redis' part, litellm": Figure(0.78, "ms of CPU", "docs/workers.md: one in Redis, less alone"),
    "token, direct": Figure(
        0.0521, "ms of CPU", "benchmarks/RESULTS.md: 0.521 of a core for 200 streams of 50 a second"
    ),
    "token, litellm": Figure(
        0.0829, "ms of CPU", "benchmarks/RESULTS.md: 0.829 of a core for 200 streams of 50 a second"
    ),
    "Redis": Figure(0.1, "ms of its CPU a call", "docs/workers.md: 0.05 to 0.1"),
    "Redis operations": Figure(3, "a call", "docs/workers.md"),
    "ledger row": Figure(369, "bytes with its indexes", "docs/storage.md"),
    "ledger write": Figure(0.017, "ms of the writer's CPU", "docs/performance.md"),
    "rows a removal": Figure(500, "rows", "docs/storage.md"),
    "removal": Figure(36, "ms, median", "docs/storage.md"),
    "pause after a removal": Figure(50, "ms", "docs/storage.md"),
    "looks for changes": Figure(2, "a second and process", "gateway/registry.py: POLL_SECONDS"),
}


@dataclass(frozen=True)
class Plan:
    """What is assumed. Prices are in dollars."""

    lane: str = "direct"
    streamed: float = 0.5
    """Share of the calls that are streams, at the pace of a model."""
    tokens: float = 300
    """Of a stream."""
    tokens_a_second: float = 50
    utilisation: float = 0.6
    """Of each core, so that calls do not wait: see the simulation."""
    cores_a_node: int = 16
    cores_of_the_largest_host: int = 64
    retention_days: float = 90
    postgres_rows_a_second: float = 20_000
    """Of one server, in batches, with three indexes: an assumption, to be measured."""
    postgres_bytes: float = 1.5
    """Of a row, to SQLite's."""
    postgres_cores: int = 16
    partition_gb: float = 100
    core_hour: float = 0.04
    """With the memory that comes with a core."""
    gb_month: float = 0.10


@dataclass(frozen=True)
class Needs:
    """What a rate needs."""

    cores: float
    """Busy ones of the gateway's processes."""
    processes: int
    nodes: int
    in_progress: float
    """Streams at once."""
    looks: float
    """Into the database a second, for what others changed."""
    redis_operations: float
    redis_shards: int
    rows_a_day: float
    bytes_a_day: float
    postgres_servers: int
    partitions_a_day: int
    kept_bytes: float
    dollars_a_million: float


@dataclass(frozen=True)
class Wall:
    what: str
    calls_a_second: float
    because: str


def cpu_ms(plan: Plan) -> float:
    """Of a call, on average, in a process that counts in Redis.

    Raises:
        KeyError: There is no such lane.
    """
    whole = _of(f"plain, {plan.lane}")
    stream = plan.tokens * _of(f"token, {plan.lane}") + _of(f"Redis' part, {plan.lane}")
    return (1 - plan.streamed) * whole + plan.streamed * stream


def needs(plan: Plan, calls_a_second: float) -> Needs:
    cores = calls_a_second * cpu_ms(plan) / 1000
    processes = math.ceil(cores / plan.utilisation)
    shards = math.ceil(calls_a_second / redis_calls(plan))
    servers = math.ceil(calls_a_second / plan.postgres_rows_a_second)
    rows = calls_a_second * DAY
    row = _of("ledger row") * plan.postgres_bytes
    kept = rows * row * plan.retention_days
    hourly = (processes + shards + servers * plan.postgres_cores) * plan.core_hour
    storing = row * plan.retention_days / 30 * plan.gb_month / 10**9
    return Needs(
        cores=cores,
        processes=processes,
        nodes=math.ceil(processes / plan.cores_a_node),
        in_progress=calls_a_second * plan.streamed * plan.tokens / plan.tokens_a_second,
        looks=processes * _of("looks for changes"),
        redis_operations=calls_a_second * _of("Redis operations"),
        redis_shards=shards,
        rows_a_day=rows,
        bytes_a_day=rows * row,
        postgres_servers=servers,
        partitions_a_day=max(servers, math.ceil(rows * row / 10**9 / plan.partition_gb)),
        kept_bytes=kept,
        dollars_a_million=10**6 * (hourly / 3600 / calls_a_second + storing),
    )


def redis_calls(plan: Plan) -> float:
    """Calls a second that one Redis counts, by its one core."""
    return plan.utilisation * 1000 / _of("Redis")


def walls(plan: Plan) -> list[Wall]:
    """In the order in which they are hit."""
    host = plan.cores_of_the_largest_host * plan.utilisation * 1000 / cpu_ms(plan)
    removal = 1000 * _of("rows a removal") / (_of("removal") + _of("pause after a removal"))
    sqlite = [
        Wall("SQLite: one host", host, f"its {plan.cores_of_the_largest_host} cores are busy"),
        Wall("SQLite: one file", removal, "old rows are removed no faster than new ones come"),
        Wall("SQLite: one writer", 1000 / _of("ledger write"), "its core is busy, the disk aside"),
    ]
    redis = Wall("One Redis", redis_calls(plan), "its core is as busy as is planned for")
    postgres = Wall("One PostgreSQL", plan.postgres_rows_a_second, "assumed")
    return sorted([*sqlite, redis, postgres], key=lambda wall: wall.calls_a_second)


def waits(load: float, processes: int = 1, calls: int = 30_000, seed: int = 1) -> list[float]:
    """How long pieces of work (an answer, a token) wait for their process, which is so busy.

    In mean times that such a piece takes. They come by chance, each goes to the process that has
    the fewest, and takes an exponential time of it; the first tenth is left out, as nothing has
    waited yet.

    Raises:
        ValueError: So busy a process never gets to the end of it.
    """
    if not 0 < load < 1:
        raise ValueError(f"a load of {load} has no steady state; it takes one between 0 and 1")
    chance = random.Random(seed)
    # When what each process has ends.
    queues: list[deque[float]] = [deque() for _ in range(processes)]
    now, found = 0.0, []
    for _ in range(calls):
        now += chance.expovariate(load * processes)
        for queue in queues:
            while queue and queue[0] <= now:
                queue.popleft()
        queue = min(queues, key=len)
        begins = queue[-1] if queue else now
        found.append(begins - now)
        queue.append(begins + chance.expovariate(1))
    return found[calls // 10 :]


def report(plan: Plan) -> Iterator[str]:
    """Tables in Markdown, line by line."""
    yield "| | | measured in |"
    yield "|---|---|---|"
    for name, figure in MEASURED.items():
        yield f"| {name} | {figure.value:g} {figure.unit} | {figure.source} |"
    yield ""
    yield f"A call takes {cpu_ms(plan):.2f} ms of CPU."
    yield ""
    yield (
        "| calls a second | streams at once | busy cores | nodes | looks for changes a second "
        "| Redis: operations a second | shards |"
    )
    yield "|---|---|---|---|---|---|---|"
    found = [(rate, needs(plan, rate)) for rate in RATES]
    for rate, each in found:
        gateway = each.in_progress, each.cores, each.nodes, each.looks
        yield _row(rate, *gateway, each.redis_operations, each.redis_shards)
    yield ""
    yield (
        "| calls a second | ledger rows a day | GB a day | kept, TB | PostgreSQL servers "
        "| partitions a day | $ a million calls |"
    )
    yield "|---|---|---|---|---|---|---|"
    for rate, each in found:
        sizes = each.rows_a_day, each.bytes_a_day / 10**9, each.kept_bytes / 10**12
        yield _row(
            rate, *sizes, each.postgres_servers, each.partitions_a_day, each.dollars_a_million
        )
    yield ""
    yield "| what there is one of | enough for, calls a second | then |"
    yield "|---|---|---|"
    for wall in walls(plan):
        yield f"| {wall.what} | {_shown(wall.calls_a_second)} | {wall.because} |"
    yield ""
    yield "| processes are busy | one: mean | p50 | p99 | sixteen: mean | p50 | p99 |"
    yield "|---|---|---|---|---|---|---|"
    for load in LOADS:
        figures = [figure for processes in (1, 16) for figure in _waited(load, processes)]
        yield f"| {load:.0%} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |"


def _waited(load: float, processes: int) -> tuple[float, float, float]:
    waited = waits(load, processes)
    return sum(waited) / len(waited), percentile(waited, 0.5), percentile(waited, 0.99)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scaling", description=__doc__.split("\n")[0])
    for field in fields(Plan):
        _add(parser, field)
    print(*report(Plan(**vars(parser.parse_args(arguments)))), sep="\n")


def _add(parser: argparse.ArgumentParser, field: Field[str | float]) -> None:
    choices = ["direct", "litellm"] if field.name == "lane" else None
    name = f"--{field.name.replace('_', '-')}"
    parser.add_argument(name, type=type(field.default), default=field.default, choices=choices)


def _of(name: str) -> float:
    return MEASURED[name].value


def _row(*figures: float) -> str:
    return "| " + " | ".join(map(_shown, figures)) + " |"


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 or figure == int(figure) else f"{figure:.3g}"


if __name__ == "__main__":
    main()
