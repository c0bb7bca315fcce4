"""Teams, as rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.display import team_view
from gateway.errors import Conflict, NotFound
from gateway.records import Actor, Team
from gateway.store.audit import note
from gateway.store.database import Database, uncancelled
from gateway.store.tables import keys, teams

_COLUMNS = [teams.c[field.name] for field in fields(Team)]


class Teams:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Team]:
        """Every team, by name."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(*_COLUMNS).order_by(teams.c.name))
            return [_team(row) for row in rows]

    async def get(self, team_id: str) -> Team:
        """Raises NotFound."""
        async with self._database.read() as connection:
            query = select(*_COLUMNS).where(teams.c.id == team_id)
            row = (await connection.execute(query)).first()
        if row is None:
            raise _unknown(team_id)
        return _team(row)

    @uncancelled
    async def add(self, team: Team, by: Actor) -> None:
        """Raises Conflict where the name or id is taken."""
        try:
            async with self._database.write("teams") as write:
                await write.connection.execute(insert(teams).values(asdict(team)))
                await note(
                    write.connection, by, "team.add", (team.id, team.name), None, team_view(team)
                )
        except IntegrityError as error:
            raise _taken(team, error) from None

    @uncancelled
    async def change(self, team_id: str, change: Callable[[Team], Team], by: Actor) -> Team:
        """Store what `change` makes of a team, with no other write in between; return it.

        Raises NotFound; Conflict where the new name is taken; what `change` raises.
        """
        async with self._database.write("teams") as write:
            query = select(*_COLUMNS).where(teams.c.id == team_id)
            row = (await write.connection.execute(query)).first()
            if row is None:
                raise _unknown(team_id)
            old = _team(row)
            new = change(old)
            if _same(old, new):
                return old
            try:
                stored = update(teams).where(teams.c.id == team_id).values(asdict(new))
                await write.connection.execute(stored)
            except IntegrityError as error:
                raise _taken(new, error) from None
            views = team_view(old), team_view(new)
            await note(write.connection, by, "team.update", (new.id, new.name), *views)
        return new

    @uncancelled
    async def remove(self, team_id: str, by: Actor) -> None:
        """Raises NotFound; Conflict as long as it has keys that are not revoked."""
        async with self._database.write("teams") as write:
            live = (keys.c.team_id == team_id) & keys.c.revoked_at.is_(None)
            count = await write.connection.scalar(select(func.count()).where(live))
            if count:
                raise Conflict(
                    f"The team {team_id!r} has {count} live key(s); revoke them, or give them to "
                    "another team first",
                    param="team_id",
                )
            gone = delete(teams).where(teams.c.id == team_id).returning(*_COLUMNS)
            row = (await write.connection.execute(gone)).first()
            if row is None:
                raise _unknown(team_id)
            team = _team(row)
            await note(
                write.connection, by, "team.remove", (team.id, team.name), team_view(team), None
            )


def _same(old: Team, new: Team) -> bool:
    # As JSON, in which 1 and true are not the same.
    before, after = (json.dumps(asdict(replace(team, updated_at=0))) for team in (old, new))
    return before == after


def _team(row: Row[Any]) -> Team:
    return Team(**row._mapping)


def _taken(team: Team, error: IntegrityError) -> Conflict:
    if any(column in str(error.orig) for column in ("teams.id", "teams_pkey")):
        return Conflict(f"Another team has the id {team.id!r}", param="team_id")
    return Conflict(f"Another team is called {team.name!r}", param="name")


def _unknown(team_id: str) -> NotFound:
    return NotFound(f"No team has the id {team_id!r}", param="team_id")
