"""Applying files to a database, and writing files of what is in it."""

from __future__ import annotations

import contextlib
import sqlite3
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
from gateway.config.file import load, read
from gateway.config.seed import (
    ENVIRONMENT_LABEL,
    MASTER_KEY_LABEL,
    apply,
    ensure_admin_key,
    replace_admin_key,
)
from gateway.config.values import Change, ConfigRefused
from gateway.errors import Conflict, InvalidField
from gateway.records import CallSettings, Key, Model
from gateway.settings import Settings
from gateway.specs import key_record, model_spec
from gateway.store import Store
from gateway.vault import WeakKey, hash_key, new_key
from tests.servers import TESTER

CONFIG = Path(__file__).parents[2] / "config"
MASTER = "sk-master-0123456789abcdef"
SECRET = "sk-backend-0123456789abcdef"
HASH = "fedcba9876543210" * 4

FILE = f"""\
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, timeout: 60}}
    model_info: {{mode: chat}}
  - model_name: local
    litellm_params: {{model: hosted_vllm/openai/gpt-oss, api_base: http://127.0.0.1:8000/v1}}
keys:
  - {{label: backend, key: os.environ/BACKEND_KEY, rpm_limit: 60}}
  - {{key_hash: {HASH}}}
litellm_settings: {{drop_params: true, request_timeout: 30}}
general_settings: {{master_key: os.environ/MASTER_KEY}}
"""
ENVIRON = {"BACKEND_KEY": SECRET, "MASTER_KEY": MASTER}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "g.db") as store:
        yield store


def opened(path: Path) -> Any:
    return Store.open(Settings(database_url=f"sqlite:///{path}"))


def changed(changes: list[Change]) -> bool:
    return any(change.state in ("added", "updated") for change in changes)


async def applied(store: Store, text: str, **environ: str) -> dict[str, str]:
    """Apply a file; what became of each thing it names."""
    changes = await apply(store, read(text), ENVIRON | environ, TESTER)
    return {f"{change.kind} {change.name}": change.state for change in changes}


async def everything(store: Store) -> tuple[list[Model], list[Key], CallSettings, dict[str, int]]:
    """What is in the store, and how often each topic was written."""
    return (
        await store.models.all(),
        await store.keys.all(),
        await store.settings.get(),
        await store.database.stamps(),
    )


async def register(store: Store, name: str, **fields: Any) -> Model:
    model = model_spec({"model_name": name, "provider": "openai"} | fields).record(None, 5, 5)
    await store.models.add(model, TESTER)
    return model


# Admin keys


async def test_the_first_start_makes_an_admin_key_and_later_ones_do_not(store: Store) -> None:
    secret = await ensure_admin_key(store, None)
    assert secret is not None
    (key,) = await store.keys.all()
    assert (key.secret_hash, key.kind) == (hash_key(secret), "admin")
    assert await ensure_admin_key(store, None) is None


async def test_an_admin_key_that_is_blocked_or_expired_leaves_room_for_a_new_one(
    store: Store,
) -> None:
    await ensure_admin_key(store, None)
    for gone in ({"blocked": True}, {"expires_at": 1}):
        (live,) = [key for key in await store.keys.all() if key.state(time.time()) == "active"]
        await store.keys.change(live.id, lambda key: replace(key, **gone), TESTER)  # noqa: B023
        assert await ensure_admin_key(store, None) is not None


async def test_a_given_admin_key_takes_the_place_of_the_one_before(store: Store) -> None:
    first, second = new_key(), new_key()
    for secret in (first, first, second):
        assert await ensure_admin_key(store, secret) is None
    keys = {key.secret_hash: key for key in await store.keys.all()}
    assert keys[hash_key(first)].revoked_at is not None
    assert keys[hash_key(second)].revoked_at is None
    assert {key.label for key in keys.values()} == {ENVIRONMENT_LABEL}
    with pytest.raises(Conflict, match="revoked"):
        await ensure_admin_key(store, first)
    with pytest.raises(WeakKey):
        await ensure_admin_key(store, "sk-1234")


