"""Who changed what: written in the transaction of the change itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from gateway.display import HIDDEN
from gateway.records import Actor
from gateway.store.database import Database, Write
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


class AuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        limit: int,
        before: int | None = None,
        target_id: str | None = None,
        actor_id: str | None = None,
        action: str | None = None,
    ) -> tuple[list[AuditEntry], bool]:
        """Up to `limit` changes, the newest first, and whether there are older ones.

        `before` is a position; `action` may be a kind of thing alone, such as `key`.
        """
        query = select(audit).order_by(audit.c.position.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(audit.c.position < before)
        if target_id is not None:
            query = query.where(
                (audit.c.target_id == target_id) | (audit.c.target_name == target_id)
            )
        if actor_id is not None:
            query = query.where(audit.c.actor_id == actor_id)
        if action is not None:
            kind = audit.c.action.startswith(f"{action}.", autoescape=True)
            query = query.where((audit.c.action == action) | kind)
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
    write: Write,
    by: Actor,
    action: str,
    target: tuple[str, str | None],
    before: Json | None,
    after: Json | None,
) -> None:
    """Note a change of the thing with this id and name, given as it may be shown."""
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
    await write.connection.execute(insert(audit).values(values))


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
