"""Sessions of the console that were signed out; all others live in their cookies alone."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from gateway.store.database import Database, uncancelled
from gateway.store.tables import ended_sessions


class EndedSessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def has(self, session_id: str) -> bool:
        query = select(ended_sessions.c.id).where(ended_sessions.c.id == session_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    @uncancelled
    async def add(self, session_id: str, until: int, now: int) -> None:
        """Remember until then, when its cookie is good no more. Once more is no error."""
        async with self._database.append() as connection:
            gone = (ended_sessions.c.until <= now) | (ended_sessions.c.id == session_id)
            await connection.execute(delete(ended_sessions).where(gone))
            await connection.execute(insert(ended_sessions).values(id=session_id, until=until))
