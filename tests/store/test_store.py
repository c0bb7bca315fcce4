"""Models and settings as rows, and what holds for all of the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, select

from gateway.errors import Conflict, NotFound
from gateway.records import CallSettings
from gateway.settings import Settings, SettingsError
from gateway.store import Store, tables
from gateway.store.audit import AuditFilter
from gateway.vault import Vault, VaultError
from tests.servers import TESTER
from tests.store.records import HOSTILE, PROVIDER_KEY, changed_keys, key, model


async def _stamp(store: Store, topic: str) -> int:
    return (await store.database.stamps())[topic]


# --- models ---


async def test_a_model_comes_back_as_it_was_stored(store: Store) -> None:
    full = model(
        base_url="http://h/v1",
        api_version="v1",
        litellm_params={
            "model": "up/stream",
            "n": [1, 2.5, None, True, {"é": "🦊"}],
            "big": 2**64 - 1,
            "extra_headers": {"x": "y"},
        },
        model_info={"mode": "chat"},
    )
    bare = model("bare", api_key=None)
    await store.models.add(full, TESTER)
    await store.models.add(bare, TESTER)
    assert await store.models.get("gpt") == full
    assert await store.models.all() == [bare, full]
    assert bare.secrets == {}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_is_never_read_as_sql(name: str, store: Store) -> None:
    other = model("other")
    await store.models.add(other, TESTER)
    await store.models.add(model(name), TESTER)
    assert (await store.models.get(name)).name == name
    assert await store.models.remove(name, TESTER)
    with pytest.raises(NotFound):
        await store.models.get(name)
    assert await store.models.all() == [other]


async def test_several_deployments_share_a_name_and_none_is_there_twice(store: Store) -> None:
    first = model(litellm_params={"seed": 1}, model_info={"id": "first"})
    assert await store.models.add(first, TESTER) == 1
    others = [
        model(litellm_params={"seed": True}),
        model(litellm_params={"seed": 1}, api_key="sk-other"),
        model(litellm_params={"seed": 1}, api_key=None),
        model(litellm_params={"seed": 1, "model": "up"}),
        model(litellm_params={"seed": 1}, base_url="http://h"),
        model(litellm_params={"seed": 1}, api_version="v2"),
    ]
    counts = [await store.models.add(other, TESTER) for other in others]
    assert counts == [2, 3, 4, 5, 6, 7]
    assert await store.models.add(model("new", litellm_params={"seed": 1}), TESTER) == 1
    before = await _stamp(store, "models")
    for twin in (first, *others):
        # What is told of a deployment makes it no other one.
        again = replace(twin, id="again", info={"mode": "chat"})
        with pytest.raises(Conflict, match=f"registered as 'gpt' already.*{twin.id!r}") as refused:
            await store.models.add(again, TESTER)
        assert (refused.value.status, refused.value.param) == (409, "model_name")
    with pytest.raises(Conflict, match="'first'"):
        await store.models.change_by_id(
            others[0].id, lambda m: replace(m, params={"seed": 1}), TESTER
        )
    assert await _stamp(store, "models") == before
    assert await store.models.add(replace(first, id="again"), TESTER, distinct=False) == 8


async def test_a_deployment_sealed_with_a_lost_key_does_not_stand_in_the_way(
    settings: Settings, store: Store
) -> None:
    await store.models.add(model(), TESTER)
    other_key = Fernet.generate_key().decode()
    async with Store.open(replace(settings, secret_key=other_key)) as other:
        assert await other.models.add(model(), TESTER) == 2


async def test_what_is_named_is_a_name_or_the_id_of_a_deployment(store: Store) -> None:
    for model_id, name in (("gpt", "pair"), ("b", "pair"), ("pair", "gpt"), ("c", "d")):
        await store.models.add(
            model(name, litellm_params={"model": model_id}, model_info={"id": model_id}), TESTER
        )
    found = {named: (await store.models.get(named)).id for named in ("gpt", "b", "c", "d")}
    # A name goes before an id.
    assert found == {"gpt": "pair", "b": "b", "c": "c", "d": "c"}
    for method in (
        store.models.get("pair"),
        store.models.change("pair", lambda m: m, TESTER),
        store.models.remove("pair", TESTER),
    ):
        with pytest.raises(Conflict, match=r"name of 2 deployments; .*: b, gpt$") as refused:
            await method
        assert refused.value.param == "model_name"
    assert (await store.models.remove_by_id("gpt", TESTER)).name == "pair"
    assert (await store.models.get("pair")).id == "b"
    # Where one of several has the very id, there would be no other way to name it.
    await store.models.add(model("b", model_info={"id": "x"}, api_key=None), TESTER)
    await store.models.change_by_id("b", lambda m: replace(m, name="b"), TESTER)
    assert (await store.models.get("b")).id == "b"


async def test_what_was_opened_is_not_opened_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand models would take a quarter of a second whenever one of them changes."""
    for name in ("a", "b", "c"):
        await store.models.add(model(name, api_key=f"sk-of-{name}"), TESTER)
    assert len(await store.models.all()) == 3
    opened: list[str] = []
    unseal = Vault.unseal

    def counted(vault: Vault, sealed: str) -> str:
        opened.append(unseal(vault, sealed))
        return opened[-1]

    monkeypatch.setattr(Vault, "unseal", counted)
    rekeyed = model("b", api_key="sk-new")
    await store.models.change("b", lambda old: replace(old, secrets=rekeyed.secrets), TESTER)
    secrets = [each.secrets["api_key"] for each in await store.models.all()]
    assert secrets == ["sk-of-a", "sk-new", "sk-of-c"]
    assert opened == ['{"api_key": "sk-new"}']


