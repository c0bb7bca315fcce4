"""The settings of calls, as rows: only those that differ from the default are stored."""

from __future__ import annotations

from dataclasses import asdict, fields

from sqlalchemy import delete, insert, select

from gateway.records import Actor, CallSettings
from gateway.store.audit import note
from gateway.store.database import Database, uncancelled
from gateway.store.tables import settings


class CallSettingsStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self) -> CallSettings:
        async with self._database.read() as connection:
            rows = await connection.execute(select(settings))
            # A newer gateway on the same schema may have stored one that is not known here.
            known = {field.name for field in fields(CallSettings)}
            return CallSettings(**{row.name: row.value for row in rows if row.name in known})

    @uncancelled
    async def put(self, new: CallSettings, by: Actor) -> None:
        old = await self.get()
        default = asdict(CallSettings())
        rows = [
            {"name": name, "value": value}
            for name, value in asdict(new).items()
            if value != default[name]
        ]
        async with self._database.write("settings") as write:
            await write.connection.execute(delete(settings))
            if rows:
                await write.connection.execute(insert(settings), rows)
            await note(write, by, "settings.update", ("settings", None), asdict(old), asdict(new))
