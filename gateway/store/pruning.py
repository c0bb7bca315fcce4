"""What an operator throws away by hand: how much it is, and that it was done."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import func, select

from gateway.display import timestamp
from gateway.records import Actor
from gateway.store.audit import note
from gateway.store.database import Database, uncancelled
from gateway.store.tables import ledger, transcripts


@dataclass(frozen=True, slots=True)
class Expired:
    """How much there is from before a moment."""

    rows: int
    transcripts: int


class Pruning:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def expired(self, started_ms: int) -> Expired:
        """What started before then."""
        async with self._database.read() as connection:
            rows, texts = [
                await connection.scalar(
                    select(func.count()).select_from(table).where(table.c.started_ms < started_ms)
                )
                for table in (ledger, transcripts)
            ]
        return Expired(rows or 0, texts or 0)

    @uncancelled
    async def note(self, expired: Expired, before: int, by: Actor) -> None:
        """Note in the audit log what is about to be removed; `before` is in seconds."""
        gone = {"started_before": timestamp(before), **asdict(expired)}
        async with self._database.append() as connection:
            await note(connection, by, "ledger.prune", ("ledger", None), gone, None)
