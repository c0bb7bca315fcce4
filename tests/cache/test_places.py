"""Where entries are kept: in memory, in a file, in Redis; and what happens if that fails."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from gateway.cache import places, redis
from gateway.cache.memory import MemoryPlace
from gateway.cache.places import Guarded, Place
from gateway.cache.redis import NoRedis, RedisPlace
from gateway.cache.sqlite import SqlitePlace
from tests.cache.conftest import Clock

KB = 1024


@pytest.fixture
async def sqlite(tmp_path: Path, clock: Clock) -> AsyncIterator[SqlitePlace]:
    place = SqlitePlace(tmp_path / "cache", 1024 * KB, clock)
    yield place
    await place.aclose()


@pytest.fixture
async def in_redis(redis_url: str) -> AsyncIterator[RedisPlace]:
    prefix = f"test-{secrets.token_hex(8)}:"
    place = RedisPlace(redis_url, prefix)
    yield place
    client = await place._opened()
    own = [name async for name in client.scan_iter(f"{prefix}*")]
    if own:
        await client.delete(*own)
    await place.aclose()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def place(request: pytest.FixtureRequest, clock: Clock) -> Place:
    if request.param == "memory":
        return MemoryPlace(1024 * KB, clock)
    name = {"sqlite": "sqlite", "redis": "in_redis"}[request.param]
    found: Place = request.getfixturevalue(name)
    return found


async def test_what_is_put_comes_back(place: Place) -> None:
    assert await place.get("a") is None
    await place.put("a", b"\x00one", 60)
    await place.put("b", b"two", 60)
    await place.put("a", b"three", 60)
    assert (await place.get("a"), await place.get("b")) == (b"three", b"two")


@pytest.mark.parametrize("place", ["memory", "sqlite"], indirect=True)
async def test_it_ends_in_time(place: Place, clock: Clock) -> None:
    await place.put("a", b"x", 60)
    clock.now += 59.5
    assert await place.get("a") == b"x"
    clock.now += 0.5
    assert await place.get("a") is None


async def test_redis_ends_it_in_time(in_redis: RedisPlace) -> None:
    await in_redis.put("a", b"x", 30.5)
    client = await in_redis._opened()
    assert 29_000 < await client.pttl(f"{in_redis._prefix}a") <= 30_500


async def test_memory_is_bounded(clock: Clock) -> None:
    place = MemoryPlace(10 * KB, clock)
    for number in range(100):
        await place.put(str(number), b"x" * KB, 60)
        # Asked for each time, so that it is never the one to go.
        assert await place.get("0") is not None
        assert place.size <= 10 * KB
    kept = [number for number in range(100) if await place.get(str(number)) is not None]
    assert kept == [0, *range(100 - len(kept) + 1, 100)]
    assert len(kept) == 7
    await place.put("large", b"x" * 20 * KB, 60)
    assert place.size == 0


async def test_memory_lets_go_of_what_has_ended(clock: Clock) -> None:
    place = MemoryPlace(1024 * KB, clock)
    for number in range(5):
        await place.put(str(number), b"x", 10)
    clock.now += 100
    await place.put("new", b"x", 10)
    only = MemoryPlace(1024 * KB, clock)
    await only.put("new", b"x", 10)
    assert place.size == only.size
    await place.aclose()
    assert place.size == 0


async def test_the_file_is_bounded(sqlite: SqlitePlace, clock: Clock) -> None:
    for number in range(300):
        clock.now += 1
        await sqlite.put(str(number), b"x" * 10 * KB, 1000)
        assert sqlite._path.stat().st_size < 1200 * KB
    kept = [number for number in range(300) if await sqlite.get(str(number)) is not None]
    # The oldest have gone.
    assert kept == list(range(300 - len(kept), 300))
    assert 50 < len(kept) < 100


async def test_the_file_does_not_keep_what_has_ended(sqlite: SqlitePlace, clock: Clock) -> None:
    await sqlite.put("a", b"a secret answer", 10)
    clock.now += 11
    await sqlite.put("b", b"x", 10)
    await sqlite.aclose()
    for path in sqlite._path.parent.iterdir():
        assert b"a secret answer" not in path.read_bytes()
    with closing(sqlite3.connect(sqlite._path)) as file:
        assert file.execute("SELECT key FROM entries").fetchall() == [("b",)]
    sqlite._thread = type(sqlite._thread)(1)


async def test_processes_share_the_file(sqlite: SqlitePlace, clock: Clock) -> None:
    other = SqlitePlace(sqlite._path, 1024 * KB, clock)
    for number in range(20):
        await asyncio.gather(sqlite.put(f"a{number}", b"x", 60), other.put(f"b{number}", b"y", 60))
    assert await other.get("a19") == b"x"
    assert await sqlite.get("b19") == b"y"
    await other.aclose()


async def test_the_file_has_a_thread_of_its_own(sqlite: SqlitePlace) -> None:
    assert sqlite._path.exists() is False
    await sqlite.put("a", b"x", 60)
    assert sqlite._path.stat().st_mode & 0o777 == 0o600
    own = [thread for thread in threading.enumerate() if thread.name.startswith("cache")]
    assert len(own) == 1
    await sqlite.aclose()
    assert not own[0].is_alive()
    sqlite._thread = type(sqlite._thread)(1)


async def test_redis_needs_an_address() -> None:
    with pytest.raises(NoRedis, match="GATEWAY_REDIS_URL is not set"):
        await RedisPlace(None).get("a")
    await RedisPlace(None).aclose()


async def test_redis_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(NoRedis, match="pip install"):
        await RedisPlace("redis://127.0.0.1:6379/0").get("a")


async def test_a_redis_that_is_gone_fails_soon() -> None:
    place = RedisPlace("redis://:a-password@127.0.0.1:1/0")
    with pytest.raises(RedisError) as caught:
        await place.get("a")
    assert "a-password" not in str(caught.value)
    await place.aclose()


class Failing:
    """A place that fails, or never answers, until it is told otherwise."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = ValueError("broken")

    async def get(self, key: str) -> bytes | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        await asyncio.sleep(60 if key == "hangs" else 0)
        return key.encode()

    async def put(self, key: str, data: bytes, ttl: float) -> None:  # noqa: ARG002
        await self.get(key)

    async def aclose(self) -> None:
        raise ValueError("broken")


