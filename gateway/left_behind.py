"""What processes that ended could not store: found, and stored, by the next start."""

from __future__ import annotations

import asyncio
import glob
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from gateway.journal import Orphan, orphans, set_aside
from gateway.records import LedgerRow
from gateway.spool import entries, entry_of, files_of
from gateway.store.ledger import LedgerStore, Transcript

_BATCH = 500

log = logging.getLogger(__name__)


async def take_over(store: LedgerStore, database: Path, node: str) -> AsyncIterator[str]:
    """Store what dead processes left beside a database, as rows of this one, `node`.

    Yields the name of each, once all of its rows are in the database. Raises what that raises.
    """
    for orphan in orphans(database.parent, _pattern(database, ".jsonl")):
        await _store_spooled(store, orphan, node)
        try:
            rows, transcripts = _journaled(orphan)
        except (TypeError, ValueError, KeyError):
            # Another version's: not to be lost, and no reason not to start.
            kept = orphan.set_aside()
            log.exception("The journal of a gateway that ended cannot be read; kept as %s", kept)
            continue
        await _store(store, rows, transcripts, node)
        if rows:
            log.warning(
                "A gateway was killed: its journal has %d row(s), %d of a request that was running",
                len(rows),
                sum(row.outcome == "interrupted" for row in rows),
            )
        orphan.remove()
        yield orphan.path.name.removeprefix(f"{database.name}.ledger-").removesuffix(".jsonl")


def journal_path(database: Path, node: str) -> Path:
    """The journal of a process, beside its database."""
    return database.with_name(f"{database.name}.ledger-{node}.jsonl")


def journals(database: Path) -> tuple[list[Path], list[Path]]:
    """Those of processes that run on this host, and what others have left that is to be stored."""
    pattern = _pattern(database, ".jsonl")
    left = [orphan.path for orphan in orphans(database.parent, pattern)]
    return sorted(set(database.parent.glob(pattern)) - set(left)), left


def unreadable(database: Path) -> list[Path]:
    """Journals that could not be read, and wait for somebody to look at them."""
    return sorted(database.parent.glob(_pattern(database, ".unreadable")))


async def _store_spooled(store: LedgerStore, orphan: Orphan, node: str) -> None:
    for path in files_of(orphan.path):
        try:
            spooled = await asyncio.to_thread(entries, path)
        except ValueError:
            log.exception(
                "Rows of a gateway that ended cannot be read; kept as %s", set_aside(path)
            )
            continue
        log.warning(
            "Storing %d row(s) that a gateway put on the disk before it ended", len(spooled)
        )
        transcripts = [entry.transcript for entry in spooled if entry.transcript is not None]
        await _store(store, [entry.row for entry in spooled], transcripts, node)
        path.unlink()


async def _store(
    store: LedgerStore, rows: Sequence[LedgerRow], transcripts: Sequence[Transcript], node: str
) -> None:
    for first in range(0, len(rows), _BATCH):
        await store.write(rows[first : first + _BATCH], transcripts, node)


def _journaled(orphan: Orphan) -> tuple[list[LedgerRow], list[Transcript]]:
    """The rows that a journal holds; a request without an end was interrupted at its last line."""
    rows: dict[str, LedgerRow] = {}
    transcripts: list[Transcript] = []
    for line in orphan.lines():
        row, transcript, _ = entry_of(line)
        if line[0] == "open":
            row = replace(row, latency_ms=max(0, orphan.ended_ms - row.started_ms))
        rows[row.id] = row
        if transcript is not None:
            transcripts.append(transcript)
    return list(rows.values()), transcripts


def _pattern(database: Path, suffix: str) -> str:
    return f"{glob.escape(database.name)}.ledger-*{suffix}"
