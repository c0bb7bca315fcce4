"""What keys and teams have spent, wherever they are shown."""

from __future__ import annotations

import time

from tests.ledgers import ledger_row
from tests.servers import Gateway


async def test_keys_and_teams_show_what_they_spent_in_their_period(gateway: Gateway) -> None:
    await gateway.manage("POST", "/teams", {"team_id": "red", "name": "Red"})
    key = await gateway.issue_key(team_id="red", max_budget=1, budget_duration="1d")
    other = await gateway.issue_key()
    now_ms = int(time.time() * 1000)
    owned = {"key_id": key["id"], "team_id": "red"}
    await gateway.app.state.services.store.ledger.write(
        [
            ledger_row(now_ms, **owned, cost=1_000_000),
            ledger_row(now_ms - 2 * 86_400_000, **owned, cost=5_000_000),
        ],
        [],
    )
    # The key has a new period each day, the team one for ever.
    for path, spend in (
        (f"/keys/{key['id']}", 0.001),
        (f"/keys/{other['id']}", 0.0),
        ("/teams/red", 0.006),
    ):
        assert (await gateway.manage("GET", path)).json()["spend"] == spend
    listed = (await gateway.manage("GET", "/keys?team_id=red")).json()["data"]
    assert [entry["spend"] for entry in listed] == [0.001]
    assert listed[0]["budget_reset_at"] > listed[0]["created_at"]
    assert (await gateway.manage("GET", "/teams")).json()["data"][0]["spend"] == 0.006
