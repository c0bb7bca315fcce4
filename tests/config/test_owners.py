"""Keys and teams of a file, put into a database and written out of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gateway.config.export import export
from gateway.config.file import read
from gateway.config.seed import MASTER_KEY_LABEL, apply, ensure_admin_key, replace_admin_key
from gateway.config.values import ConfigRefused
from gateway.display import HIDDEN
from gateway.errors import Conflict
from gateway.records import Key, Team
from gateway.settings import Settings
from gateway.specs import key_spec, rotated, team_spec
from gateway.store import Store
from gateway.vault import hash_key
from tests.servers import TESTER

SECRET = "sk-backend-0123456789abcdef"
NEW = "sk-rotated-0123456789abcdef"
MASTER = "sk-master-0123456789abcdef"

FILE = f"""\
teams:
- {{team_id: research, name: Research, max_budget: 100, budget_duration: 7d}}
keys:
- {{label: nb, key: {SECRET}, team_id: research, models: [gpt], max_budget: 0.1,
   metadata: {{n: 1}}}}
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(Settings(database_url=f"sqlite:///{tmp_path}/a.db")) as opened:
        yield opened


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(Settings(database_url=f"sqlite:///{tmp_path}/b.db")) as opened:
        yield opened


async def applied(store: Store, text: str) -> dict[str, str]:
    """Apply a file; what became of each thing it names."""
    changes = await apply(store, read(text), {}, TESTER)
    return {f"{change.kind} {change.name}": change.state for change in changes}


async def everything(store: Store) -> tuple[list[Key], list[Team], dict[str, int]]:
    """What is in the store, and how often each topic was written."""
    return await store.keys.all(), await store.teams.all(), await store.database.stamps()


async def rotate(store: Store, grace: str | None = None) -> Key:
    """Give the one key of the file another secret."""
    (key,) = await store.keys.all()
    now = int(time.time())
    return await store.keys.change(key.id, lambda k: rotated(k, NEW, grace, now), TESTER)


# Applying


async def test_a_key_and_its_team_come_from_one_file(store: Store) -> None:
    assert await applied(store, FILE) == {"team research": "added", "key nb": "added"}
    (key,), (team,), _ = await everything(store)
    assert (team.id, team.max_budget, team.budget_duration) == ("research", 100 * 10**9, "7d")
    assert (key.team_id, key.models, key.max_budget) == ("research", ("gpt",), 10**8)
    before = await everything(store)
    assert set((await applied(store, FILE)).values()) == {"unchanged"}
    assert await everything(store) == before


@pytest.mark.parametrize(
    ("old", "new", "updated"),
    [
        ("max_budget: 100", "max_budget: 99", "team research"),
        ("budget_duration: 7d", "metadata: {a: 1}", "team research"),
        ("name: Research", "name: R & D", "team research"),
        ("models: [gpt]", "tags: [a]", "key nb"),
        ("max_budget: 0.1", "max_budget: 0.10001", "key nb"),
        (", team_id: research", "", "key nb"),
        # In JSON they are not the same.
        ("n: 1", "n: true", "key nb"),
    ],
)
async def test_only_what_differs_is_written(store: Store, old: str, new: str, updated: str) -> None:
    await applied(store, FILE)
    (key,), (team,), _ = await everything(store)
    text = FILE.replace(old, new, 1)
    assert text != FILE
    states = await applied(store, text)
    assert [name for name, state in states.items() if state == "updated"] == [updated]
    (new_key,), (new_team,), _ = await everything(store)
    assert (new_key.id, new_key.created_at) == (key.id, key.created_at)
    assert new_team.created_at == team.created_at
    # By their text, as 1 and true are equal in Python.
    same = (repr(new_key) == repr(key), repr(new_team) == repr(team))
    assert same == (updated != "key nb", updated == "key nb")
    assert set((await applied(store, text)).values()) == {"unchanged"}


