"""`gateway audit`: who changed what, when, from where."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.output import Json, note, print_json, print_table, with_store

if TYPE_CHECKING:
    from gateway.records import Actor
    from gateway.store.audit import AuditEntry

# What says nothing of a new thing, or is in the line above.
_PLAIN = ("id", "model_id", "object", "label", "name", "model_name", "created_at", "updated_at")
_NOTHING: tuple[object, ...] = (None, False, "", [], {})

Moment = Annotated[
    str | None, typer.Option(help="A day, an ISO 8601 time, or how long ago: 12h, 7d.")
]


def audit(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Argument(help="Changes to the thing with this id or name alone.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(help="By the admin key, or account, with this id or label.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="Such as key.add, or key for all there is of keys.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The most to show.")] = 50,
    as_json: Json = False,
) -> None:
    """List changes to models, keys, teams and settings, the newest first.

    No command takes anything out of the list.
    """
    from gateway.store.audit import AuditFilter
    from gateway.usage import end_time, start_time

    now = int(time.time())
    wanted = AuditFilter(
        target,
        actor,
        action,
        start_time("--since", since, now) if since else None,
        end_time("--until", until, now) if until else None,
    )
    found, more = with_store(context, lambda store: store.audit.page(limit, None, wanted))
    if as_json:
        print_json([entry.view() for entry in found])
    else:
        print_table(
            ("WHEN", "WHO", "FROM", "ACTION", "WHAT"),
            (_row(entry) for entry in found),
            "No such changes.",
        )
    if more:
        note(f"These are the newest {limit}; --limit shows more, --until older ones.")


def _row(entry: AuditEntry) -> tuple[str, ...]:
    from gateway.display import timestamp

    what = [entry.target_name or entry.target_id]
    if entry.target_name:
        what[0] += f" ({entry.target_id})"
    what += changes(entry.before, entry.after)
    return (timestamp(entry.at), *_who(entry.actor), entry.action, "\n".join(what))


def _who(actor: Actor) -> tuple[str, str]:
    """Who it was and from where; an admin key has an address, a command an account."""
    if actor.address is None and actor.label:
        return actor.label, actor.id
    return actor.label or actor.id, actor.address or "-"


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """A line for each field that is told of.

    >>> changes({"rpm_limit": 5}, {"rpm_limit": None})
    ['rpm_limit: 5 → -']
    """
    if before is not None and after is not None:
        old, new = dict(_flat(before)), dict(_flat(after))
        return [
            f"{name}: {_shown(old.get(name))} → {_shown(new.get(name))}"
            for name in {**old, **new}
            if old.get(name) != new.get(name)
        ]
    sign = "+" if before is None else "-"
    return [
        f"{sign} {name}: {_shown(value)}"
        for name, value in _flat(before or after or {})
        if value not in _NOTHING and name not in _PLAIN
    ]


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each field, those of objects by a path such as `litellm_params.temperature`."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _shown(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
