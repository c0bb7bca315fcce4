"""The gateway on a database of some size: what it takes to start, to serve and to change."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import aiohttp

from benchmarks.growth.databases import Size, model_name, secret
from benchmarks.peers.processes import cpu_seconds, resident
from benchmarks.peers.servers import SERVERS, Place, Server, Started
from benchmarks.peers.serving import Served, served

# Of keys and models; each is called once, and all then again and again.
MOST_CALLED = 1000
_CHANGES = 10
_AT_ONCE = 8
_SETTLE_SECONDS = 1.0
_IDLE_SECONDS = 5.0
_MESSAGES = [{"role": "user", "content": "Tell me a story of sixty-four words."}]
T = TypeVar("T")

_OURS = next(server for server in SERVERS if server.name == "direct")


class _Call(NamedTuple):
    """The numbers of its key and its model."""

    key: int
    model: int


class WrongAnswer(Exception):
    """An answer that is no 200."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one round came to.

    Attributes:
        ready: Seconds from the start until it was ready.
        start: Seconds of CPU until then.
        resident: Bytes of memory then.
        first: Seconds of CPU for the first call by a key, or to a model.
        call: Seconds of CPU for each call after that.
        idle: Seconds of CPU a second, with nothing to do.
        change: Seconds of CPU for a change of one key, or one model.
    """

    ready: float
    start: float
    resident: int
    first: float
    call: float
    change: float
    idle: float


def measure(database: Path, size: Size, upstream: str, calls: int) -> Taken:
    """One round, on a copy of the database.

    Raises:
        Ended: The gateway does not start.
        WrongAnswer: It does not serve.
    """
    admin_keys: list[str] = []

    def start(place: Place) -> Started:
        for file in database.parent.iterdir():
            shutil.copy(file, place.directory)
        started = _OURS.start(place)
        admin_keys.append(started.environ["GATEWAY_ADMIN_KEY"])
        return started

    server = Server("growth", "", "", start, lambda _: {}, "/health/readiness")
    with served(server, database.parent, upstream) as got:
        started = cpu_seconds(got.process)
        time.sleep(_SETTLE_SECONDS)
        held = resident(got.process)
        first, call, change = asyncio.run(_serve(got, size, calls, admin_keys[0]))
        before = cpu_seconds(got.process)
        time.sleep(_IDLE_SECONDS)
        idle = (cpu_seconds(got.process) - before) / _IDLE_SECONDS
    return Taken(got.ready, started, held, first, call, change, idle)


async def _serve(got: Served, size: Size, calls: int, admin_key: str) -> tuple[float, ...]:
    chosen = random.Random(1)
    keys = _some(chosen, size.keys)
    models = _some(chosen, size.models)
    count = max(len(keys), len(models))
    new = [_Call(keys[n % len(keys)], models[n % len(models)]) for n in range(count)]
    known = [_Call(chosen.choice(keys), chosen.choice(models)) for _ in range(calls)]
    async with aiohttp.ClientSession() as http:
        # What every first call sets up is not what a key's or model's does.
        await _call(http, got.url, new.pop())
        await asyncio.sleep(_SETTLE_SECONDS)
        first = await _cpu_each(got, new, lambda each: _call(http, got.url, each)) if new else 0.0
        call = await _cpu_each(got, known, lambda each: _call(http, got.url, each))
        manage = _manager(http, got.url.partition("/v1/")[0], admin_key, size)
        change = await _cpu_each(got, range(_CHANGES), manage, at_once=1)
    return first, call, change


def _some(chosen: random.Random, count: int) -> list[int]:
    return chosen.sample(range(count), min(count, MOST_CALLED))


async def _cpu_each(
    got: Served,
    all_of: Iterable[T],
    work: Callable[[T], Awaitable[None]],
    at_once: int = _AT_ONCE,
) -> float:
    """The CPU that the gateway needs for each, with what it does for them a little later."""
    left = list(all_of)
    count = len(left)
    left.reverse()

    async def worker() -> None:
        while left:
            await work(left.pop())

    before = cpu_seconds(got.process)
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    await asyncio.sleep(_SETTLE_SECONDS)
    return (cpu_seconds(got.process) - before) / count


async def _call(http: aiohttp.ClientSession, url: str, call: _Call) -> None:
    headers = {"authorization": f"Bearer {secret(call.key)}", "content-type": "application/json"}
    body = json.dumps({"model": model_name(call.model), "messages": _MESSAGES})
    async with http.post(url, data=body, headers=headers) as answer:
        said = await answer.read()
        if answer.status != 200:
            raise WrongAnswer(f"{answer.status}: {said[:500]!r}")


def _manager(
    http: aiohttp.ClientSession, url: str, admin_key: str, size: Size
) -> Callable[[int], Awaitable[None]]:
    """Changes a model, where there are many; else a key."""
    path, field = f"keys/key_{0:020x}", "metadata"
    if size.models > size.keys:
        path, field = f"models/{model_name(0)}", "model_info"

    async def change(number: int) -> None:
        headers = {"authorization": f"Bearer {admin_key}"}
        address = f"{url}/api/v1/gateway/{path}"
        async with http.patch(address, json={field: {"seen": number}}, headers=headers) as answer:
            said = await answer.read()
            if answer.status != 200:
                raise WrongAnswer(f"{answer.status}: {said[:500]!r}")

    return change
