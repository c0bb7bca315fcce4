"""Stored prompts and answers, as rows. The ledger's store writes them, with their requests."""

from __future__ import annotations

from sqlalchemy import delete, select

from gateway.errors import NotFound
from gateway.records import Actor
from gateway.store.audit import note
from gateway.store.database import Database, uncancelled
from gateway.store.ledger import Transcript
from gateway.store.lists import among
from gateway.store.tables import transcripts


class Transcripts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def has(self, call_id: str) -> bool:
        """Whether one is stored of the request. This is not noted: it tells nothing of it."""
        query = select(transcripts.c.id).where(transcripts.c.id == call_id)
        async with self._database.read() as connection:
            return (await connection.scalar(query)) is not None

    @uncancelled
    async def read(self, call_id: str, by: Actor) -> Transcript:
        """The transcript of one request. That it was read goes into the audit log.

        Raises:
            NotFound: None is stored; nothing goes into the log.
        """
        query = select(transcripts).where(transcripts.c.id == call_id)
        async with self._database.append() as connection:
            row = (await connection.execute(query)).first()
            if row is None:
                raise NotFound(
                    f"No transcript of the request {call_id!r} is stored. Prompts and answers are "
                    "kept only of requests made while store_prompts_in_spend_logs is true, and as "
                    "long as maximum_spend_logs_retention_period says",
                    param="id",
                )
            await note(connection, by, "transcript.read", (call_id, None), None, None)
        return Transcript(**row._mapping)

    @uncancelled
    async def remove_before(self, started_ms: int, limit: int) -> int:
        """Delete up to `limit` of those that started before then; say how many."""
        old = select(transcripts.c.id).where(transcripts.c.started_ms < started_ms).limit(limit)
        async with self._database.append() as connection:
            gone = list(await connection.scalars(old))
            await connection.execute(delete(transcripts).where(among(transcripts.c.id, gone)))
        return len(gone)
