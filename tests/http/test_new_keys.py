"""Keys that another process on the same database has just made, or never did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.app import create_app
from gateway.settings import Settings
from gateway.store import Database
from tests.servers import Gateway, serving


@pytest.fixture
async def other(
    settings: Settings, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A second process, which does not look at the database by itself."""
    monkeypatch.setattr("gateway.registry.POLL_SECONDS", 60)
    # Nor listens to it.
    monkeypatch.setattr("gateway.store.postgresql.PostgreSQL.changed", Database.changed)
    app = create_app(settings)
    async with serving(app) as url:
        yield replace(gateway, url=url, app=app)


async def two_keys(gateway: Gateway, other: Gateway) -> tuple[str, str]:
    """One that both know, and one that the other process has not heard of yet."""
    await gateway.add_model()
    known = str((await gateway.issue_key())["key"])
    assert (await other.chat(known)).status_code == 200
    new = str((await gateway.issue_key())["key"])
    return known, new


async def test_a_key_works_everywhere_at_once(gateway: Gateway, other: Gateway) -> None:
    await gateway.add_model()
    issued = await gateway.issue_key()
    assert (await other.chat(issued["key"])).status_code == 200
    rotated = await gateway.manage("POST", f"/keys/{issued['id']}/rotate", {})
    assert (await other.chat(rotated.json()["key"])).status_code == 200
    assert (await other.chat(issued["key"])).status_code == 401
    admin = await gateway.request("POST", "/key/generate", gateway.admin_key, {})
    assert (await other.request("GET", "/v1/models", admin.json()["key"])).status_code == 200


async def test_many_wrong_keys_are_looked_for_together(
    other: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = other.app.state.services.store.database
    read, reads = database.stamps, 0

    async def counted() -> dict[str, int]:
        nonlocal reads
        reads += 1
        found: dict[str, int] = await read()
        return found

    monkeypatch.setattr(database, "stamps", counted)
    monkeypatch.setattr("gateway.registry._SOONEST_SECONDS", 0.5)
    got = await asyncio.gather(*(other.chat(f"sk-wrong-{number}") for number in range(50)))
    assert {each.status_code for each in got} <= {401, 429}
    assert 1 <= reads < 10


async def test_a_database_that_cannot_be_read_refuses_no_key(
    gateway: Gateway, other: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, new = await two_keys(gateway, other)

    asked = 0

    async def broken() -> dict[str, int]:
        nonlocal asked
        asked += 1
        raise OSError("disk on fire")

    with monkeypatch.context() as patched:
        patched.setattr(other.app.state.services.store.database, "stamps", broken)
        for _ in range(20):
            refused = await other.chat(new)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert "cannot look for this key" in refused.json()["error"]["message"]
        assert "fire" not in refused.text
        assert (await other.chat(known)).status_code == 200
        assert asked == 1, "once it is known to fail, nobody asks but the watch"
    # As the watch does.
    await other.app.state.services.registry._look()
    assert (await other.chat(new)).status_code == 200
    # None of this was a wrong key.
    assert (await other.manage("GET", "/keys")).status_code == 200


async def test_who_waits_for_a_database_that_hangs_waits_once_and_not_for_long(
    gateway: Gateway, other: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, new = await two_keys(gateway, other)
    asked, answers = 0, asyncio.Event()
    database = other.app.state.services.store.database
    stamps = database.stamps

    async def hanging() -> dict[str, int]:
        nonlocal asked
        asked += 1
        await answers.wait()
        found: dict[str, int] = await stamps()
        return found

    monkeypatch.setattr(database, "stamps", hanging)
    monkeypatch.setattr("gateway.registry.ANSWER_SECONDS", 0.5)
    refused = await asyncio.gather(*(other.chat(new) for _ in range(50)))
    message = {"model": "gpt", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    before = time.monotonic()
    refused += [await other.chat(new) for _ in range(20)]
    in_anthropics = await other.request("POST", "/v1/messages", new, message)
    in_litellms = await other.request("GET", "/key/info", new)
    form = {"key": new, "next": ""}
    page = await other.http.get(f"{other.url}/ui/sign-in")
    token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    signed_in = await other.http.post(f"{other.url}/ui/sign-in", data=form | {"csrf": token})
    assert time.monotonic() - before < 23 * 0.5, "nobody waits for what is known to hang"
    for each in (*refused, in_anthropics, in_litellms, signed_in):
        assert each.status_code == 503
        assert each.headers["retry-after"] == "1"
        assert "cannot look for this key" in each.text
    assert asked == 1
    assert in_anthropics.json()["error"]["type"] == "overloaded_error"
    assert in_litellms.json()["error"]["type"] == "service_unavailable_error"
    assert (await other.chat(known)).status_code == 200
    answers.set()
    await other.app.state.services.registry._look()
    assert (await other.chat(new)).status_code == 200
