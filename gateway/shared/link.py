"""The connection to Redis, this process's place there, and what it holds.

All goes over one connection, in the order in which it was asked for: what was settled is seen by
whatever is asked next. What is asked for while a reply is awaited goes out together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from gateway.shared import scripts
from gateway.shared.connection import Command, Connection, Connector, check_installed
from gateway.shared.outage import Outage, Unreachable
from gateway.shared.scripts import Script
from gateway.windows import WINDOW_SECONDS

# How often a process says that it lives, and how long it is believed to.
BEAT_SECONDS = 1.0
LIFE_SECONDS = 10.0
# A reply is there within a millisecond, or Redis is in trouble. All calls wait for it.
_REPLY_SECONDS = 2.0
_PAUSE_SECONDS = 0.5
# How long a call waits for others to come back after Redis was emptied.
_PATIENCE_SECONDS = 5.0

Reply = Sequence[Any]
"""What it came to, as bytes, and more, by the script."""
Place = tuple[str, str]
"""A key, and what is held there."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Request:
    script: Script
    keys: Sequence[str]
    arguments: Sequence[str | int]
    reply: asyncio.Future[Reply] | None = None
    """None where nobody waits."""
    lasts: bool = False
    """Whether to send it again where its reply was lost, or the process had to come back."""
    taken: Callable[[Reply], object] | None = None
    undone: Callable[[], object] | None = None

    @property
    def abandoned(self) -> bool:
        return self.reply is not None and self.reply.cancelled()