async def test_an_admin_key_may_be_given_in_two_ways(store: Store) -> None:
    """LiteLLM's master key is often set as GATEWAY_ADMIN_KEY and named in the file."""
    assert await replace_admin_key(store, MASTER, "one", TESTER) == "added"
    assert await replace_admin_key(store, MASTER, "one", TESTER) == "unchanged"
    assert await replace_admin_key(store, MASTER, "two", TESTER) == "unchanged"
    assert [key.label for key in await store.keys.all()] == ["one"]


async def test_a_gateway_key_does_not_become_an_admin_key(store: Store) -> None:
    await store.keys.add(key_record(hash_key(MASTER), "sk-…", 1), TESTER)
    with pytest.raises(Conflict, match="has another use"):
        await replace_admin_key(store, MASTER, "one", TESTER)


# Applying


async def test_applying_puts_everything_into_the_store(store: Store) -> None:
    assert await applied(store, FILE) == {
        "admin key master_key": "added",
        "model gpt-4o": "added",
        "model local": "added",
        "key backend": "added",
        "key keys[1]": "added",
        "setting drop_params": "updated",
        "setting request_timeout": "updated",
    }
    models, keys, settings, _ = await everything(store)
    gpt, local = models
    assert (gpt.provider, gpt.upstream_model, gpt.params) == ("openai", "gpt-4o", {"timeout": 60})
    # Still a reference: the provider's key may change without a new file.
    assert gpt.secrets == {"api_key": "os.environ/OPENAI_API_KEY"}
    assert (local.upstream_model, local.base_url) == ("openai/gpt-oss", "http://127.0.0.1:8000/v1")
    by_hash = {key.secret_hash: key for key in keys}
    backend = by_hash[hash_key(SECRET)]
    assert (backend.kind, backend.hint, backend.rpm_limit) == ("gateway", "sk-…cdef", 60)
    assert by_hash[HASH].hint == "sk-…"
    assert (by_hash[hash_key(MASTER)].kind, by_hash[hash_key(MASTER)].label) == (
        "admin",
        MASTER_KEY_LABEL,
    )
    assert settings == CallSettings(drop_params=True, request_timeout=30)


async def test_applying_twice_changes_nothing(store: Store) -> None:
    await applied(store, FILE)
    before = await everything(store)
    assert set((await applied(store, FILE)).values()) == {"unchanged"}
    assert await everything(store) == before


async def test_only_what_differs_is_written(store: Store) -> None:
    await applied(store, FILE)
    models, keys, _, _ = await everything(store)
    changed = FILE.replace("timeout: 60", "timeout: 61").replace("rpm_limit: 60", "tpm_limit: 9")
    states = await applied(store, changed.replace("request_timeout: 30", "request_timeout: 31"))
    assert {name for name, state in states.items() if state == "updated"} == {
        "model gpt-4o",
        "key backend",
        "setting request_timeout",
    }
    new_models, new_keys, settings, _ = await everything(store)
    assert new_models[0].params == {"timeout": 61}
    assert (new_models[0].id, new_models[0].created_at) == (models[0].id, models[0].created_at)
    assert new_models[1] == models[1]
    (backend,) = [key for key in new_keys if key.label == "backend"]
    assert (backend.rpm_limit, backend.tpm_limit) == (None, 9)
    assert {key.id for key in new_keys} == {key.id for key in keys}
    assert settings.request_timeout == 31


async def test_true_and_1_are_not_the_same(store: Store) -> None:
    text = "model_list: [{model_name: openai/x, litellm_params: {logprobs: 1}}]"
    await applied(store, text)
    assert (await applied(store, text.replace("1", "true")))["model openai/x"] == "updated"


async def test_what_the_file_does_not_name_is_left_alone(store: Store) -> None:
    other = await register(store, "other", api_key="sk-of-the-provider")
    await store.settings.put(CallSettings(stream_timeout=7), TESTER)
    await applied(store, FILE)
    assert await store.models.get("other") == other
    assert (await store.settings.get()).stream_timeout == 7
    before = await everything(store)
    assert await applied(store, "model_list: []") == {}
    assert await everything(store) == before


