"""The settings that all processes share, as rows: only those that differ from the default."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Row, delete, insert, select

from gateway.records import Actor, CallSettings
from gateway.store.audit import note
from gateway.store.database import Database, uncancelled
from gateway.store.tables import settings

# A newer gateway on the same schema may have stored one that is not known here.
_KNOWN = settings.c.name.in_([field.name for field in fields(CallSettings)])


class CallSettingsStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self) -> CallSettings:
        async with self._database.read() as connection:
            rows = await connection.execute(select(settings).where(_KNOWN))
            return _settings(rows.all())

    async def put(self, new: CallSettings, by: Actor) -> None:
        await self.change(lambda _: new, by)

    @uncancelled
    async def change(
        self, change: Callable[[CallSettings], CallSettings], by: Actor
    ) -> CallSettings:
        """Store what `change` makes of the settings, with no other write in between; return it.

        Raises what `change` raises.
        """
        async with self._database.write("settings") as write:
            stored = await write.connection.execute(select(settings).where(_KNOWN))
            old = _settings(stored.all())
            new = change(old)
            if new == old:
                return old
            before, after, default = asdict(old), asdict(new), asdict(CallSettings())
            rows = [
                {"name": name, "value": value}
                for name, value in after.items()
                if value != default[name]
            ]
            await write.connection.execute(delete(settings).where(_KNOWN))
            if rows:
                await write.connection.execute(insert(settings), rows)
            await note(write.connection, by, "settings.update", ("settings", None), before, after)
        return new


def _settings(rows: Iterable[Row[Any]]) -> CallSettings:
    # JSON has no tuples.
    values: dict[str, Any] = {
        row.name: tuple(row.value) if isinstance(row.value, list) else row.value for row in rows
    }
    return CallSettings(**values)