class Link:
    """A process's link; connected and trying again, if need be, from `async with` to its end.

    Attributes:
        prefix: What keys begin with.
        held: What this process holds.
        outage: What becomes of calls while Redis cannot be reached.
    """

    def __init__(self, url: str, database: str, process: str, outage: Outage | None = None) -> None:
        """`database` and `process` are names.

        Raises:
            SettingsError: See `check_installed`.
        """
        check_installed()
        # The braces have a cluster keep all of it together.
        self.prefix = f"litellm-gateway:{{{database}}}:"
        self.held: Counter[Place] = Counter()
        self.outage = outage or Outage()
        self._url = url
        self._process = process
        self._dead: list[str] = []
        self._name = ""
        self._joined = False
        self._stale = False
        self._failing = False
        self._ending = False
        self._connector: Connector | None = None
        self._connection: Connection | None = None
        self._requests: list[_Request] = []
        self._changes: Counter[Place] = Counter()
        self._counts: Counter[str] = Counter()
        self._told: asyncio.Future[Reply] | None = None
        self._wake = asyncio.Event()
        self._beat_at = 0.0
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._connector = await Connector.to(self._url)
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send what is left, and give everything back."""
        self._ending = True
        self._wake.set()
        if self._running is not None:
            await self._running

    def reached(self) -> bool:
        """Whether Redis could be reached the last time that it was tried, a second ago at most."""
        return not self._failing

    # --- What is asked for ---

    async def ask(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[str | int],
        taken: Callable[[Reply], object] | None = None,
        undone: Callable[[], object] | None = None,
    ) -> Reply:
        """Run a script, once the process has its place.

        Args:
            taken: Called with a reply `ok` as soon as it is there, before anything else is.
            undone: Called after it, where the caller was cancelled and so does not know.

        Raises:
            Unreachable: See there; at once where that is known.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + _PATIENCE_SECONDS
        while True:
            if self._failing or loop.time() > limit:
                raise Unreachable
            waiting: asyncio.Future[Reply] = loop.create_future()
            self._requests.append(_Request(script, keys, arguments, waiting, True, taken, undone))
            self._wake.set()
            try:
                reply = await waiting
            except asyncio.CancelledError:
                # It may have come in the same moment.
                came = not waiting.cancelled() and not waiting.exception()
                if came and waiting.result()[0] == b"ok" and undone is not None:
                    undone()
                raise
            if reply[0] != b"wait":
                return reply
            await asyncio.sleep(reply[1] / 1000)

    def post(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int]) -> None:
        """Run a script, unless the process has to come back: then there must be no need to."""
        self._requests.append(_Request(script, keys, arguments))
        self._prompt()

    def hold(self, place: Place, amount: int) -> None:
        """Note what a script has changed that this process holds."""
        self.held[place] += amount
        if not self.held[place]:
            del self.held[place]

    def change(self, changes: Mapping[Place, int]) -> asyncio.Future[Reply] | None:
        """Hold more or less; see `told` for what it returns."""
        for place, amount in changes.items():
            self.hold(place, amount)
            self._changes[place] += amount
        return self.told()

    def count(self, window: str, amount: int) -> None:
        """Count what was used in a window."""
        self._counts[window] += amount
        self._prompt()

    def told(self) -> asyncio.Future[Reply] | None:
        """What comes once everybody knows what was changed and counted until now; None where
        that is so, or Redis cannot be reached."""
        if self._failing or not (self._changes or self._counts):
            return None
        if self._told is None:
            self._told = asyncio.get_running_loop().create_future()
        self._wake.set()
        # Each has one of its own to cancel.
        return asyncio.shield(self._told)

    def bury(self, process: str) -> None:
        """Forget what a process held that has died; what it spent is in the database."""
        self._dead.append(process)
        self.come_back()

    def come_back(self) -> None:
        """Have all accounts read from the database again."""
        self._stale = True
        self._wake.set()

    # --- The connection ---

    def _prompt(self) -> None:
        # Or each call would have a connection tried that is gone.
        if not self._failing:
            self._wake.set()

    async def _run(self) -> None:
        while not self._ending:
            await self._due()
            await self._exchange()
        # What could not be stored is believed to be held for a while, until somebody stores it.
        if self._joined and not self.held:
            self._requests.append(self._of_process(scripts.LEAVE))
        if self._joined:
            await self._exchange()
        await self._disconnect()

    async def _due(self) -> None:
        """Wait until there is something to do."""
        now = asyncio.get_running_loop().time()
        pause = now + _PAUSE_SECONDS if self._failing else self._beat_at
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(pause):
                await self._wake.wait()
        self._wake.clear()
        now = asyncio.get_running_loop().time()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_SECONDS
            life = round(LIFE_SECONDS * 1000)
            self._requests.append(self._of_process(scripts.BEAT, life))

    def _of_process(self, script: Script, *arguments: int) -> _Request:
        return _Request(script, (), arguments)

    async def _exchange(self) -> None:
        """Send what was asked for. If that fails, once more over a new connection."""
        batch: deque[_Request] = deque()
        for is_last in (False, True):
            try:
                async with asyncio.timeout(_REPLY_SECONDS):
                    connection = await self._connected()
                    batch = batch or self._taken()
                    await self._send(connection, batch)
            except Exception as error:
                await self._disconnect()
                batch = _lasting(batch)
                if is_last or isinstance(error, TimeoutError):
                    self._fail(batch, error)
                    return
            else:
                if self._failing:
                    log.warning("Redis can be reached again; limits and budgets are kept there")
                    self._wake.set()
                self._failing = False
                return

    async def _connected(self) -> Connection:
        """A connection over which this process has joined."""
        if self._connection is None:
            assert self._connector is not None  # noqa: S101 - it runs
            self._connection = await self._connector.connect()
        if self._stale or not self._joined:
            await self._join(self._connection)
        return self._connection

    async def _join(self, connection: Connection) -> None:
        # Another for each start of the server.
        server = connection.server.get("run_id", "")
        others = round(2 * BEAT_SECONDS * 1000)
        life = round(LIFE_SECONDS * 1000)
        dead = len(self._dead)
        arguments: list[str | int] = [self._process, server, life, others, dead, *self._dead]
        # With what is held now, all changes so far are in; those from here on are not.
        self._stale = False
        self._changes.clear()
        self._requests = [each for each in self._requests if each.lasts]
        for (_, what), amount in self.held.items():
            arguments += [what, amount]
        keys = [key for key, _ in self.held]
        await connection.send([self._call(_Request(scripts.JOIN, keys, arguments))])
        reply = await connection.receive()
        self._name = reply[1].decode()
        self._joined = True
        del self._dead[:dead]

    def _taken(self) -> deque[_Request]:
        """What is to be sent now."""
        batch: deque[_Request] = deque()
        told, self._told = self._told, None
        if self._changes or self._counts:
            keys = [key for key, _ in self._changes] + list(self._counts)
            arguments: list[str | int] = [round(WINDOW_SECONDS * 1000), len(self._changes)]
            for (_, what), amount in self._changes.items():
                arguments += [what, amount]
            arguments += self._counts.values()
            batch.append(_Request(scripts.SETTLE, keys, arguments, told))
            self._changes.clear()
            self._counts.clear()
        elif told is not None:
            told.set_result([])
        batch += [each for each in self._requests if not each.abandoned]
        self._requests = []
        return batch

    async def _send(self, connection: Connection, batch: deque[_Request]) -> None:
        """Send these; what has a reply is taken out."""
        if not batch:
            return
        await connection.send([self._call(each) for each in batch])
        again = 0
        while batch:
            reply = await connection.receive()
            request = batch.popleft()
            if reply[0] == b"join":
                # As nobody had heard of this process for too long, or Redis was emptied.
                self._joined = False
                self._wake.set()
                if request.lasts:
                    self._requests.insert(again, request)
                    again += 1
                    continue
            _answer(request, reply)

    def _call(self, request: _Request) -> Command:
        keys = (f"{self.prefix}state", f"{self.prefix}processes", *request.keys)
        digest = request.script.digest
        return "EVALSHA", digest, len(keys), *keys, self._name, *request.arguments

    async def _disconnect(self) -> None:
        self._joined = False
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    def _fail(self, batch: Iterable[_Request], error: Exception) -> None:
        if not self._failing:
            log.error(
                "Redis cannot be reached; meanwhile %s: %s: %s",
                self.outage,
                type(error).__name__,
                error,
            )
        self._failing = True
        for request in (*batch, *self._requests):
            if request.reply is not None and not request.reply.done():
                request.reply.set_exception(Unreachable())
        if self._told is not None:
            self._told.set_result([])
        self._told = None
        self._requests.clear()
        self._changes.clear()
        # Which of them were counted is not known; their minute is over soon.
        self._counts.clear()


def _lasting(batch: Iterable[_Request]) -> deque[_Request]:
    """Those to be sent again. What others changed goes with all that is held, when the process
    comes back."""
    kept: deque[_Request] = deque()
    for request in batch:
        if request.lasts:
            kept.append(request)
        elif request.reply is not None and not request.reply.done():
            request.reply.set_result([])
    return kept


def _answer(request: _Request, reply: Reply) -> None:
    if reply[0] == b"ok" and request.taken is not None:
        request.taken(reply)
        if request.abandoned and request.undone is not None:
            request.undone()
    if request.reply is not None and not request.reply.done():
        request.reply.set_result(reply)
