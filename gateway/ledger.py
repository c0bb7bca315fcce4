"""The ledger of this process: every request's row, on its way to the database.

A request is noted in a journal before the provider is called, and its row when it has ended; both
are one append to a file. Rows wait in memory and are stored together. Where the database takes none
they go to files beside the journal, and from there to the database once it does. Whatever ends the
process, its files say what the database lacks: the next start, of this or another process, stores
it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from gateway.errors import NotReady
from gateway.journal import Journal, Line
from gateway.left_behind import journal_path, take_over
from gateway.records import LedgerRow
from gateway.settings import DEFAULT_SPOOL_BYTES
from gateway.spool import Entry, Spool
from gateway.store.database import ANSWER_SECONDS, uncancelled
from gateway.store.ledger import LedgerStore, Transcript

# Rows gather this long before they are stored; nobody waits for that.
FLUSH_SECONDS = 0.2
_BATCH = 500
# As many that wait, or as large a journal, go to the disk. A row takes about 1 kB, more with what
# was asked and answered.
SPOOL_ROWS = 5_000
_SPOOL_JOURNAL = 64 * 1024 * 1024
# What may wait where the disk takes no more.
MOST_WAITING = 10_000
_PATIENCE_SECONDS = 5.0
_RETRY_SECONDS = 1.0
# Between two batches from the disk, for other writers.
_BREATH_SECONDS = 0.05
_LARGEST_JOURNAL = 8 * 1024 * 1024

log = logging.getLogger(__name__)


class Follower(Protocol):
    """Who is told where rows are."""

    def stored(self, rows: Sequence[LedgerRow], notes: Sequence[Any], position: int | None) -> None:
        """These came into the database, just now: nobody has looked at it since.

        Each of those that were spooled has its note, others None; see `LedgerStore.write` for the
        position.
        """

    def note(self, row: LedgerRow) -> Any:
        """What the row is to be spooled with, as JSON."""

    def spooled(self, rows: Sequence[LedgerRow]) -> None:
        """These are on the disk, with their notes, and no more in memory."""

    def buried(self, node: str) -> None:
        """All rows of a process that died have come into the database."""


@dataclass(frozen=True, slots=True)
class _Write:
    """Rows that are just being stored."""

    task: asyncio.Future[int | None]
    rows: Sequence[LedgerRow]
    notes: Sequence[Any]
    spooled: bool
    """Whether they come from the disk."""


class Ledger:
    """Attributes:
    waiting: Rows in memory that are not in the database yet.
    spool: Those on the disk.
    """

    def __init__(
        self,
        store: LedgerStore,
        database: Path,
        node: str,
        spool_bytes: int = DEFAULT_SPOOL_BYTES,
    ) -> None:
        """`node` names this process among those that share the database.

        `spool_bytes` is what rows may take on the disk.
        """
        self._store = store
        self._database = database
        self._node = node
        self._journal: Journal | None = None
        self.spool = Spool(journal_path(database, node), spool_bytes)
        self._spool_after = 0.0
        self._write: _Write | None = None
        # Held by whoever stores rows, or wants none to be stored meanwhile.
        self._storing = asyncio.Lock()
        self._running: dict[str, LedgerRow] = {}
        self._transcripts: dict[str, Transcript] = {}
        self._room = asyncio.Condition()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending = asyncio.Event()
        self._flushing: asyncio.Task[None] | None = None
        self.waiting: deque[LedgerRow] = deque()
        self._follower: Follower | None = None

    def follow(self, follower: Follower) -> None:
        self._follower = follower

    async def start(self) -> None:
        """Store what dead processes left behind, then begin.

        Raises:
            OSError: The journal cannot be made beside the database.
        """
        async for node in take_over(self._store, self._database, self._node):
            if self._follower is not None:
                self._follower.buried(node)
        self._journal = Journal(journal_path(self._database, self._node))
        self._flushing = asyncio.create_task(self._flush_until_end())

    @property
    def running(self) -> int:
        """How many requests have been opened and not settled."""
        return len(self._running)

    async def room(self) -> None:
        """Wait until another request can be taken on.

        Raises:
            NotReady: The database has taken no rows for a while.
        """
        if len(self.waiting) >= MOST_WAITING:
            await self._wait_for_room()

    def open(self, row: LedgerRow) -> None:
        """Note a request that is about to be sent: `row` is what is stored if all ends here.

        Raises:
            NotReady: The disk is full, or broken.
        """
        try:
            self._open_journal.append(["open", row])
        except OSError as error:
            log.error("The ledger's journal cannot be written: %s", error)
            raise NotReady("The gateway cannot note the request just now; try again") from None
        self._running[row.id] = row
        self._idle.clear()

    def seen(self, row: LedgerRow) -> None:
        """Note how far a request has come: `row` replaces the one it was opened with."""
        if row.id in self._running:
            self._running[row.id] = row
            self._append(["open", row])

    def settle(self, row: LedgerRow, transcript: Transcript | None = None) -> None:
        """Take the row of a request that has ended, opened or not."""
        self._append(["row", row, transcript])
        self._running.pop(row.id, None)
        if not self._running:
            self._idle.set()
        self.waiting.append(row)
        if transcript is not None:
            self._transcripts[row.id] = transcript
        self._relieve()
        self._wake.set()

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Have no row go into the database meanwhile: each is there or counted by `unstored`.

        Raises:
            NotReady: Nobody knows where some are, as the database does not answer.
        """
        async with self._storing:
            if self._write is not None and not self._write.task.done():
                raise NotReady(
                    "The gateway's database does not say what it has stored; try again later"
                )
            # Where that failed, its rows still wait.
            with contextlib.suppress(Exception):
                self._end_write()
            yield

    def unstored(self, owner_id: str, since_ms: int | None) -> int:
        """What a key's or team's rows cost that are not in the database, and began since then.

        Raises NotReady; see `Spool.cost`.
        """
        return self.spool.cost(owner_id, since_ms) + sum(
            row.cost or 0
            for row in self.waiting
            if owner_id in (row.key_id, row.team_id)
            and (since_ms is None or row.started_ms >= since_ms)
        )

    async def flush(self) -> None:
        """Store what is waiting now, and what is on the disk. Raises what the database raises."""
        await self._flush_waiting()
        while await self._store_spooled():
            pass

    async def _flush_waiting(self) -> None:
        # Not what comes meanwhile: it would be stored a few rows at a time, without an end.
        left = len(self.waiting)
        while left > 0 and (stored := await self._store_batch()):
            left -= stored
            async with self._room:
                self._room.notify_all()
        self._shorten()

    @uncancelled
    async def _store_batch(self) -> int:
        """Returns how many rows that were."""
        async with self._storing:
            self._end_write()
            batch = [
                Entry(row, self._transcripts.get(row.id), None)
                for row in islice(self.waiting, _BATCH)
            ]
            await self._store_entries(batch, spooled=False)
            # None where another flush has stored them.
            return len(batch)

    @uncancelled
    async def _store_spooled(self) -> int:
        """Likewise, of those on the disk."""
        async with self._storing:
            self._end_write()
            try:
                batch = await self.spool.first(_BATCH)
            except (OSError, ValueError):
                log.exception("Spooled rows cannot be read; kept as %s", self.spool.set_aside())
                return 0
            await self._store_entries(batch, spooled=True)
            return len(batch)

    async def _store_entries(self, batch: Sequence[Entry], *, spooled: bool) -> None:
        """Raises what the database raises; TimeoutError where it goes on without an answer."""
        if not batch:
            return
        rows = [entry.row for entry in batch]
        kept = [entry.transcript for entry in batch if entry.transcript is not None]
        # It goes on: were it given up, nobody would know what it has stored.
        task = asyncio.ensure_future(self._store.write(rows, kept, self._node))
        self._write = _Write(task, rows, [entry.note for entry in batch], spooled)
        await asyncio.wait({task}, timeout=ANSWER_SECONDS)
        self._end_write()

    def _end_write(self) -> None:
        """Forget rows that have been stored. Raises as `_store_entries`."""
        write = self._write
        if write is None:
            return
        if not write.task.done():
            raise TimeoutError("The database has not answered yet")
        self._write = None
        position = write.task.result()
        if write.spooled:
            self.spool.drop(len(write.rows))
        else:
            self._forget(0, len(write.rows))
        if self._follower is not None:
            self._follower.stored(write.rows, write.notes, position)

    def _forget(self, first: int, count: int) -> None:
        """Have `count` rows wait no more, from the place `first` on."""
        self.waiting.rotate(-first)
        for _ in range(count):
            self._transcripts.pop(self.waiting.popleft().id, None)
        self.waiting.rotate(first)

    def _relieve(self) -> None:
        """Put rows on the disk if too many wait, but for those that are just being stored."""
        write, journal = self._write, self._open_journal
        first = len(write.rows) if write is not None and not write.spooled else 0
        count = len(self.waiting) - first
        if count < SPOOL_ROWS and journal.size < _SPOOL_JOURNAL:
            return
        now = time.monotonic()
        if self.spool.full or now < self._spool_after:
            return
        self._spool_after = now + _RETRY_SECONDS
        rows = list(islice(self.waiting, first, None))
        follower = self._follower
        try:
            if rows:
                self.spool.add(
                    [
                        Entry(row, self._transcripts.get(row.id), follower and follower.note(row))
                        for row in rows
                    ]
                )
                self._forget(first, count)
                if follower is not None:
                    follower.spooled(rows)
            # Until now they were in both: a start in between finds the second known.
            self._rewrite(journal)
        except OSError:
            log.exception("Rows of the ledger cannot be put on the disk; they wait in memory")

    async def aclose(self) -> None:
        """Store everything and end. What cannot be stored stays in the journal.

        Requests that were cancelled a moment ago are waited for.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._idle.wait()
        self._ending.set()
        self._wake.set()
        if self._flushing is not None:
            await self._flushing
        if self._journal is not None:
            left = len(self.waiting) + len(self._running) + self.spool.rows
            if left:
                log.error(
                    "%d row(s) of the ledger could not be stored; %s has them for the next start",
                    left,
                    self._journal.path.name,
                )
            self._journal.close(keep=left > 0)

    async def _flush_until_end(self) -> None:
        failing = False
        while self.waiting or not self._ending.is_set():
            if not self.spool.rows:
                await self._wake.wait()
            self._wake.clear()
            await self._pause(_BREATH_SECONDS if self.spool.rows else FLUSH_SECONDS)
            try:
                await self._flush_waiting()
                # Not all of it at once: other rows come meanwhile.
                await self._store_spooled()
            except Exception:
                if not failing:
                    log.exception("The ledger cannot be stored; its rows wait")
                failing = True
                if self._ending.is_set():
                    return
                self._wake.set()
                await self._pause(_RETRY_SECONDS)
            else:
                if failing:
                    log.warning("The ledger can be stored again")
                failing = False

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when all is to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._room:
                await self._room.wait_for(lambda: len(self.waiting) < MOST_WAITING)
        except TimeoutError:
            raise NotReady(
                "The gateway's ledger is full, since its database takes no rows; try again later"
            ) from None

    def _append(self, line: Line) -> None:
        try:
            self._open_journal.append(line)
        except OSError:
            # The row is in memory and goes to the database all the same.
            log.exception("The ledger's journal cannot be written")

    def _shorten(self) -> None:
        journal = self._open_journal
        try:
            if not self._running and not self.waiting:
                journal.clear()
            elif journal.size > _LARGEST_JOURNAL:
                self._rewrite(journal)
        except OSError:
            log.exception("The ledger's journal cannot be shortened")

    def _rewrite(self, journal: Journal) -> None:
        """Have it hold what runs and what waits in memory. Raises OSError."""
        running: list[Line] = [["open", row] for row in self._running.values()]
        ended = (["row", row, self._transcripts.get(row.id)] for row in self.waiting)
        journal.replace([*running, *ended])

    @property
    def _open_journal(self) -> Journal:
        if self._journal is None:
            raise NotReady("The gateway is not running")
        return self._journal