async def test_all_deployments_of_a_name_are_removed_at_once(store: Store) -> None:
    for number in range(3):
        await store.models.add(model(litellm_params={"seed": number}), TESTER)
    await store.models.add(model("other"), TESTER)
    gone = await store.models.remove_all("gpt", TESTER)
    assert [each.params for each in gone] == [{"seed": 0}, {"seed": 1}, {"seed": 2}]
    assert [each.name for each in await store.models.all()] == ["other"]
    changes, _ = await store.audit.page(9, wanted=AuditFilter(action="model.remove"))
    assert {change.target_id for change in changes} == {each.id for each in gone}
    with pytest.raises(NotFound):
        await store.models.remove_all("gpt", TESTER)


async def test_an_id_is_used_once(store: Store) -> None:
    await store.models.add(model(model_info={"id": "mine"}), TESTER)
    with pytest.raises(Conflict, match="Another model has the id 'mine'") as refused:
        await store.models.add(model("other", model_info={"id": "mine"}), TESTER)
    assert refused.value.param == "model_info.id"


async def test_a_model_is_replaced_under_its_id(store: Store) -> None:
    first = model()
    await store.models.add(first, TESTER)
    await store.models.add(model("other"), TESTER)
    renamed = replace(first, name="new", secrets={}, updated_at=2000)
    await store.models.change(first.name, lambda _: renamed, TESTER)
    assert await store.models.get("new") == renamed
    with pytest.raises(NotFound, match="No model is registered as 'gpt'") as missing:
        await store.models.get("gpt")
    assert missing.value.param == "model_name"
    before = await _stamp(store, "models")
    with pytest.raises(NotFound):
        await store.models.change("none", lambda none: none, TESTER)
    assert await _stamp(store, "models") == before == 3


async def test_a_model_is_removed_once(store: Store) -> None:
    stored = model()
    await store.models.add(stored, TESTER)
    assert await store.models.remove("gpt", TESTER) == replace(stored, secrets={})
    with pytest.raises(NotFound):
        await store.models.remove("gpt", TESTER)
    assert await store.models.all() == []
    assert await _stamp(store, "models") == 2


@pytest.mark.sqlite
async def test_no_provider_key_is_ever_in_the_files(store: Store, tmp_path: Path) -> None:
    await store.models.add(model(litellm_params={"aws": {"secret": PROVIDER_KEY[::-1]}}), TESTER)
    await store.models.change("gpt", lambda gpt: replace(gpt, updated_at=2), TESTER)
    await store.keys.add(key(PROVIDER_KEY.upper()), TESTER)

    def check() -> None:
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert len(files["gateway.db"]) > 0
        for name, content in files.items():
            for secret in (PROVIDER_KEY, PROVIDER_KEY[::-1], PROVIDER_KEY.upper()):
                assert secret.encode() not in content, name

    check()
    assert (tmp_path / "gateway.db-wal").stat().st_size > 0
    async with store.database.read() as connection:
        await connection.exec_driver_sql("SELECT 1")
    await store.database.close()
    check()


async def test_models_sealed_with_another_key_are_told_of(settings: Settings, store: Store) -> None:
    await store.models.add(model(), TESTER)
    await store.models.add(model("bare", api_key=None), TESTER)
    wrong = replace(settings, secret_key=Fernet.generate_key().decode())
    async with Store.open(wrong) as other:
        assert (await other.models.get("bare")).name == "bare"
        for read in (other.models.all, lambda: other.models.get("gpt")):
            with pytest.raises(VaultError, match="sealed with another secret key"):
                await read()


