"""What the gateway holds in memory, against the database that several processes write."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from gateway import vault
from gateway.auth import authenticate
from gateway.errors import NotAuthenticated, NotReady
from gateway.records import CallSettings, Key, Model
from gateway.registry import POLL_SECONDS, Registry
from gateway.settings import Settings
from gateway.specs import key_record, model_spec, rotated, team_spec
from gateway.store import Store
from gateway.vault import VaultError
from tests.conftest import execute
from tests.servers import TESTER


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture
async def registry(store: Store) -> Registry:
    made = Registry(store)
    await made.refresh()
    return made


@pytest.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[Registry]:
    """The registry of another process on the same database, with its watch running."""
    async with Store.open(settings) as other:
        made = Registry(other)
        await made.refresh()
        async with _watching(made):
            yield made


@contextlib.asynccontextmanager
async def _watching(registry: Registry) -> AsyncIterator[None]:
    watching = asyncio.create_task(registry.watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert watching.cancelled(), "the watch ended by itself"


async def _within(seconds: float, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not seen in time"
        await asyncio.sleep(0.01)


def model(name: str = "gpt", **fields: Any) -> Model:
    description = {"model_name": name, "provider": "openai", "api_key": "sk-up"} | fields
    return model_spec(description).record(None, None, 1000)


def _models(registry: Registry) -> dict[str, Model]:
    return {model.name: model for model in registry.catalogue.deployments.values()}


def key(secret: str, **fields: Any) -> Key:
    return key_record(vault.hash_key(secret), vault.hint(secret), 1000, **fields)


async def test_a_new_registry_is_empty(store: Store) -> None:
    registry = Registry(store)
    await registry.refresh()
    assert _models(registry) == {}
    assert registry.key(vault.hash_key("sk-a")) is None
    assert registry.settings == CallSettings()


async def test_what_this_process_changes_is_there_at_once(store: Store, registry: Registry) -> None:
    stored = model()
    await store.models.add(stored, TESTER)
    assert _models(registry) == {"gpt": stored}
    renamed = replace(stored, name="new", base_url="http://h")
    await store.models.change("gpt", lambda _: renamed, TESTER)
    assert _models(registry) == {"new": renamed}
    await store.models.remove("new", TESTER)
    assert _models(registry) == {}

    issued = key("sk-a")
    await store.keys.add(issued, TESTER)
    assert registry.key(issued.secret_hash) == issued
    limited = replace(issued, rpm_limit=3)
    await store.keys.change(limited.id, lambda _: limited, TESTER)
    assert registry.key(issued.secret_hash) == limited
    await store.keys.revoke([issued.id], 2000, TESTER)
    assert _state(registry, issued) == "revoked"

    team = team_spec({"team_id": "red", "name": "Red"}).record(1000)
    await store.teams.add(team, TESTER)
    assert registry.teams == {"red": team}
    await store.teams.change("red", lambda team: replace(team, blocked=True), TESTER)
    assert registry.teams == {"red": replace(team, blocked=True)}
    await store.teams.remove("red", TESTER)
    assert registry.teams == {}

    await store.settings.put(CallSettings(drop_params=True), TESTER)
    assert registry.settings == CallSettings(drop_params=True)


async def test_deployments_of_a_name_are_a_group_in_the_order_they_came(
    store: Store, registry: Registry
) -> None:
    first, second = model(model_info={"id": "b"}), model(model_info={"id": "a"}, api_key="sk-2")
    await store.models.add(first, TESTER)
    await store.models.add(replace(second, created_at=1001), TESTER)
    assert [each.id for each in registry.catalogue.groups["gpt"].deployments] == ["b", "a"]
    await store.models.change_by_id("b", lambda model: replace(model, name="new"), TESTER)
    assert set(registry.catalogue.groups) == {"gpt", "new"}
    await store.models.remove_all("gpt", TESTER)
    assert set(registry.catalogue.groups) == {"new"}


async def test_aliases_follow_the_settings_and_stay_when_models_change(
    store: Store, registry: Registry
) -> None:
    await store.settings.put(CallSettings(model_group_alias={"fast": "gpt"}), TESTER)
    assert registry.catalogue.find("fast") is None
    await store.models.add(model(), TESTER)
    found = registry.catalogue.find("fast")
    assert found is not None
    assert found.name == "gpt"
    await store.settings.put(CallSettings(), TESTER)
    assert registry.catalogue.find("fast") is None
    assert registry.catalogue.find("gpt") is not None


async def test_each_model_that_a_pattern_stands_for_has_its_own_price(
    store: Store, registry: Registry
) -> None:
    pattern = model("openai/*")
    await store.models.add(pattern, TESTER)
    assert registry.prices(pattern) is None
    groups = [registry.catalogue.find(f"openai/{name}") for name in ("gpt-4o", "gpt-4o-mini", "x")]
    prices = [registry.prices(group.deployments[0]) for group in groups if group]
    assert [each and each.by_name["input_cost_per_token"] for each in prices] == [
        2.5e-06,
        1.5e-07,
        None,
    ]
    given = {"input_cost_per_token": 1e-06}
    await store.models.change(pattern.name, lambda old: replace(old, params=given), TESTER)
    group = registry.catalogue.find("openai/x")
    assert group is not None
    priced = registry.prices(group.deployments[0])
    assert priced is not None
    assert priced.by_name == given


async def test_a_call_under_way_does_not_bring_an_old_price_back(
    store: Store, registry: Registry
) -> None:
    before = model(litellm_params={"model": "gpt-4o"})
    await store.models.add(before, TESTER)
    given = {"input_cost_per_token": 1e-06}
    await store.models.change("gpt", lambda old: replace(old, params=given), TESTER)
    found = registry.prices(before)
    assert found is not None
    assert found.by_name["input_cost_per_token"] == 1e-06
    await store.models.remove("gpt", TESTER)
    found = registry.prices(before)
    assert found is not None, "it was deleted, and is called all the same"
    assert found.by_name["input_cost_per_token"] == 2.5e-06


async def test_any_number_of_keys_is_loaded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.keys._AT_ONCE", 2)
    issued = [key(f"sk-{number}") for number in range(5)]
    for each in issued:
        await store.keys.add(each, TESTER)
    fresh = Registry(store)
    await fresh.refresh()
    assert [fresh.key(each.secret_hash) for each in issued] == issued


async def test_another_process_sees_every_change_within_a_second(
    store: Store, registry: Registry, elsewhere: Registry
) -> None:
    stored, issued = model(), key("sk-a")
    team = team_spec({"name": "Red"}).record(1000)
    await store.models.add(stored, TESTER)
    await store.keys.add(issued, TESTER)
    await store.teams.add(team, TESTER)
    await store.settings.put(CallSettings(request_timeout=5.0), TESTER)
    await _within(1, lambda: _models(elsewhere) == {"gpt": stored})
    await _within(1, lambda: elsewhere.key(issued.secret_hash) == issued)
    await _within(1, lambda: elsewhere.teams == {team.id: team})
    await _within(1, lambda: elsewhere.settings.request_timeout == 5.0)

    changed = replace(stored, base_url="http://h")
    await store.models.change(changed.name, lambda _: changed, TESTER)
    await store.keys.revoke([issued.id], 2000, TESTER)
    await store.teams.change(team.id, lambda team: replace(team, blocked=True), TESTER)
    await _within(1, lambda: _models(elsewhere) == {"gpt": changed})
    await _within(1, lambda: elsewhere.teams[team.id].blocked)
    await _within(1, lambda: _state(elsewhere, issued) == "revoked")

    await store.models.remove("gpt", TESTER)
    await _within(1, lambda: _models(elsewhere) == {})
    assert _models(registry) == {}


def _state(registry: Registry, issued: Key) -> str:
    found = registry.key(issued.secret_hash)
    assert found is not None
    return found.state(3000)


async def test_a_revoked_key_stays_known_after_a_start(store: Store) -> None:
    issued = key("sk-a")
    await store.keys.add(issued, TESTER)
    await store.keys.revoke([issued.id], 2000, TESTER)
    fresh = Registry(store)
    await fresh.refresh()
    assert _state(fresh, issued) == "revoked"


async def test_of_revoked_keys_only_the_last_stay_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.registry._MOST_REVOKED", 2)
    issued = [key(f"sk-{number}") for number in range(3)]
    for each in issued:
        await store.keys.add(each, TESTER)
    for each in issued:
        await store.keys.revoke([each.id], 2000, TESTER)
    fresh = Registry(store)
    await fresh.refresh()
    assert fresh.key(issued[0].secret_hash) is None
    assert [_state(fresh, each) for each in issued[1:]] == ["revoked"] * 2


async def test_a_key_with_a_new_secret_is_not_found_by_the_old_one(
    store: Store, registry: Registry
) -> None:
    issued, other = key("sk-old"), key("sk-other")
    await store.keys.add(issued, TESTER)
    await store.keys.add(other, TESTER)
    fresh = replace(issued, secret_hash=vault.hash_key("sk-new"), hint="sk-…-new")
    await store.keys.change(fresh.id, lambda _: fresh, TESTER)
    assert registry.key(vault.hash_key("sk-old")) is None
    assert registry.key(vault.hash_key("sk-new")) == fresh
    assert registry.key(other.secret_hash) == other


async def _rotate(store: Store, key_id: str, secret: str, grace: str | None = "1h") -> Key:
    return await store.keys.change(key_id, lambda key: rotated(key, secret, grace, 2000), TESTER)


def _found(registry: Registry, *secrets: str) -> list[Key | None]:
    return [registry.key(vault.hash_key(secret)) for secret in secrets]


async def test_a_rotated_key_is_found_by_its_last_two_secrets(
    store: Store, registry: Registry
) -> None:
    issued, other = key("sk-1"), key("sk-other")
    await store.keys.add(issued, TESTER)
    await store.keys.add(other, TESTER)
    second = await _rotate(store, issued.id, "sk-2")
    assert _found(registry, "sk-1", "sk-2", "sk-3") == [second, second, None]
    third = await _rotate(store, issued.id, "sk-3")
    assert _found(registry, "sk-1", "sk-2", "sk-3") == [None, third, third]
    fourth = await _rotate(store, issued.id, "sk-4", grace=None)
    assert _found(registry, "sk-2", "sk-3", "sk-4") == [None, fourth, fourth]
    with pytest.raises(NotAuthenticated, match="Invalid API key"):
        authenticate(registry, {"x-api-key": "sk-3"})
    assert _found(registry, "sk-other") == [other]


async def test_another_process_follows_rotations(store: Store, elsewhere: Registry) -> None:
    issued = key("sk-1")
    await store.keys.add(issued, TESTER)
    await _within(1, lambda: elsewhere.key(issued.secret_hash))
    # Two at once: the one between is never seen there.
    await _rotate(store, issued.id, "sk-2")
    third = await _rotate(store, issued.id, "sk-3")
    await _within(1, lambda: elsewhere.key(third.secret_hash))
    assert _found(elsewhere, "sk-1", "sk-2", "sk-3") == [None, third, third]


async def test_only_what_changed_is_loaded_again(store: Store, registry: Registry) -> None:
    stored, first = model(), key("sk-a")
    await store.models.add(stored, TESTER)
    await store.keys.add(first, TESTER)
    catalogue, known = registry.catalogue, registry.key(first.secret_hash)
    await registry.refresh()
    await store.keys.add(key("sk-b"), TESTER)
    assert registry.catalogue is catalogue, "no model changed"
    assert registry.key(first.secret_hash) is known, "the first key did not change"


async def test_a_change_during_a_refresh_is_not_lost(store: Store, registry: Registry) -> None:
    """Many writers and refreshes, in whatever order they come."""
    issued = [key(f"sk-{n}") for n in range(30)]
    await asyncio.gather(
        *(store.keys.add(made, TESTER) for made in issued), *(registry.refresh() for _ in range(10))
    )
    assert all(registry.key(made.secret_hash) == made for made in issued)


async def test_what_is_known_stays_in_use_while_the_database_fails(
    settings: Settings, store: Store, elsewhere: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    stored, issued = model(), key("sk-a")
    await store.models.add(stored, TESTER)
    await store.keys.add(issued, TESTER)
    await _within(1, lambda: _models(elsewhere) and elsewhere.key(issued.secret_hash))

    with caplog.at_level(logging.WARNING, "gateway.registry"):
        execute(settings, "ALTER TABLE stamps RENAME TO lost")
        await _within(2, lambda: caplog.records)
        await asyncio.sleep(3 * POLL_SECONDS)
        assert _models(elsewhere) == {"gpt": stored}
        assert elsewhere.key(issued.secret_hash) == issued
        assert [record.levelname for record in caplog.records] == ["ERROR"], "logged once"
        assert "Cannot read the database" in caplog.text

        execute(settings, "ALTER TABLE lost RENAME TO stamps")
        await _within(2, lambda: len(caplog.records) == 2)
        assert "can be read again" in caplog.records[1].getMessage()
        await store.models.remove("gpt", TESTER)
        await _within(1, lambda: _models(elsewhere) == {})
        assert len(caplog.records) == 2


async def test_what_is_known_holds_for_a_bounded_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(store, 0.3)
    await registry.refresh()
    registry.check_age()
    now = time.monotonic()
    monkeypatch.setattr("gateway.registry.time.monotonic", lambda: now + 10)
    with pytest.raises(NotReady, match=r"its database for 10 seconds; .* held for 0\.3\.") as stale:
        registry.check_age()
    assert stale.value.status == 503
    assert stale.value.headers == {"retry-after": "1"}
    await registry.refresh()
    registry.check_age()


async def test_a_database_that_hangs_is_one_that_cannot_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.registry.ANSWER_SECONDS", 0.2)
    registry = Registry(store)
    await registry.refresh()
    issued = key("sk-a")
    with monkeypatch.context() as patched:
        patched.setattr(store.database, "stamps", asyncio.Event().wait)
        async with _watching(registry):
            await _within(5, lambda: not registry.readable)
            with pytest.raises(NotReady, match="cannot look for this key"):
                await registry.refresh_since(time.monotonic())
    await store.keys.add(issued, TESTER)
    async with _watching(registry):
        await _within(5, lambda: registry.readable and registry.key(issued.secret_hash))


async def test_a_stored_change_is_no_failure_where_memory_cannot_follow(
    settings: Settings, store: Store, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """The writer is not told that it failed: it did not. The watch tries again."""
    await store.models.add(model(), TESTER)
    other_key = Fernet.generate_key().decode()
    sealed = vault.Vault([other_key]).seal("{}")
    execute(settings, f"UPDATE models SET sealed_secrets = '{sealed}'")
    with caplog.at_level(logging.ERROR, "gateway.store.database"):
        await store.models.add(model("second"), TESTER)
    assert "models is stored, but not yet in use" in caplog.text
    assert set(_models(registry)) == {"gpt"}
    with pytest.raises(VaultError):
        await registry.refresh()
    await registry.refresh_since(time.monotonic())
    assert registry.readable, "the database can be; that a model cannot makes nothing stale"
    # Keys do not wait for the models to be mended.
    issued = key("sk-a")
    await store.keys.add(issued, TESTER)
    assert registry.key(issued.secret_hash) == issued

    execute(settings, "UPDATE models SET sealed_secrets = NULL")
    async with _watching(registry):
        await _within(1, lambda: set(_models(registry)) == {"gpt", "second"})


async def test_the_registry_of_a_wrong_secret_key_does_not_start(
    settings: Settings, store: Store
) -> None:
    await store.models.add(model(), TESTER)
    wrong = replace(settings, secret_key=Fernet.generate_key().decode())
    async with Store.open(wrong) as other:
        with pytest.raises(VaultError, match="sealed with another secret key"):
            await Registry(other).refresh()