async def test_a_revoked_key_stays_revoked(store: Store) -> None:
    await applied(store, FILE)
    (key,) = [key for key in await store.keys.all() if key.label == "backend"]
    await store.keys.revoke([key.id], 77, TESTER)
    states = await applied(store, FILE.replace("rpm_limit: 60", "rpm_limit: 61"))
    assert states["key backend"] == "revoked"
    (still,) = [key for key in await store.keys.all() if key.label == "backend"]
    assert (still.revoked_at, still.rpm_limit) == (77, 60)


async def test_a_model_takes_the_id_the_file_gives(store: Store) -> None:
    before = await register(store, "gpt-4o")
    text = "model_list: [{model_name: openai/x, model_info: {id: ID}}, {model_name: gpt-4o, "
    text += "litellm_params: {model: openai/gpt-4o}, model_info: {id: mine}}]"
    states = await applied(store, text)
    assert states == {"model openai/x": "added", "model gpt-4o": "updated"}
    after = await store.models.get("gpt-4o")
    assert (after.id, after.created_at) == ("mine", before.created_at)
    assert set((await applied(store, text)).values()) == {"unchanged"}


DEPLOYMENTS = """\
model_list:
  - {model_name: gpt, litellm_params: {model: azure/eu, api_base: "https://eu", api_key: sk-a}}
  - {model_name: gpt, litellm_params: {model: openai/gpt, api_key: os.environ/A, weight: 2}}
  - {model_name: gpt, litellm_params: {model: openai/gpt, api_key: os.environ/B}}
"""


async def test_deployments_of_one_name_are_applied_once_in_any_order(store: Store) -> None:
    await apply(store, read(DEPLOYMENTS), {}, TESTER)
    before = await everything(store)
    assert sorted(model.upstream_model for model in before[0]) == ["eu", "gpt", "gpt"]
    lines = DEPLOYMENTS.splitlines()
    for order in ([1, 2, 3], [3, 2, 1], [2, 3, 1], [2]):
        text = "\n".join([lines[0], *(lines[number] for number in order)])
        assert not changed(await apply(store, read(text), {}, TESTER))
    assert await everything(store) == before
    # The one that is gone from the file, as it is named in none, stays.
    dearer = DEPLOYMENTS.replace("weight: 2", "weight: 3")
    states = [change.state for change in await apply(store, read(dearer), {}, TESTER)]
    assert states == ["unchanged", "updated", "unchanged"]
    assert [model.id for model in await store.models.all()] == [model.id for model in before[0]]


async def test_deployments_made_elsewhere_are_found_by_what_they_are(store: Store) -> None:
    """As those of an export with ids of its own, or those that were registered over HTTP."""
    mine = await register(store, "gpt", api_key="os.environ/B")
    spare = await register(store, "gpt", litellm_params={"model": "spare"})
    changes = await apply(store, read(DEPLOYMENTS), {}, TESTER)
    assert [change.state for change in changes] == ["updated", "added", "unchanged"]
    models = {model.id: model for model in await store.models.all()}
    assert len(models) == 3
    assert models[mine.id] == mine
    # What is left on both sides is matched in order.
    assert (models[spare.id].provider, models[spare.id].upstream_model) == ("azure", "eu")


async def test_deployments_with_ids_take_over_each_others_keys(store: Store) -> None:
    """The way there leads past two that are the same, which is refused everywhere else."""
    entry = "  - {{model_name: gpt, litellm_params: {{model: openai/gpt, api_key: os.environ/{}}}, "
    entry += "model_info: {{id: {}}}}}\n"
    first, second = (
        "model_list:\n" + "".join(entry.format(key, name) for key, name in pairs)
        for pairs in ([("A", "a"), ("B", "b"), ("C", "c")], [("B", "a"), ("C", "b"), ("A", "c")])
    )
    await apply(store, read(first), {}, TESTER)
    await apply(store, read(second), {}, TESTER)
    keys = {model.id: model.secrets["api_key"] for model in await store.models.all()}
    assert keys == {"a": "os.environ/B", "b": "os.environ/C", "c": "os.environ/A"}
    assert not changed(await apply(store, read(second), {}, TESTER))
    # One that the file leaves alone, though, is not made twice.
    before = await everything(store)
    with pytest.raises(Conflict, match="'a' of the model 'gpt' would be the same as 'b'"):
        await apply(store, read("model_list:\n" + entry.format("C", "a")), {}, TESTER)
    assert await everything(store) == before


