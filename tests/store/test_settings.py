"""The settings that all processes share, as rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text

from gateway.errors import InvalidField
from gateway.records import CallSettings
from gateway.settings import Settings
from gateway.specs import patched_settings
from gateway.store import Store
from tests.servers import TESTER


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


async def test_the_rules_of_a_setting_come_back_as_they_were_stored(store: Store) -> None:
    rules = ("keys", {"pattern": r"\d+", "replacement": "№"})
    await store.settings.put(CallSettings(redact_stored_prompts=rules), TESTER)
    assert (await store.settings.get()).redact_stored_prompts == rules
    changes, _ = await store.audit.page(1)
    assert json.loads(json.dumps(changes[0].after)) == {"redact_stored_prompts": list(rules)}


async def test_a_setting_of_a_newer_gateway_survives_a_change_here(store: Store) -> None:
    async with store.database.write("settings") as write_:
        await write_.connection.execute(text("INSERT INTO settings VALUES ('newer', '1')"))
    await store.settings.put(CallSettings(drop_params=True), TESTER)
    async with store.database.read() as connection:
        names = (await connection.execute(text("SELECT name FROM settings ORDER BY 1"))).scalars()
        assert list(names) == ["drop_params", "newer"]


async def test_what_changes_nothing_is_not_noted(store: Store) -> None:
    await store.settings.put(CallSettings(), TESTER)
    assert await store.audit.page(1) == ([], False)


async def test_changes_at_once_lose_nothing(store: Store, settings: Settings) -> None:
    patches = [{"drop_params": True}, {"request_timeout": 5}, {"stream_timeout": 6}]
    async with Store.open(settings) as other:
        await asyncio.gather(
            *(
                each.settings.change(partial(patched_settings, patch=patch), TESTER)
                for each, patch in zip((store, other, store), patches, strict=True)
            )
        )
        expected = CallSettings(drop_params=True, request_timeout=5, stream_timeout=6)
        assert await store.settings.get() == await other.settings.get() == expected


async def test_a_change_that_is_refused_changes_nothing(store: Store) -> None:
    before = replace(CallSettings(), drop_params=True)
    await store.settings.put(before, TESTER)
    with pytest.raises(InvalidField):
        await store.settings.change(lambda old: patched_settings(old, {"x": 1}), TESTER)
    assert await store.settings.get() == before
