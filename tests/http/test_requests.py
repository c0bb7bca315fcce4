"""Reading bodies, and clients that leave."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.app import create_app
from gateway.http.requests import ClientGone, unless_gone
from gateway.settings import Settings
from tests.servers import Gateway, chunk, serving


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"model": NaN}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/gateway/models"])
async def test_a_body_that_is_no_json_object_is_refused(
    gateway: Gateway, path: str, body: bytes, says: str
) -> None:
    refused = await gateway.request("POST", path, gateway.admin_key, body)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"]) == (400, "invalid_request_error")
    assert says in error["message"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(settings: Settings, chunked: bool) -> None:
    small = dataclasses.replace(settings, max_body_bytes=100)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 50

    async with serving(create_app(small)) as url, httpx.AsyncClient() as http:
        refused = await http.post(
            f"{url}/v1/chat/completions",
            content=pieces() if chunked else b"x" * 101,
            headers={"authorization": f"Bearer {settings.admin_key}"},
        )
    assert refused.status_code == 413
    assert "100 bytes" in refused.json()["error"]["message"]


async def test_a_client_that_leaves_cancels_the_call(gateway: Gateway, key: str) -> None:
    gateway.provider.hangs()
    calling = asyncio.create_task(gateway.chat(key))
    while not gateway.provider.received:
        await asyncio.sleep(0.01)
    calling.cancel()
    await asyncio.wait_for(gateway.provider.left.wait(), 1)


async def test_a_client_that_leaves_cancels_the_stream(gateway: Gateway, key: str) -> None:
    gateway.provider.streams([chunk({"content": "a"}), chunk({"content": "b"})], hang_after=2)
    async with gateway.streaming(key) as lines:
        assert '"content":"a"' in await anext(lines)
    await asyncio.wait_for(gateway.provider.left.wait(), 1)


async def test_unless_gone_gives_the_result_and_stops_watching() -> None:
    gone = asyncio.Event()

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def work() -> int:
        return 5

    assert await unless_gone(receive, work()) == 5
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == len(
        [t for t in asyncio.all_tasks() if "_disconnect" not in repr(t)]
    )


async def test_unless_gone_has_ended_the_work_when_it_says_so() -> None:
    ended: list[str] = []

    async def receive() -> dict[str, str]:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    with pytest.raises(ClientGone):
        await unless_gone(receive, work())
    assert ended == ["work"]


async def test_unless_gone_passes_on_what_the_work_raises() -> None:
    async def receive() -> dict[str, str]:
        await asyncio.sleep(60)
        return {}

    async def work() -> None:
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        await unless_gone(receive, work())