async def test_a_secret_key_is_rotated_by_putting_the_new_one_first(settings: Settings) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    async with Store.open(replace(settings, secret_key=old)) as store:
        await store.models.add(model(), TESTER)
    async with Store.open(replace(settings, secret_key=f"{new},{old}")) as store:
        stored = await store.models.get("gpt")
        assert stored.secrets == {"api_key": PROVIDER_KEY}
        await store.models.change(stored.name, lambda _: stored, TESTER)
    async with Store.open(replace(settings, secret_key=new)) as store:
        assert await store.models.get("gpt") == stored
        assert not store.key_file or not store.key_file.exists()


@pytest.mark.sqlite
async def test_the_secret_key_is_made_when_a_secret_first_needs_it(store: Store) -> None:
    await store.keys.add(key("sk-a"), TESTER)
    await store.models.add(model("bare", api_key=None), TESTER)
    assert store.key_file
    assert not store.key_file.exists()
    await store.models.add(model(), TESTER)
    assert store.key_file.name == "gateway.key"
    assert store.key_file.stat().st_mode & 0o777 == 0o600


# --- settings ---


async def test_settings_are_the_defaults_until_they_are_changed(store: Store) -> None:
    assert await store.settings.get() == CallSettings()
    changed = CallSettings(drop_params=True, request_timeout=1.5, stream_timeout=3.0)
    await store.settings.put(changed, TESTER)
    assert await store.settings.get() == changed
    await store.settings.put(replace(changed, drop_params=False), TESTER)
    assert await store.settings.get() == replace(changed, drop_params=False)
    await store.settings.put(CallSettings(), TESTER)
    assert await store.settings.get() == CallSettings()
    assert await _stamp(store, "settings") == 3


async def test_only_what_differs_from_the_default_is_stored(store: Store) -> None:
    """So that a better default of a later version takes effect."""
    await store.settings.put(CallSettings(drop_params=True), TESTER)
    async with store.database.read() as connection:
        rows = (await connection.execute(select(tables.settings))).all()
    assert [tuple(row) for row in rows] == [("drop_params", True)]


async def test_a_setting_of_a_later_version_is_left_alone(store: Store) -> None:
    async with store.database.append() as connection:
        future = insert(tables.settings).values(name="from_the_future", value=1)
        await connection.execute(future)
    assert await store.settings.get() == CallSettings()


# --- all of it ---


async def test_two_stores_that_write_at_once_lose_nothing(settings: Settings, store: Store) -> None:
    async with Store.open(settings) as other:
        await asyncio.gather(
            *(
                work
                for number in range(25)
                for i, where in enumerate((store, other))
                for work in (
                    where.models.add(model(f"{i} {number}"), TESTER),
                    where.keys.add(key(f"sk-{i}-{number}"), TESTER),
                )
            )
        )
        assert len(await store.models.all()) == len(await other.keys.all()) == 50
        stamps = await store.database.stamps()
        assert (stamps["models"], stamps["keys"]) == (50, 50)
        changed = [len(await changed_keys(store, n)) for n in range(51)]
        assert changed == list(range(50, -1, -1)), "each write has a stamp of its own"


async def test_a_cancelled_writer_leaves_all_or_nothing_and_no_lock(store: Store) -> None:
    """Wherever it is just then. A lock left behind would keep the next writer for ten seconds."""
    for number in range(40):
        writing = asyncio.create_task(
            store.keys.add(key(f"sk-{number}", label=str(number)), TESTER)
        )
        await asyncio.sleep(number / 8000)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    async with asyncio.timeout(2):
        await store.keys.add(key("sk-last"), TESTER)
    stored = await store.keys.all()
    assert len(stored) == await _stamp(store, "keys") > 1
    assert await store.database.check_integrity() == []


async def test_the_caller_of_a_cancelled_write_learns_of_it_after_its_end(store: Store) -> None:
    started = asyncio.Event()

    async def changed() -> None:
        started.set()
        await asyncio.sleep(0.05)

    store.database.subscribe(changed)
    writing = asyncio.create_task(store.keys.add(key("sk-a"), TESTER))
    await started.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert len(await store.keys.all()) == 1


async def test_a_store_on_another_database_is_refused() -> None:
    with pytest.raises(SettingsError, match="GATEWAY_DATABASE_URL"):
        async with Store.open(Settings(database_url="mysql://h/db")):
            pass
