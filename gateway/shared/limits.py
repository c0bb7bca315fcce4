"""Limits of requests and tokens a minute, and of requests at once, across processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from gateway.limits import (
    Admission,
    Limit,
    Limiter,
    headers_of,
    limits_of_key,
    limits_of_model,
    too_many,
    too_many_at_once,
)
from gateway.records import Key, Model
from gateway.shared.link import Link, Reply
from gateway.shared.outage import Unreachable
from gateway.shared.scripts import ADMIT
from gateway.windows import WINDOW_SECONDS


class SharedLimiter:
    """A `LimitKeeper` for all processes at one Redis, by whose clock windows begin and end.

    What has no limit is not counted: a limit that a key is given later does not know of its running
    requests, nor of those of this minute.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        # What this process lets in, wherever that is decided: by it go limits without Redis.
        self._own = Limiter()

    async def admit(self, key: Key, model_name: str) -> Admission:
        limits = list(limits_of_key(key, model_name))
        if not limits and key.max_parallel_requests is None:
            return Admission(key, limits, {})
        at_once = key.max_parallel_requests
        place = self._running(key), ""

        def taken(_: Reply) -> None:
            self._own.begin(key, limits)
            if at_once is not None:
                self._link.hold(place, 1)

        def undone() -> None:
            self._leave(key, limits, 0)

        try:
            reply = await self._ask(place[0], limits, at_once, taken, undone)
        except Unreachable:
            self._link.outage.go_on("limits")
            admission = await self._own.admit(key, model_name)
            if at_once is not None:
                self._link.change({place: 1})
            return admission
        match reply[0]:
            case b"full":
                left, now = reply[2] / 1000, int(reply[3]) / 1000
                raise too_many(key, limits[reply[1]], now + left, now)
            case b"busy":
                raise too_many_at_once(key)
        headers: dict[str, str] = {}
        for limit, used in zip(limits, reply[1:], strict=True):
            headers |= headers_of(limit, int(used))
        return Admission(key, limits, headers)

    def settle(self, admission: Admission, tokens: int) -> asyncio.Future[Reply] | None:
        limits = admission.limits
        if not limits and admission.key.max_parallel_requests is None:
            return None
        self._count(limits, tokens)
        self._leave(admission.key, limits, tokens)
        return self._link.told()

    async def enter(self, model: Model) -> float:
        limits = list(limits_of_model(model))
        if not limits:
            return 0.0
        try:
            reply = await self._ask(
                self._running(model),
                limits,
                None,
                lambda _: self._own.count(limits, "requests", 1),
            )
        except Unreachable:
            self._link.outage.go_on("limits")
            return await self._own.enter(model)
        return max(0.001, reply[2] / 1000) if reply[0] == b"full" else 0.0

    def use(self, model: Model, tokens: int) -> None:
        limits = list(limits_of_model(model))
        self._own.count(limits, "tokens", tokens)
        self._count(limits, tokens)

    async def _ask(
        self,
        running: str,
        limits: Sequence[Limit],
        at_once: int | None,
        taken: Callable[[Reply], None] | None = None,
        undone: Callable[[], None] | None = None,
    ) -> Reply:
        window = round(WINDOW_SECONDS * 1000)
        arguments: list[str | int] = [window, "" if at_once is None else at_once]
        for limit in limits:
            arguments += [limit.most, int(limit.unit == "requests")]
        keys = [running, *map(self._window, limits)]
        return await self._link.ask(ADMIT, keys, arguments, taken, undone)

    def _count(self, limits: Iterable[Limit], tokens: int) -> None:
        for limit in limits:
            if limit.unit == "tokens" and tokens > 0:
                self._link.count(self._window(limit), tokens)

    def _leave(self, key: Key, limits: Iterable[Limit], tokens: int) -> None:
        self._own.end(key, limits, tokens)
        if key.max_parallel_requests is not None:
            self._link.change({(self._running(key), ""): -1})

    def _running(self, of: Key | Model) -> str:
        return f"{self._link.prefix}running:{of.id}"

    def _window(self, limit: Limit) -> str:
        return f"{self._link.prefix}window:{limit.counter}"
