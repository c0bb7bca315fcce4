"""The ledger of this process: every request's row, on its way to the database.

A request is noted in a journal before the provider is called, and its row when it has ended; both
are one append to a file. Rows wait in memory and are stored together. Whatever ends the process,
its journal says what the database lacks: the next start, of this or another process, stores it.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from gateway.errors import NotReady
from gateway.journal import Journal, Line, Orphan, orphans
from gateway.records import LedgerRow
from gateway.store.database import uncancelled
from gateway.store.ledger import LedgerStore, Transcript

# Rows gather this long before they are stored; nobody waits for that.
FLUSH_SECONDS = 0.2
_BATCH = 500
# What may wait for a database that is slow or gone. A row takes about 1 kB.
MOST_WAITING = 10_000
_PATIENCE_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_LARGEST_JOURNAL = 8 * 1024 * 1024

log = logging.getLogger(__name__)


class Ledger:
    """Attributes:
    stored: Held while rows go from `waiting` into the database, so that who holds it sees each
        row in one of the two.
    waiting: Rows that are not in the database yet.
    """

    def __init__(self, store: LedgerStore, database: Path, node: str) -> None:
        """`node` names this process among those that share the database."""
        self._store = store
        self._database = database
        self._node = node
        self._journal: Journal | None = None
        self._running: dict[str, LedgerRow] = {}
        self._transcripts: dict[str, Transcript] = {}
        self._room = asyncio.Condition()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending = asyncio.Event()
        self._flushing: asyncio.Task[None] | None = None
        self.stored = asyncio.Lock()
        self.waiting: deque[LedgerRow] = deque()
        self._on_stored: Callable[[Sequence[LedgerRow], int | None], object] | None = None
        self._on_buried: Callable[[str], object] | None = None

    def subscribe(
        self,
        stored: Callable[[Sequence[LedgerRow], int | None], object],
        buried: Callable[[str], object],
    ) -> None:
        """Say what comes into the database.

        Call `stored(rows, position)` whenever rows of this process have, before anybody else can
        have `Ledger.stored`; see `LedgerStore.write` for the position. Call `buried(node)` when all
        rows of a process that died have.
        """
        self._on_stored, self._on_buried = stored, buried

    async def start(self) -> None:
        """Store what dead processes left behind, then begin.

        Raises:
            OSError: The journal cannot be made beside the database.
        """
        for orphan in orphans(self._database.parent, _pattern(self._database, ".jsonl")):
            await self._take_over(orphan)
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
        self._wake.set()

    async def flush(self) -> None:
        """Store what is waiting now. Raises what the database raises."""
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
        async with self.stored:
            batch = list(islice(self.waiting, _BATCH))
            if not batch:
                # Another flush has stored it.
                return 0
            kept = [self._transcripts[row.id] for row in batch if row.id in self._transcripts]
            position = await self._store.write(batch, kept, self._node)
            for row in batch:
                self.waiting.popleft()
                self._transcripts.pop(row.id, None)
            if self._on_stored is not None:
                self._on_stored(batch, position)
            return len(batch)

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
            left = len(self.waiting) + len(self._running)
            if left:
                log.error(
                    "%d row(s) of the ledger could not be stored; %s has them for the next start",
                    left,
                    self._journal.path.name,
                )
            self._journal.close(keep=left > 0)

    async def _take_over(self, orphan: Orphan) -> None:
        try:
            rows, transcripts = _left_behind(orphan)
        except (TypeError, ValueError, KeyError):
            # Another version's: not to be lost, and no reason not to start.
            kept = orphan.set_aside()
            log.exception("The journal of a gateway that ended cannot be read; kept as %s", kept)
            return
        for first in range(0, len(rows), _BATCH):
            await self._store.write(rows[first : first + _BATCH], transcripts, self._node)
        if rows:
            log.warning(
                "A gateway was killed: its journal has %d row(s), %d of a request that was running",
                len(rows),
                sum(row.outcome == "interrupted" for row in rows),
            )
        orphan.remove()
        if self._on_buried is not None:
            self._on_buried(_node_of(self._database, orphan.path))

    async def _flush_until_end(self) -> None:
        failing = False
        while self.waiting or not self._ending.is_set():
            await self._wake.wait()
            self._wake.clear()
            await self._pause(FLUSH_SECONDS)
            try:
                await self.flush()
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
                running: list[Line] = [["open", row] for row in self._running.values()]
                ended = (["row", row, self._transcripts.get(row.id)] for row in self.waiting)
                journal.replace([*running, *ended])
        except OSError:
            log.exception("The ledger's journal cannot be shortened")

    @property
    def _open_journal(self) -> Journal:
        if self._journal is None:
            raise NotReady("The gateway is not running")
        return self._journal


def journal_path(database: Path, node: str) -> Path:
    """The journal of a process, beside its database."""
    return database.with_name(f"{database.name}.ledger-{node}.jsonl")


def _node_of(database: Path, journal: Path) -> str:
    """The process whose journal it is."""
    return journal.name.removeprefix(f"{database.name}.ledger-").removesuffix(".jsonl")


def set_aside(database: Path) -> list[Path]:
    """Journals that could not be read, and wait for somebody to look at them."""
    return sorted(database.parent.glob(_pattern(database, ".unreadable")))


def _pattern(database: Path, suffix: str) -> str:
    return f"{glob.escape(database.name)}.ledger-*{suffix}"


def _left_behind(orphan: Orphan) -> tuple[list[LedgerRow], list[Transcript]]:
    """The rows that a journal holds; a request without an end was interrupted at its last line."""
    rows: dict[str, LedgerRow] = {}
    transcripts: list[Transcript] = []
    for kind, values, *more in orphan.lines():
        row = LedgerRow(**values | {"tags": tuple(values["tags"])})
        if kind == "open":
            row = replace(row, latency_ms=max(0, orphan.ended_ms - row.started_ms))
        rows[row.id] = row
        if more and more[0]:
            transcripts.append(Transcript(**more[0]))
    return list(rows.values()), transcripts