async def test_settings_of_routing_are_applied_and_exported_in_litellms_shape(
    store: Store,
) -> None:
    text = """\
model_list:
  - {model_name: a, litellm_params: {model: openai/a}}
  - {model_name: b, litellm_params: {model: openai/b}}
router_settings:
  allowed_fails: 3
  default_fallbacks: [b]
  fallbacks: [{a: [b]}, {"*": [a, b]}]
  model_group_alias: {fast: a}
  num_retries: 4
  retry_policy: {TimeoutErrorRetries: 0}
  routing_strategy: least-busy
  first_token_timeout: 20
"""
    assert read(text).findings == ()
    await apply(store, read(text), {}, TESTER)
    assert await store.settings.get() == CallSettings(
        allowed_fails=3,
        default_fallbacks=("b",),
        fallbacks={"a": ["b"], "*": ["a", "b"]},
        model_group_alias={"fast": "a"},
        num_retries=4,
        retry_policy={"TimeoutErrorRetries": 0},
        routing_strategy="least-busy",
        first_token_timeout=20,
    )
    assert not changed(await apply(store, read(text), {}, TESTER))
    exported = yaml.safe_load(await export(store))
    assert exported["router_settings"] == yaml.safe_load(text)["router_settings"]
    assert not changed(await apply(store, read(await export(store)), {}, TESTER))
    emptied = await apply(store, read("router_settings: {fallbacks: []}"), {}, TESTER)
    assert [(change.name, change.state) for change in emptied] == [("fallbacks", "updated")]
    assert (await store.settings.get()).fallbacks == {}


async def test_an_id_of_another_model_is_refused_before_anything_is_written(store: Store) -> None:
    other = await register(store, "other", model_info={"id": "taken"})
    before = await everything(store)
    text = FILE.replace("mode: chat", "mode: chat, id: taken")
    with pytest.raises(Conflict, match=r"'taken' of the model 'gpt-4o'.*'other'"):
        await applied(store, text)
    assert await everything(store) == before
    assert await store.models.get("other") == other


async def test_an_admin_key_is_no_gateway_key(store: Store) -> None:
    await ensure_admin_key(store, SECRET)
    before = await everything(store)
    with pytest.raises(Conflict, match=r"keys\[0\] in line 8 is an admin key"):
        await applied(store, FILE)
    assert await everything(store) == before


async def test_a_new_master_key_takes_the_place_of_the_old_one(store: Store) -> None:
    await applied(store, FILE)
    new = "sk-another-0123456789abcdef"
    assert (await applied(store, FILE, MASTER_KEY=new))["admin key master_key"] == "updated"
    admins = {k.secret_hash: k.revoked_at for k in await store.keys.all() if k.is_admin}
    assert admins[hash_key(new)] is None
    assert admins[hash_key(MASTER)] is not None
    with pytest.raises(Conflict, match="revoked"):
        await applied(store, FILE)


async def test_a_master_key_that_is_an_admin_key_already_is_enough(store: Store) -> None:
    await ensure_admin_key(store, MASTER)
    assert (await applied(store, FILE))["admin key master_key"] == "unchanged"
    old = "sk-another-0123456789abcdef"
    await replace_admin_key(store, old, MASTER_KEY_LABEL, TESTER)
    assert (await applied(store, FILE))["admin key master_key"] == "updated"
    live = [k.secret_hash for k in await store.keys.all() if k.is_admin and not k.revoked_at]
    assert live == [hash_key(MASTER)]


@pytest.mark.parametrize(
    ("text", "environ", "line"),
    [
        (FILE + "modl_list: []\n", {}, 12),
        (FILE, {"BACKEND_KEY": ""}, 8),
        (FILE, {"MASTER_KEY": "sk-1234"}, 11),
        (FILE.replace("30", "os.environ/NOT_SET"), {}, 10),
    ],
)
async def test_a_file_with_an_error_is_refused_as_a_whole(
    store: Store, text: str, environ: dict[str, str], line: int
) -> None:
    before = await everything(store)
    with pytest.raises(ConfigRefused) as refused:
        await applied(store, text, **environ)
    assert [finding.line for finding in refused.value.findings] == [line]
    assert await everything(store) == before


