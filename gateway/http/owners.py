"""Keys and teams as the gateway's own API shows them: with what they have spent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from gateway.display import key_view, spending, team_view
from gateway.http.requests import services
from gateway.records import Key, Team

Json = dict[str, Any]


async def shown(request: Request, owner: Key | Team) -> Json:
    """One of them, with the money spent in its budget period, in dollars."""
    return (await all_shown(request, [owner]))[0]


async def all_shown(request: Request, owners: Sequence[Key | Team]) -> list[Json]:
    """Several, likewise."""
    now = int(time.time())
    spent = await services(request).store.ledger.spent_by_each(owners, now)
    return [
        (key_view(owner) if isinstance(owner, Key) else team_view(owner))
        | spending(owner, spent[owner.id], now)
        for owner in owners
    ]