async def test_a_place_that_fails_is_left_alone_for_a_while(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing()
    guarded = Guarded(failing, "kind", clock)
    for _ in range(3):
        assert await guarded.get("a") is None
        await guarded.put("a", b"x", 1)
    assert failing.asked == 1
    clock.now += places.PAUSE_SECONDS
    assert await guarded.get("a") is None
    assert failing.asked == 2
    failing.error = None
    clock.now += places.PAUSE_SECONDS
    assert await guarded.get("a") == b"a"
    await guarded.aclose()
    assert [record.getMessage() for record in caplog.records] == [
        "The response cache (kind) fails; calls go on without it: ValueError: broken",
        "The response cache (kind) works again",
        "The response cache (kind) fails; calls go on without it: ValueError: broken",
    ]


async def test_a_place_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PATIENCE_SECONDS", 0.02)
    failing = Failing()
    failing.error = None
    guarded = Guarded(failing, "kind")
    assert await guarded.get("hangs") is None
    assert await guarded.get("a") is None
    assert failing.asked == 1


async def test_whoever_is_cancelled_stays_so() -> None:
    failing = Failing()
    failing.error = None
    guarded = Guarded(failing, "kind")
    waiting = asyncio.create_task(guarded.get("hangs"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await guarded.get("a") == b"a"


def test_the_prefix_is_the_gateways_own() -> None:
    assert redis.PREFIX == "litellm-gateway:cache:"
