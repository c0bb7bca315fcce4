"""Rows of the ledger on the disk, where the database takes none for longer than memory has room.

They are in files of JSON lines beside the journal of their process. Its lock says of them, too,
that the process lives; whoever takes over the journal of one that died takes them over first.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from gateway.errors import NotReady
from gateway.journal import Line, read_lines, set_aside
from gateway.records import LedgerRow
from gateway.store.ledger import Transcript

_SUFFIX = ".spool"


class Entry(NamedTuple):
    """A row, and what goes with it."""

    row: LedgerRow
    transcript: Transcript | None
    note: Any
    """Whatever JSON it was spooled with."""


class _File(NamedTuple):
    path: Path
    rows: int
    size: int


@dataclass(slots=True)
class _Owned:
    """The rows of one owner."""

    rows: int
    cost: int
    first_ms: int
    """No row began before."""
    last_ms: int
    """No row began after."""


class Spool:
    """Attributes:
    rows: How many there are.
    size: What they take, in bytes.
    """

    def __init__(self, journal: Path, most_bytes: int) -> None:
        """`most_bytes` may be exceeded by one file."""
        self.rows = 0
        self.size = 0
        self._journal = journal
        self._most_bytes = most_bytes
        self._made = 0
        self._files: deque[_File] = deque()
        # What is left of the first file, once it has been read.
        self._read: deque[Entry] = deque()
        # By the ids of keys and teams.
        self._owned: dict[str, _Owned] = {}

    @property
    def full(self) -> bool:
        return self.size >= self._most_bytes

    def add(self, added: Sequence[Entry]) -> None:
        """Write them to a file of their own. Raises OSError; nothing is added then."""
        path = self._journal.with_suffix(f".{self._made:06}{_SUFFIX}")
        data = b"".join(orjson.dumps(["row", *entry]) + b"\n" for entry in added)
        try:
            # All of it is in the journal until it is whole.
            _write_new(path, data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._made += 1
        self._files.append(_File(path, len(added), len(data)))
        self.rows += len(added)
        self.size += len(data)
        for entry in added:
            self._count(entry.row)

    async def first(self, limit: int) -> list[Entry]:
        """The entries that were added first.

        Raises:
            OSError, ValueError: Their file cannot be read.
        """
        if not self._read and self._files:
            path, rows, _ = self._files[0]
            found = await asyncio.to_thread(entries, path)
            if len(found) != rows:
                raise ValueError(f"{path.name} was changed by somebody")
            self._read = deque(found)
        return list(islice(self._read, limit))

    def drop(self, count: int) -> None:
        """Have the first ones no more: they are in the database."""
        self.rows -= count
        for _ in range(count):
            row = self._read.popleft().row
            for owner_id in _owners(row):
                owned = self._owned[owner_id]
                owned.rows -= 1
                owned.cost -= row.cost or 0
                if not owned.rows:
                    del self._owned[owner_id]
        if not self._read:
            self._end_first()

    def set_aside(self) -> Path:
        """Keep the first file, which cannot be read, out of the way; `cost` still counts it."""
        path = self._files[0].path
        self.rows -= self._files[0].rows
        kept = set_aside(path)
        self._end_first()
        return kept

    def cost(self, owner_id: str, since_ms: int | None) -> int:
        """What an owner's rows cost that began since then; None means ever.

        Raises:
            NotReady: Some began before and some after, so that they must be stored first.
        """
        owned = self._owned.get(owner_id)
        if owned is None or (since_ms is not None and owned.last_ms < since_ms):
            return 0
        if since_ms is not None and owned.first_ms < since_ms:
            raise NotReady(
                "The gateway is storing what was spent before this budget period began; try again "
                "later"
            )
        return owned.cost

    def _count(self, row: LedgerRow) -> None:
        for owner_id in _owners(row):
            began = row.started_ms
            owned = self._owned.get(owner_id)
            if owned is None:
                self._owned[owner_id] = _Owned(1, row.cost or 0, began, began)
            else:
                owned.rows += 1
                owned.cost += row.cost or 0
                owned.first_ms = min(owned.first_ms, began)
                owned.last_ms = max(owned.last_ms, began)

    def _end_first(self) -> None:
        ended = self._files.popleft()
        self.size -= ended.size
        # Where it stays, the next start finds that the database has it.
        with contextlib.suppress(OSError):
            ended.path.unlink(missing_ok=True)


def files_of(journal: Path) -> list[Path]:
    """What the process with this journal has spooled, in that order."""
    return sorted(journal.parent.glob(f"{glob.escape(journal.stem)}.*{_SUFFIX}"))


def entry_of(line: Line) -> Entry:
    """The entry of a line with a row. Raises TypeError, ValueError and KeyError for any other."""
    _, values, *more = line
    transcript, note = [*more, None, None][:2]
    return Entry(
        LedgerRow(**values | {"tags": tuple(values["tags"])}),
        Transcript(**transcript) if transcript else None,
        note,
    )


def entries(path: Path) -> list[Entry]:
    """What a file holds. Raises OSError, and ValueError where it is none of a spool."""
    try:
        return [entry_of(line) for line in read_lines(path)]
    except (TypeError, KeyError) as error:
        raise ValueError(f"{path.name} holds another version's rows") from error


def _owners(row: LedgerRow) -> Iterator[str]:
    yield row.key_id
    if row.team_id is not None:
        yield row.team_id


def _write_new(path: Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(file, "wb") as opened:
        opened.write(data)