async def test_changes_tell_no_secret(store: Store) -> None:
    changes = await apply(store, read(FILE), ENVIRON, TESTER)
    assert Change("key", "backend", "added") in changes
    for secret in (SECRET, MASTER, hash_key(SECRET), HASH):
        assert secret not in repr(changes)


async def test_plain_text_of_a_file_is_sealed_in_the_database(store: Store, tmp_path: Path) -> None:
    text = "model_list: [{model_name: openai/x, litellm_params: {api_key: sk-PLAIN-provider}}]\n"
    await applied(store, text + f"keys: [{{key: {SECRET}}}]")
    assert (await store.models.get("openai/x")).secrets == {"api_key": "sk-PLAIN-provider"}
    with sqlite3.connect(tmp_path / "g.db") as database:
        dump = "\n".join(database.iterdump())
    database.close()
    assert hash_key(SECRET) in dump
    assert SECRET not in dump
    assert "PLAIN" not in dump


async def test_the_shipped_file_applies_as_it_is(store: Store) -> None:
    changes = await apply(store, load(CONFIG / "gateway.yaml"), {}, TESTER)
    assert {c.kind for c in changes} == {"model", "setting"}
    assert changed(changes)
    assert not changed(await apply(store, load(CONFIG / "gateway.yaml"), {}, TESTER))


# Exporting


async def filled(store: Store) -> None:
    """A store with one of everything."""
    await applied(store, FILE)
    await register(
        store,
        "4.1 mini",
        api_key="sk-PLAIN-1",
        litellm_params={
            "model": "openai/gpt-4.1-mini",
            "temperature": 0.5,
            "extra_headers": {"X-A": "PLAIN-2", "X-B": "os.environ/GPT_4O_API_KEY", "X-C": True},
            "extra_body": {"auth": [{"password": 1234567, "n": 5}], "api_key": "PLAIN-3"},
        },
        model_info={"id": "kept", "note": "2024-10-21"},
    )
    await register(store, "4-1-mini", api_key="sk-PLAIN-4")
    await register(store, "azure", provider="azure", api_key="os.environ/GPT_4O_API_KEY",
                   base_url="https://h/", api_version="2024-10-21")  # fmt: skip
    (backend,) = [key for key in await store.keys.all() if key.secret_hash == HASH]
    await applied(store, f"keys: [{{label: gone, key_hash: {hash_key('gone')}}}]")
    (gone,) = [key for key in await store.keys.all() if key.label == "gone"]
    await store.keys.revoke([gone.id], 5, TESTER)
    assert backend.revoked_at is None


def variables(text: str) -> list[str]:
    """The variables that the comment of a file asks for."""
    start = text.partition("# Set these environment variables:\n")[2]
    return [line.removeprefix("# - ") for line in start.split("\n\n")[0].splitlines()]


async def test_an_export_holds_no_secret_and_lists_the_variables_to_set(store: Store) -> None:
    await filled(store)
    text = await export(store)
    for secret in ("PLAIN", "1234567", SECRET, MASTER, hash_key(MASTER), hash_key("gone")):
        assert secret not in text
    assert variables(text) == [
        "GPT_4O_API_KEY",
        "MODEL_4_1_MINI_API_KEY",
        "MODEL_4_1_MINI_API_KEY_2",
        "MODEL_4_1_MINI_EXTRA_BODY_API_KEY",
        "MODEL_4_1_MINI_EXTRA_BODY_AUTH_1_N",
        "MODEL_4_1_MINI_EXTRA_BODY_AUTH_1_PASSWORD",
        "MODEL_4_1_MINI_EXTRA_HEADERS_X_A",
        "OPENAI_API_KEY",
    ]
    document = yaml.safe_load(text)
    assert document["keys"] == [
        {"key_hash": HASH},
        {"label": "backend", "key_hash": hash_key(SECRET), "rpm_limit": 60},
    ]
    assert document["litellm_settings"] == {"drop_params": True, "request_timeout": 30}
    assert "Admin keys" in text