async def test_what_was_blocked_stays_so_unless_the_file_says_otherwise(store: Store) -> None:
    """A restart applies the file; it must not let somebody in who was just shut out."""
    await applied(store, FILE)
    (key,) = await store.keys.all()
    await store.keys.change(key.id, lambda k: replace(k, blocked=True), TESTER)
    await store.teams.change("research", lambda t: replace(t, blocked=True), TESTER)
    assert set((await applied(store, FILE)).values()) == {"unchanged"}
    assert set((await applied(store, FILE.replace("100", "99"))).values()) == {
        "unchanged",
        "updated",
    }
    (key,), (team,), _ = await everything(store)
    assert (key.blocked, team.blocked) == (True, True)
    said = FILE.replace("label: nb", "label: nb, blocked: false")
    assert (await applied(store, said))["key nb"] == "updated"
    said = said.replace("name: Research", "name: Research, blocked: false")
    assert (await applied(store, said))["team research"] == "updated"
    (key,), (team,), _ = await everything(store)
    assert (key.blocked, team.blocked) == (False, False)


@pytest.mark.parametrize("grace", ["1h", None])
async def test_the_file_s_old_secret_does_not_undo_a_rotation(
    store: Store, grace: str | None
) -> None:
    await applied(store, FILE)
    await rotate(store, grace)
    before = await everything(store)
    states = await applied(store, FILE.replace("max_budget: 0.1", "max_budget: 5"))
    assert states["key nb"] == "rotated"
    assert await everything(store) == before
    # The new secret is the key's own.
    states = await applied(
        store, FILE.replace(SECRET, NEW).replace("max_budget: 0.1", "rpm_limit: 5")
    )
    assert states["key nb"] == "updated"
    (key,) = await store.keys.all()
    assert (key.secret_hash, key.retiring_hash) == (hash_key(NEW), hash_key(SECRET))
    assert (key.rpm_limit, key.max_budget) == (5, None)


async def test_a_revoked_key_stays_revoked_whatever_became_of_its_team(store: Store) -> None:
    await applied(store, FILE)
    (key,) = await store.keys.all()
    await store.keys.revoke([key.id], 77, TESTER)
    await store.teams.remove("research", TESTER)
    assert await applied(store, FILE.partition("keys:")[1] + FILE.partition("keys:")[2]) == {
        "key nb": "revoked"
    }


async def test_a_team_that_is_nowhere_is_an_error_with_its_line(store: Store) -> None:
    text = FILE.replace("team_id: research, models", "team_id: reserch, models")
    with pytest.raises(ConfigRefused) as refused:
        await applied(store, text)
    (finding,) = refused.value.findings
    assert (finding.line, finding.path) == (4, "keys[0].team_id")
    assert "no team has the id 'reserch'; name it under teams: too" in finding.message
    assert (await everything(store))[:2] == ([], [])


async def test_a_team_may_be_in_the_store_alone(store: Store) -> None:
    await store.teams.add(team_spec({"team_id": "research", "name": "R"}).record(5), TESTER)
    assert await applied(store, "keys:" + FILE.partition("keys:")[2]) == {"key nb": "added"}


async def test_a_name_of_another_team_is_refused_before_anything_is_written(store: Store) -> None:
    await store.teams.add(team_spec({"team_id": "r", "name": "Research"}).record(5), TESTER)
    before = await everything(store)
    with pytest.raises(Conflict, match="'Research' of the team 'research' in line 2 is that of the "
                                       "team 'r'; rename or delete that team first"):  # fmt: skip
        await applied(store, FILE)
    assert await everything(store) == before


# Admin keys


async def test_an_admin_key_that_was_rotated_is_no_gateway_key(store: Store) -> None:
    await ensure_admin_key(store, SECRET)
    await rotate(store)
    with pytest.raises(Conflict, match=r"keys\[0\] in line 4 is an admin key"):
        await applied(store, FILE)


async def test_an_old_admin_key_counts_until_its_grace_is_over(store: Store) -> None:
    await ensure_admin_key(store, MASTER)
    new = await rotate(store, "1h")
    assert await ensure_admin_key(store, MASTER) is None
    text = f"general_settings: {{master_key: {MASTER}}}"
    assert await applied(store, text) == {"admin key master_key": "rotated"}
    assert await store.keys.all() == [new]
    await store.keys.change(new.id, lambda k: replace(k, retiring_until=1), TESTER)
    before = await everything(store)
    with pytest.raises(Conflict, match="GATEWAY_ADMIN_KEY is the secret of a key that has a new"):
        await ensure_admin_key(store, MASTER)
    with pytest.raises(
        Conflict, match="master_key is the secret of a key that has a new one since"
    ):
        await applied(store, text)
    assert await everything(store) == before
    assert await replace_admin_key(store, NEW, MASTER_KEY_LABEL, TESTER) == "unchanged"


# Exporting


