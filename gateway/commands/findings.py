"""What `gateway doctor` and `gateway db check` find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import typer

from gateway.commands.output import PROBLEM, print_json, print_table

if TYPE_CHECKING:
    from gateway.store import Store


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and how to mend it."""

    check: str
    state: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str = ""


def report(findings: Sequence[Finding], as_json: bool) -> None:
    """Print them, and end with the exit code of a problem if there is one."""
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = ((f.check, f.state, f.detail, f.remedy) for f in findings)
        print_table(("CHECK", "STATE", "FOUND", "TO MEND IT"), rows, "Nothing was checked.")
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(PROBLEM)


async def integrity(store: Store) -> Finding:
    """What the database's own check says."""
    damage = await store.database.check_integrity()
    shown = store.database.shown
    if damage:
        return Finding("database", "problem", f"{shown}: {damage[0]}", "restore it from a backup")
    return Finding("database", "ok", shown)


async def secret_key(store: Store) -> Finding:
    """Whether the secrets of all models can be opened."""
    from gateway.vault import VaultError

    try:
        models = await store.models.all()
    except VaultError as error:
        return Finding("secret key", "problem", str(error), "set GATEWAY_SECRET_KEY")
    return Finding("secret key", "ok", f"opens all {len(models)} models")


async def ledger(store: Store) -> list[Finding]:
    """Whether it adds up, and what of it waits for somebody to look."""
    from gateway.left_behind import unreadable

    found = [Finding("ledger", "ok", "its rows and the daily sums agree")]
    if unequal := await store.ledger.unequal_days():
        found[0] = Finding(
            "ledger",
            "problem",
            f"its rows and the daily sums differ on {', '.join(unequal)}",
            "restore the database from a backup, and tell the gateway's makers",
        )
    found += [
        Finding(
            "ledger journal",
            "warning",
            f"{kept} holds requests of another version's that could not be stored",
            "start the version that wrote it once with this file called .jsonl again",
        )
        for kept in unreadable(store.files)
    ]
    return found
