"""Teams as rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import Conflict, NotFound
from gateway.store import Store
from tests.servers import TESTER
from tests.store.records import HOSTILE, key, team


async def _stamp(store: Store) -> int:
    return (await store.database.stamps())["teams"]


async def test_a_team_comes_back_as_it_was_stored(store: Store) -> None:
    full = team(
        name='it\'s "ours"; --',
        blocked=True,
        max_budget=10**18,
        soft_budget=1,
        budget_duration="7d",
        metadata={"n": [1, 2.5, None, True, {"é": "🦊"}]},
        updated_at=2000,
    )
    bare = team("a")
    await store.teams.add(full, TESTER)
    await store.teams.add(bare, TESTER)
    assert await store.teams.get("research") == full
    assert await store.teams.all() == [bare, full], "by name"
    for unknown in (*HOSTILE, "", "none"):
        with pytest.raises(NotFound, match="No team has the id") as missing:
            await store.teams.get(unknown)
        assert missing.value.param == "team_id"


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_is_never_read_as_sql(name: str, store: Store) -> None:
    other = team("other")
    await store.teams.add(other, TESTER)
    await store.teams.add(team(name), TESTER)
    assert (await store.teams.get(name)).id == name
    await store.teams.remove(name, TESTER)
    assert await store.teams.all() == [other]


async def test_ids_and_names_are_used_once(store: Store) -> None:
    await store.teams.add(team("a", name="A"), TESTER)
    await store.teams.add(team("b", name="B"), TESTER)
    with pytest.raises(Conflict, match="Another team has the id 'a'") as by_id:
        await store.teams.add(team("a", name="C"), TESTER)
    with pytest.raises(Conflict, match="Another team is called 'A'") as by_name:
        await store.teams.add(team("c", name="A"), TESTER)
    with pytest.raises(Conflict, match="Another team is called 'A'"):
        await store.teams.change("b", lambda b: replace(b, name="A"), TESTER)
    assert (by_id.value.param, by_name.value.param) == ("team_id", "name")
    assert [each.name for each in await store.teams.all()] == ["A", "B"]
    assert await _stamp(store) == 2


async def test_a_change_sees_what_is_stored_and_what_it_makes_is_returned(store: Store) -> None:
    first = team()
    await store.teams.add(first, TESTER)
    await store.teams.change("research", lambda t: replace(t, max_budget=5), TESTER)
    changed = await store.teams.change("research", lambda t: replace(t, name="R & D"), TESTER)
    assert (
        changed == replace(first, max_budget=5, name="R & D") == await store.teams.get("research")
    )
    assert await _stamp(store) == 3
    with pytest.raises(NotFound):
        await store.teams.change("none", lambda none: none, TESTER)
    with pytest.raises(ZeroDivisionError):
        await store.teams.change("research", lambda t: replace(t, max_budget=1 // 0), TESTER)
    assert await store.teams.get("research") == changed
    assert await _stamp(store) == 3


async def test_a_team_is_removed_once_it_has_no_live_keys(store: Store) -> None:
    await store.teams.add(team(), TESTER)
    keys = key("sk-a", team_id="research"), key("sk-b", team_id="research", blocked=True)
    for made in keys:
        await store.keys.add(made, TESTER)
    with pytest.raises(Conflict, match=r"has 2 live key\(s\); revoke them") as refused:
        await store.teams.remove("research", TESTER)
    assert refused.value.param == "team_id"
    await store.keys.revoke([made.id for made in keys], 2000, TESTER)
    await store.teams.remove("research", TESTER)
    assert await store.teams.all() == []
    # What its keys were is still known.
    assert {made.team_id for made in await store.keys.all()} == {"research"}
    with pytest.raises(NotFound):
        await store.teams.remove("research", TESTER)