async def test_an_export_says_all_of_keys_and_teams_and_nothing_that_goes_without(
    store: Store,
) -> None:
    await applied(store, FILE)
    more = {
        "label": "all",
        "user_id": "ada",
        "aliases": {"d": "gpt"},
        "model_rpm_limit": {"gpt": 3},
        "max_budget": 20.0,
        "soft_budget": 0.00005,
        "budget_duration": "1mo",
        "tags": ["x", "y"],
        "blocked": True,
        "expires_at": "2027-01-31T02:00:00+02:00",
    }
    await store.keys.add(key_spec(more).record(MASTER, 5), TESTER)
    text = await export(store)
    document = yaml.safe_load(text)
    assert document["teams"] == [
        {"team_id": "research", "name": "Research", "max_budget": 100, "budget_duration": "7d"}
    ]
    assert document["keys"] == [
        more
        | {"key_hash": hash_key(MASTER), "max_budget": 20, "expires_at": "2027-01-31T00:00:00Z"},
        {
            "label": "nb",
            "key_hash": hash_key(SECRET),
            "team_id": "research",
            "models": ["gpt"],
            "max_budget": 0.1,
            "metadata": {"n": 1},
        },
    ]
    for line in ("max_budget: 100", "max_budget: 20", "max_budget: 0.1", "soft_budget: 0.00005"):
        assert f"    {line}\n" in text


async def test_a_budget_of_nothing_is_exported_as_such(store: Store) -> None:
    text = f"keys: [{{key: {SECRET}, max_budget: 0, soft_budget: 0.0}}]"
    await applied(store, text)
    [entry] = yaml.safe_load(await export(store))["keys"]
    assert (entry["max_budget"], entry["soft_budget"]) == (0, 0)


async def test_an_export_of_a_rotated_key_has_its_new_secret(store: Store) -> None:
    await applied(store, FILE)
    await rotate(store, "1h")
    [entry] = yaml.safe_load(await export(store))["keys"]
    assert entry["key_hash"] == hash_key(NEW)


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text != HIDDEN
)
_DOLLARS = st.none() | st.floats(0, 10**9) | st.integers(0, 10**9)
_BUDGET: dict[str, st.SearchStrategy[Any]] = {
    "max_budget": _DOLLARS,
    "soft_budget": _DOLLARS,
    "budget_duration": st.none() | st.sampled_from(["1d", "30d", "12h", "5mo"]),
    "blocked": st.booleans(),
    "metadata": st.dictionaries(
        _TEXT, _TEXT | st.integers(-5, 5) | st.booleans() | st.floats(0, 1)
    ),
}
_NAMES = _TEXT.map(str.strip).filter(bool)
_KEYS = st.fixed_dictionaries(
    {
        "label": st.none() | _TEXT,
        "models": st.lists(_NAMES, max_size=3),
        "aliases": st.dictionaries(_NAMES, _NAMES, max_size=2),
        "rpm_limit": st.none() | st.integers(1, 2**53),
        "model_tpm_limit": st.dictionaries(_NAMES, st.integers(1, 5), max_size=2),
        "tags": st.lists(_NAMES.filter(lambda t: "," not in t), max_size=3),
        "expires_at": st.none() | st.datetimes().map(lambda d: d.isoformat() + "Z"),
    }
    | _BUDGET
)
_TEAMS = st.fixed_dictionaries({"name": _NAMES} | _BUDGET)


@examples(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(keys=st.lists(_KEYS, max_size=2), team=st.none() | _TEAMS)
async def test_whatever_is_said_of_owners_goes_through_a_file_and_back(
    store: Store, other: Store, keys: list[dict[str, object]], team: dict[str, object] | None
) -> None:
    for each in (store, other):
        await each.keys.revoke([key.id for key in await each.keys.all()], 5, TESTER)
        for known in await each.teams.all():
            await each.teams.remove(known.id, TESTER)
    if team:
        await store.teams.add(team_spec(team | {"team_id": "t"}).record(5), TESTER)
    for number, description in enumerate(keys):
        owned = description | ({"team_id": "t"} if team else {})
        secret = f"sk-{time.time_ns()}-{number}"
        await store.keys.add(key_spec(owned).record(secret, 5), TESTER)
    exported = await export(store)
    assert read(exported).findings == ()
    for each in (store, other):
        states = await applied(each, exported)
        assert set(states.values()) <= ({"unchanged"} if each is store else {"added"})
        assert await export(each) == exported