async def test_an_export_applies_to_an_empty_store_and_exports_the_same(
    store: Store, tmp_path: Path
) -> None:
    await filled(store)
    text = await export(store)
    assert read(text).findings == ()
    environ = {name: f"value-of-{name}" for name in variables(text)}
    assert read(text).check(environ) == []
    async with opened(tmp_path / "other.db") as other:
        await apply(other, read(text), environ, TESTER)
        assert await export(other) == text
        assert not changed(await apply(other, read(text), environ, TESTER))
        models = await other.models.all()
        assert [m.id for m in models] == [m.id for m in await store.models.all()]


async def test_an_export_applies_to_its_own_store(store: Store) -> None:
    await filled(store)
    text = await export(store)
    changes = await apply(store, read(text), dict.fromkeys(variables(text), "x"), TESTER)
    # Only the secrets became references.
    assert {c.name for c in changes if c.state == "updated"} == {"4.1 mini", "4-1-mini"}
    assert await export(store) == text


async def test_a_stream_timeout_is_exported_where_litellm_has_it(store: Store) -> None:
    await store.settings.put(CallSettings(stream_timeout=2.5), TESTER)
    text = await export(store)
    assert yaml.safe_load(text) == {"model_list": [], "router_settings": {"stream_timeout": 2.5}}
    assert variables(text) == []


async def test_what_stands_beside_a_secret_is_kept_also_beside_a_reference(store: Store) -> None:
    for key in ("plain", "os.environ/M_STOP_KEY"):
        await register(store, "m", litellm_params={"stop": {"number": 5, "key": key}})
        (entry,) = yaml.safe_load(await export(store))["model_list"]
        stop = {"number": 5, "key": "os.environ/M_STOP_KEY"}
        assert entry["litellm_params"]["stop"] == stop
        await store.models.remove("m", TESTER)


async def test_a_secret_that_its_name_does_not_tell_is_hidden_as_a_whole(store: Store) -> None:
    await register(store, "m")
    odd = {"connection": {"host": "h", "number": 5}}
    await store.models.change("m", lambda m: replace(m, secrets=odd), TESTER)
    (entry,) = yaml.safe_load(await export(store))["model_list"]
    assert entry["litellm_params"]["connection"] == {
        "host": "os.environ/M_CONNECTION_HOST",
        "number": "os.environ/M_CONNECTION_NUMBER",
    }


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | text
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["os.environ/NAME", "os.environ/M_API_KEY", "2024-10-21", "no", "=", "<<"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
models = st.fixed_dictionaries(
    {
        "model_name": st.sampled_from(["M", "m"]) | text,
        "api_key": st.none() | text.filter(str.isascii),
        "litellm_params": st.dictionaries(
            st.sampled_from(["extra_body", "extra_headers", "stop", "temperature"]), values
        ),
        "model_info": st.dictionaries(text.filter(lambda name: name != "id"), values, max_size=3),
    }
)


@pytest.fixture
async def two_stores(store: Store, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    async with opened(tmp_path / "second.db") as second:
        yield store, second


# The stores are emptied for each example, as making them takes long.
@examples(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(registered=st.lists(models, max_size=3))
async def test_whatever_is_registered_goes_through_a_file_and_back(
    two_stores: tuple[Store, Store], registered: list[dict[str, Any]]
) -> None:
    first, second = two_stores
    for store in two_stores:
        for model in await store.models.all():
            await store.models.remove_by_id(model.id, TESTER)
    for fields in registered:
        with contextlib.suppress(InvalidField, Conflict):
            await register(first, fields["model_name"], **fields)
    exported = await export(first)
    environ = dict.fromkeys(variables(exported), "value")
    await apply(second, read(exported), environ, TESTER)
    assert await export(second) == exported
    assert not changed(await apply(second, read(exported), environ, TESTER))
    told = [(model.name, model.params, model.info) for model in await first.models.all()]
    assert [(m.name, m.params, m.info) for m in await second.models.all()] == told
