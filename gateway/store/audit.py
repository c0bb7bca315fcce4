"""Who changed what: written in the transaction of the change itself, and never changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Insert, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.display import HIDDEN, timestamp
from gateway.records import Actor
from gateway.store.database import Database
from gateway.store.tables import audit

Json = Mapping[str, Any]

CHANGED = "[changed]"
# These change with everything else and tell nothing.
_SILENT = ("updated_at",)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. Secrets show as `[hidden]`, or `[changed]` where they were.

    Attributes:
        action: `key.add`, `model.update`, …
        before: The fields that the change touched, as they were; None where there was nothing.
        after: Likewise, as they are now.
    """

    position: int
    at: int
    actor: Actor
    action: str
    target_id: str
    target_name: str | None
    before: Json | None
    after: Json | None

    def view(self) -> dict[str, Any]:
        """The change as JSON."""
        return {
            "id": self.position,
            "object": "audit_entry",
            "at": timestamp(self.at),
            "actor": {
                "id": self.actor.id,
                "label": self.actor.label,
                "address": self.actor.address,
            },
            "action": self.action,
            "target": {"id": self.target_id, "name": self.target_name},
            "before": None if self.before is None else dict(self.before),
            "after": None if self.after is None else dict(self.after),
        }


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which changes to list; what is None does not matter.

    Attributes:
        target: The id or the name of what was changed.
        actor: The id or the label of who changed it.
        action: `key.add`, or a kind of thing alone, such as `key`.
        since: The first second to list.
        until: The first second not to list any more.
    """

    target: str | None = None
    actor: str | None = None
    action: str | None = None
    since: int | None = None
    until: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.target is not None:
            found.append(or_(audit.c.target_id == self.target, audit.c.target_name == self.target))
        if self.actor is not None:
            found.append(or_(audit.c.actor_id == self.actor, audit.c.actor_label == self.actor))
        if self.action is not None:
            kind = audit.c.action.startswith(f"{self.action}.", autoescape=True)
            found.append(or_(audit.c.action == self.action, kind))
        if self.since is not None:
            found.append(audit.c.at >= self.since)
        if self.until is not None:
            found.append(audit.c.at < self.until)
        return found


class AuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, limit: int, before: int | None = None, wanted: AuditFilter | None = None
    ) -> tuple[list[AuditEntry], bool]:
        """Up to `limit` changes, the newest first, and whether there are older ones.

        `before` is the position of the last change on the page before this one.
        """
        where = (wanted or AuditFilter()).conditions()
        if before is not None:
            where.append(audit.c.position < before)
        query = select(audit).where(*where).order_by(audit.c.position.desc()).limit(limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found = [
            AuditEntry(
                row.position,
                row.at,
                Actor(row.actor_id, row.actor_label, row.address),
                row.action,
                row.target_id,
                row.target_name,
                row.before,
                row.after,
            )
            for row in rows
        ]
        return found[:limit], len(found) > limit


async def note(
    connection: AsyncConnection,
    by: Actor,
    action: str,
    target: tuple[str, str | None],
    before: Json | None,
    after: Json | None,
) -> None:
    """Note a change of the thing with this id and name, given as it may be shown."""
    await connection.execute(noting(by, action, target, before, after))


def noting(
    by: Actor,
    action: str,
    target: tuple[str, str | None],
    before: Json | None,
    after: Json | None,
) -> Insert:
    """What `note` does, as a statement."""
    if before is not None and after is not None:
        touched = [
            name
            for name in {**before, **after}
            if name not in _SILENT and before.get(name) != after.get(name)
        ]
        before = {name: before.get(name) for name in touched}
        after = {name: after.get(name) for name in touched}
    values = {
        "at": int(time.time()),
        "actor_id": by.id,
        "actor_label": by.label,
        "address": by.address,
        "action": action,
        "target_id": target[0],
        "target_name": target[1],
        "before": before,
        "after": after,
    }
    return insert(audit).values(values)


def marked(view: Any, old: Any, new: Any) -> Any:
    """The view with `[changed]` for each hidden secret that differs between old and new."""
    if view == HIDDEN:
        return HIDDEN if old == new else CHANGED
    if isinstance(view, Mapping):
        return {
            name: marked(item, _inside(old, name), _inside(new, name))
            for name, item in view.items()
        }
    return view


def _inside(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None
