"""Each change leaves one row, in its own transaction, without secrets."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from gateway.errors import Conflict, GatewayError
from gateway.records import Actor, CallSettings
from gateway.settings import Settings
from gateway.specs import patched, rotated
from gateway.store import Store
from gateway.store.audit import AuditEntry, AuditFilter
from gateway.vault import hash_key
from tests.conftest import execute
from tests.servers import TESTER
from tests.store.records import PROVIDER_KEY, key, model, team

ADA = Actor("key_ada", "ada", "203.0.113.7")
MODEL, KEY, TEAM = model(), key("sk-gateway-plaintext", label="ci", rpm_limit=5), team()

Work = Callable[[Store], Awaitable[Any]]


@pytest.fixture
async def filled(store: Store) -> Store:
    """A store with one of each."""
    await store.models.add(MODEL, TESTER)
    await store.keys.add(KEY, TESTER)
    await store.teams.add(TEAM, TESTER)
    return store


async def entries(store: Store, by: Actor = ADA) -> list[AuditEntry]:
    found, more = await store.audit.page(100, wanted=AuditFilter(actor=by.id))
    assert not more
    return found


CHANGES: list[tuple[Work, str, tuple[str, str | None], Any, Any]] = [
    (
        lambda s: s.models.change("gpt", lambda m: patched(m, {"model_info": {"x": 1}}, 9), ADA),
        "model.update",
        (MODEL.id, "gpt"),
        {"model_info": {}},
        {"model_info": {"x": 1}},
    ),
    (
        lambda s: s.models.change("gpt", lambda m: patched(m, {"api_key": "sk-new"}, 9), ADA),
        "model.update",
        (MODEL.id, "gpt"),
        {"api_key": "[hidden]"},
        {"api_key": "[changed]"},
    ),
    (
        lambda s: s.models.change("gpt", lambda m: patched(m, {"model_name": "g"}, 9), ADA),
        "model.update",
        (MODEL.id, "g"),
        {"model_name": "gpt"},
        {"model_name": "g"},
    ),
    (
        lambda s: s.keys.change(KEY.id, lambda k: replace(k, rpm_limit=9, updated_at=9), ADA),
        "key.update",
        (KEY.id, "ci"),
        {"rpm_limit": 5},
        {"rpm_limit": 9},
    ),
    (
        lambda s: s.keys.change(KEY.id, lambda k: rotated(k, "sk-rotated-wxyz", "1h", 9), ADA),
        "key.update",
        (KEY.id, "ci"),
        {"hint": "sk-…text", "rotated_until": None},
        {"hint": "sk-…wxyz", "rotated_until": "1970-01-01T01:00:09Z"},
    ),
    (
        lambda s: s.keys.revoke([KEY.id, "key_none"], 9, ADA),
        "key.revoke",
        (KEY.id, "ci"),
        {"revoked_at": None},
        {"revoked_at": "1970-01-01T00:00:09Z"},
    ),
    (
        lambda s: s.teams.change("research", lambda t: replace(t, max_budget=10**8), ADA),
        "team.update",
        ("research", "Research"),
        {"max_budget": None},
        {"max_budget": 0.1},
    ),
    (
        lambda s: s.settings.put(CallSettings(drop_params=True), ADA),
        "settings.update",
        ("settings", None),
        {"drop_params": False},
        {"drop_params": True},
    ),
]


@pytest.mark.parametrize(("work", "action", "target", "before", "after"), CHANGES)
async def test_a_change_is_one_row_of_what_it_touched(
    filled: Store, work: Work, action: str, target: tuple[str, str | None], before: Any, after: Any
) -> None:
    await work(filled)
    [entry] = await entries(filled)
    assert (entry.actor, entry.action) == (ADA, action)
    assert (entry.target_id, entry.target_name) == target
    assert (entry.before, entry.after) == (before, after)
    assert abs(entry.at - time.time()) < 60


async def test_what_is_added_is_there_whole_and_what_is_removed_too(store: Store) -> None:
    await store.models.add(MODEL, ADA)
    await store.keys.add(KEY, ADA)
    await store.teams.add(TEAM, ADA)
    await store.models.remove("gpt", ADA)
    await store.teams.remove("research", ADA)
    gone_team, gone_model, new_team, new_key, new_model = await entries(store)
    actions = [e.action for e in (new_model, new_key, new_team, gone_model, gone_team)]
    assert actions == ["model.add", "key.add", "team.add", "model.remove", "team.remove"]
    for new, gone in ((new_model, gone_model), (new_team, gone_team)):
        assert new.before is None
        assert new.after is not None
        assert gone.after is None
        assert gone.target_id == new.target_id
    assert new_team.after == gone_team.before
    assert new_model.after is not None
    assert new_model.after["api_key"] == "[hidden]"
    assert new_key.after is not None
    assert new_key.after["rpm_limit"] == 5


async def test_several_keys_revoked_at_once_have_a_row_each(store: Store) -> None:
    made = [key(f"sk-{n}", label=str(n)) for n in range(3)]
    for each in made:
        await store.keys.add(each, TESTER)
    await store.keys.revoke([each.id for each in made], 9, ADA)
    await store.keys.revoke([each.id for each in made], 9, ADA)
    found = [(entry.action, entry.target_name) for entry in await entries(store)]
    assert sorted(found) == [("key.revoke", "0"), ("key.revoke", "1"), ("key.revoke", "2")]


FAILING: list[Work] = [
    lambda s: s.models.add(MODEL, ADA),
    lambda s: s.models.change(
        "gpt", lambda m: replace(m, name="other", upstream_model="other"), ADA
    ),
    lambda s: s.models.remove("none", ADA),
    lambda s: s.keys.add(KEY, ADA),
    lambda s: s.keys.add(key("sk-c", team_id="none"), ADA),
    lambda s: s.keys.change(KEY.id, lambda k: replace(k, secret_hash=hash_key("sk-b")), ADA),
    lambda s: s.keys.change(KEY.id, lambda k: replace(k, rpm_limit=1 // 0), ADA),
    lambda s: s.teams.add(TEAM, ADA),
    lambda s: s.teams.change("research", lambda t: replace(t, name="Other"), ADA),
    lambda s: s.teams.remove("research", ADA),
]


@pytest.mark.parametrize("work", FAILING)
async def test_a_change_that_fails_leaves_no_row(filled: Store, work: Work) -> None:
    await filled.models.add(model("other"), TESTER)
    await filled.keys.add(key("sk-b", team_id="research"), TESTER)
    await filled.teams.add(team("other"), TESTER)
    before = await filled.database.stamps()
    with pytest.raises((GatewayError, ZeroDivisionError)):
        await work(filled)
    assert await entries(filled) == []
    assert await filled.database.stamps() == before


@pytest.mark.parametrize(
    "work",
    [
        lambda s: s.keys.change(KEY.id, lambda k: replace(k, updated_at=9), ADA),
        lambda s: s.teams.change("research", lambda t: replace(t, updated_at=9), ADA),
        lambda s: s.settings.put(CallSettings(), ADA),
        lambda s: s.keys.revoke(["key_none"], 9, ADA),
    ],
)
async def test_what_changes_nothing_leaves_no_row(filled: Store, work: Work) -> None:
    await work(filled)
    assert await entries(filled) == []


@pytest.mark.sqlite
async def test_a_row_that_cannot_be_written_undoes_the_change(
    filled: Store, settings: Settings
) -> None:
    """There is no change without its row, as there is no row without its change."""
    execute(
        settings,
        "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    for work, *_ in CHANGES:
        with pytest.raises((IntegrityError, Conflict)):
            await work(filled)
    assert await filled.models.all() == [MODEL]
    assert await filled.keys.all() == [KEY]
    assert await filled.teams.all() == [TEAM]
    assert await filled.settings.get() == CallSettings()


async def test_no_secret_is_in_the_log_or_anywhere_in_the_files(
    store: Store, tmp_path: Path
) -> None:
    headers = {"extra_headers": {"authorization": "Bearer plaintext-1"}}
    await store.models.add(model(litellm_params=headers), ADA)
    for patch in ({"api_key": "sk-plaintext-2"}, {"litellm_params": {"extra_headers": None}}):
        await store.models.change("gpt", lambda m, p=patch: patched(m, p, 9), ADA)  # type: ignore[misc]
    await store.models.remove("gpt", ADA)
    await store.keys.add(key("sk-plaintext-3"), ADA)
    [made] = await store.keys.all()
    await store.keys.change(made.id, lambda k: rotated(k, "sk-plaintext-4", "1h", 9), ADA)
    with contextlib.suppress(Conflict):
        await store.keys.add(key("sk-plaintext-4"), ADA)
    log = repr(await entries(store))
    for secret in ("plaintext", PROVIDER_KEY, *map(hash_key, ("sk-plaintext-3", "sk-plaintext-4"))):
        assert secret not in log
    await store.database.close()
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert b"plaintext" not in content, file.name
        assert PROVIDER_KEY.encode() not in content, file.name


# --- reading ---


async def test_pages_go_from_the_newest_to_the_oldest(store: Store) -> None:
    for n in range(7):
        await store.teams.add(team(f"t{n}"), ADA)
    pages, before, more = [], None, True
    while more:
        page, more = await store.audit.page(3, before)
        pages.append([entry.target_id for entry in page])
        before = page[-1].position
    assert pages == [["t6", "t5", "t4"], ["t3", "t2", "t1"], ["t0"]]
    assert await store.audit.page(7, 1) == ([], False)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AuditFilter(), ["team.update", "team.add", "key.add", "model.add"]),
        (AuditFilter(target="research"), ["team.update", "team.add"]),
        (AuditFilter(target="ci"), ["key.add"]),
        (AuditFilter(actor="key_ada"), ["team.update"]),
        (AuditFilter(actor="ada"), ["team.update"]),
        (AuditFilter(action="team"), ["team.update", "team.add"]),
        (AuditFilter(action="team.add"), ["team.add"]),
        (AuditFilter(action="tea"), []),
        (AuditFilter(action="%"), []),
        (AuditFilter(since=2**40), []),
        (AuditFilter(until=0), []),
        (AuditFilter(action="key", since=0, until=2**40), ["key.add"]),
    ],
)
async def test_entries_are_found_by_what_they_say(
    filled: Store, wanted: AuditFilter, found: list[str]
) -> None:
    await filled.teams.change("research", lambda t: replace(t, blocked=True), ADA)
    page, _ = await filled.audit.page(10, wanted=wanted)
    assert [entry.action for entry in page] == found
