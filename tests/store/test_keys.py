"""Access keys as rows."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Conflict, InvalidField, NotFound
from gateway.records import Key
from gateway.specs import rotated
from gateway.store import Store
from gateway.store.keys import Column, KeyFilter
from gateway.vault import hash_key
from tests.servers import TESTER
from tests.store.records import HOSTILE, changed_keys, key, team


async def _stamp(store: Store) -> int:
    return (await store.database.stamps())["keys"]


async def _add(store: Store, *keys: Key) -> None:
    for made in keys:
        await store.keys.add(made, TESTER)


async def _labels(store: Store, **wanted: Any) -> list[str | None]:
    found, total = await store.keys.find(KeyFilter(**wanted), descending=False)
    assert total == len(found)
    return [made.label for made in found]


# --- rows ---


async def test_a_key_comes_back_as_it_was_stored(store: Store) -> None:
    await store.teams.add(team(), TESTER)
    full = key(
        label='it\'s "mine"; --',
        team_id="research",
        user_id="ada",
        retiring_hash=hash_key("sk-before"),
        retiring_until=2000,
        blocked=True,
        models=("gpt", "a/*"),
        aliases={"модель": "🦊"},
        rpm_limit=2**53,
        tpm_limit=1,
        model_rpm_limit={"gpt": 5},
        model_tpm_limit={"gpt": 2**53},
        max_parallel_requests=3,
        max_budget=10**18,
        soft_budget=1,
        budget_duration="1mo",
        tags=("a", "b"),
        metadata={"n": [1, 2.5, None, True, {"é": "🦊"}], "big": 2**64 - 1},
        expires_at=253_402_300_799,
    )
    bare = key("sk-b", now=999, kind="admin")
    await _add(store, full, bare)
    assert await store.keys.get(full.id) == full
    assert await store.keys.all() == [bare, full]
    assert [type(value) for value in (full.models, full.tags)] == [tuple, tuple]
    for unknown in (*HOSTILE, "", "key_none"):
        with pytest.raises(NotFound, match="No key has the id") as missing:
            await store.keys.get(unknown)
        assert missing.value.param == "id"


async def test_a_secret_belongs_to_one_key(store: Store) -> None:
    first, second = key("sk-a"), key("sk-b")
    await store.keys.add(first, TESTER)
    await store.keys.add(second, TESTER)
    with pytest.raises(Conflict, match="exists already") as refused:
        await store.keys.add(key("sk-a"), TESTER)
    assert refused.value.param == "key"
    with pytest.raises(Conflict, match="exists already"):
        await store.keys.change(
            second.id, lambda key: replace(key, secret_hash=first.secret_hash), TESTER
        )
    assert await store.keys.get(second.id) == second
    assert await _stamp(store) == 2


async def test_the_database_itself_knows_two_kinds_of_keys(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.keys.add(replace(key("sk-a"), kind="root"), TESTER)  # type: ignore[arg-type]
    assert await store.keys.all() == []


async def test_a_key_is_replaced_under_its_id(store: Store) -> None:
    first = key("sk-a")
    await store.keys.add(first, TESTER)
    changed = replace(first, rpm_limit=5, label="new")
    await store.keys.change(changed.id, lambda _: changed, TESTER)
    assert await store.keys.get(first.id) == changed
    assert await changed_keys(store, 1) == [changed]
    with pytest.raises(NotFound):
        await store.keys.change("key_none", lambda none: none, TESTER)
    assert await _stamp(store) == 2


async def test_keys_come_in_pages(store: Store) -> None:
    issued = [key(f"sk-{n}") for n in range(7)]
    for made in issued:
        await store.keys.add(made, TESTER)
    ordered = sorted(issued, key=lambda made: made.id)
    pages, after, more = [], None, True
    while more:
        page, more = await store.keys.page(3, after)
        pages.append(page)
        after = page[-1].id
    assert pages == [ordered[:3], ordered[3:6], ordered[6:]]
    assert await store.keys.page(7, None) == (ordered, False)
    assert await store.keys.page(6, None) == (ordered[:6], True)
    assert await store.keys.page(3, ordered[-1].id) == ([], False)
    assert (await store.keys.page(9, "' OR 1=1 --"))[0] == ordered


async def test_revoking_is_for_good_and_may_be_repeated(store: Store) -> None:
    first, second, third = (key(f"sk-{n}") for n in range(3))
    for made in (first, second, third):
        await store.keys.add(made, TESTER)
    assert await store.keys.revoke([first.id, second.id, "key_none"], 2000, TESTER) == 2
    assert await store.keys.revoke([first.id], 3000, TESTER) == 0
    assert await store.keys.revoke([], 3000, TESTER) == 0
    assert (await store.keys.get(first.id)).revoked_at == 2000
    assert (await store.keys.get(third.id)).revoked_at is None
    assert {made.id for made in await changed_keys(store, 3)} == {first.id, second.id}


# --- teams ---


async def test_a_key_belongs_to_a_team_that_there_is(store: Store) -> None:
    await store.teams.add(team(), TESTER)
    member, loner = key(team_id="research"), key("sk-b", now=1001)
    await _add(store, member, loner)
    for attempt in (
        lambda: store.keys.add(key("sk-c", team_id="none"), TESTER),
        lambda: store.keys.change(loner.id, lambda k: replace(k, team_id="none"), TESTER),
    ):
        with pytest.raises(InvalidField, match="No team has the id 'none'") as refused:
            await attempt()
        assert refused.value.param == "team_id"
    assert await store.keys.all() == [member, loner]
    assert await _stamp(store) == 2


async def test_keys_are_counted_by_team_without_revoked_ones(store: Store) -> None:
    for team_id in ("a", "b", "c"):
        await store.teams.add(team(team_id), TESTER)
    gone = key("sk-3", team_id="a")
    await _add(store, key("sk-1", team_id="a"), key("sk-2", team_id="a"), gone, key("sk-4"))
    await _add(store, key("sk-5", team_id="b", blocked=True))
    await store.keys.revoke([gone.id], 2000, TESTER)
    assert await store.keys.count_by_team(["a", "b", "c", "none"]) == {"a": 2, "b": 1}
    assert await store.keys.count_by_team([]) == {}


# --- finding ---


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [
        ({}, ["first", "second", "third", None, "boss"]),
        ({"kind": "admin"}, ["boss"]),
        ({"label": "second"}, ["second"]),
        ({"label": "secon"}, []),
        ({"team_id": "research"}, ["first", "third"]),
        ({"team_id": "research", "user_id": "ada"}, ["first"]),
        ({"user_id": "%"}, []),
        ({"secret_hash": hash_key("sk-2")}, ["second"]),
        ({"revoked": True}, ["third"]),
        ({"revoked": False}, ["first", "second", None, "boss"]),
        ({"blocked": True}, ["second"]),
        ({"expired": True}, [None]),
        ({"label_part": "IR"}, ["first", "third"]),
        ({"search": hash_key("sk-3")}, ["third"]),
        ({"search": "sec"}, ["second"]),
    ],
)
async def test_keys_are_found_by_what_they_are(
    store: Store, wanted: dict[str, Any], labels: list[str | None]
) -> None:
    await store.teams.add(team(), TESTER)
    third = key("sk-3", 3, label="third", team_id="research", user_id="%%")
    await _add(
        store,
        key("sk-1", 1, label="first", team_id="research", user_id="ada"),
        key("sk-2", 2, label="second", user_id="bob", blocked=True),
        third,
        key("sk-4", 4, expires_at=5),
        key("sk-5", 5, label="boss", kind="admin"),
    )
    await store.keys.revoke([third.id], 9, TESTER)
    assert await _labels(store, **wanted) == labels


@pytest.mark.parametrize(
    ("order_by", "labels"),
    [
        ("created_at", ["a", "b", None, "c"]),
        ("label", ["a", "b", "c", None]),
        ("max_budget", ["c", "a", "b", None]),
    ],
)
async def test_keys_come_in_an_order_and_in_part(
    store: Store, order_by: Column, labels: list[str | None]
) -> None:
    await _add(
        store,
        key("sk-1", 1, label="a", max_budget=2),
        key("sk-2", 2, label="b", max_budget=3),
        key("sk-3", 3),
        key("sk-4", 4, label="c", max_budget=1),
    )
    for descending, expected in ((False, labels), (True, labels[::-1])):
        found, total = await store.keys.find(KeyFilter(), 2, 1, order_by, descending)
        assert [made.label for made in found] == expected[1:3]
        assert total == 4
    assert await store.keys.find(KeyFilter(), 2, 9) == ([], 4)


# --- changes ---


async def test_a_change_sees_what_is_stored_and_what_it_makes_is_returned(store: Store) -> None:
    first = key(rpm_limit=5)
    await _add(store, first)
    await store.keys.change(first.id, lambda k: replace(k, tpm_limit=7), TESTER)
    changed = await store.keys.change(first.id, lambda k: replace(k, rpm_limit=6), TESTER)
    assert changed == replace(first, tpm_limit=7, rpm_limit=6) == await store.keys.get(first.id)


async def test_a_revoked_key_is_changed_no_more(store: Store) -> None:
    first = key()
    await _add(store, first)
    await store.keys.revoke([first.id], 2000, TESTER)
    with pytest.raises(Conflict, match="is revoked, for good"):
        await store.keys.change(first.id, lambda k: replace(k, revoked_at=None), TESTER)
    assert (await store.keys.get(first.id)).revoked_at == 2000


async def test_a_secret_that_was_rotated_away_is_taken_by_no_key(store: Store) -> None:
    first, second = key("sk-a"), key("sk-b")
    await _add(store, first, second)
    now = int(time.time())
    await store.keys.change(first.id, lambda k: rotated(k, "sk-a-new", None, now), TESTER)
    before = await store.keys.all()
    for attempt in (
        lambda: store.keys.add(key("sk-a"), TESTER),
        lambda: store.keys.change(second.id, lambda k: rotated(k, "sk-a", None, now), TESTER),
    ):
        with pytest.raises(Conflict, match="was rotated out of the key") as refused:
            await attempt()
        assert refused.value.param == "key"
    assert await store.keys.all() == before


@pytest.mark.parametrize(("grace", "old_is_good"), [("1h", True), (None, False)])
async def test_a_key_is_found_by_its_secret_and_by_the_old_one_in_its_grace(
    store: Store, grace: str | None, old_is_good: bool
) -> None:
    first = key("sk-old")
    await _add(store, first, key("sk-other"))
    assert await store.keys.by_secret(hash_key("sk-old")) == first
    new = await store.keys.change(
        first.id, lambda k: rotated(k, "sk-new", grace, int(time.time())), TESTER
    )
    assert await store.keys.by_secret(hash_key("sk-new")) == new
    assert await store.keys.by_secret(hash_key("sk-old")) == (new if old_is_good else None)
    assert await store.keys.by_secret("none") is None


async def test_where_it_is_asked_for_the_last_admin_key_stays(store: Store) -> None:
    boss, other = key("sk-1", kind="admin"), key("sk-2", kind="admin", expires_at=2**32)
    await _add(store, boss, other, key("sk-3"))

    def blocked(k: Key) -> Key:
        return replace(k, blocked=True)

    # The other lasts less long.
    with pytest.raises(Conflict, match="Nobody could manage the gateway"):
        await store.keys.revoke([boss.id], 5, TESTER, keep_admin=True)
    with pytest.raises(Conflict, match="Nobody could manage the gateway"):
        await store.keys.change(boss.id, blocked, TESTER, keep_admin=True)
    assert await store.keys.get(boss.id) == boss
    assert await store.keys.revoke([other.id], 5, TESTER, keep_admin=True) == 1
    assert await store.keys.revoke([boss.id], 5, TESTER) == 1
