"""Settlement: whatever ends a call, its tokens are counted once."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers import IN_BOTH_LANES, Gateway, answer, chunk, chunks, completion, usage

pytestmark = IN_BOTH_LANES

# `{"role": "user", "content": "x"}` and `{…, "content": "hello"}`, estimated.
PROMPT, LONGER_PROMPT = 8, 9


async def remaining(gateway: Gateway, secret: str) -> int:
    """What the next call is told of its key's tokens. Makes a call of 17 tokens."""
    gateway.provider.behaviour = None
    response = await gateway.chat(secret)
    return int(response.headers["x-ratelimit-remaining-tokens"])


@pytest.fixture
async def limited(gateway: Gateway) -> str:
    """A key with 1000 tokens a minute."""
    await gateway.add_model()
    return str((await gateway.issue_key(tpm_limit=1000))["key"])


async def test_a_whole_answer_counts_its_usage(gateway: Gateway, limited: str) -> None:
    gateway.provider.does(answer(completion("x") | {"usage": usage(100, 50)}))
    await gateway.chat(limited)
    assert await remaining(gateway, limited) == 850


async def test_a_stream_counts_its_usage_once(gateway: Gateway, limited: str) -> None:
    gateway.provider.streams(chunks())
    await gateway.chat(limited, stream=True)
    assert await remaining(gateway, limited) == 983


async def test_a_refused_call_counts_nothing(gateway: Gateway, limited: str) -> None:
    gateway.provider.does(answer({"error": {"message": "no"}}, 500))
    assert (await gateway.chat(limited)).status_code == 500
    assert (await gateway.chat(limited, stream=True)).status_code == 500
    assert await remaining(gateway, limited) == 1000


async def test_a_stream_whose_client_leaves_counts_its_chunks(
    gateway: Gateway, limited: str
) -> None:
    events = [chunk({"content": str(n)}) for n in range(5)]
    gateway.provider.streams([*events], hang_after=5)
    async with gateway.streaming(limited) as lines:
        while '"content":"4"' not in await anext(lines):
            pass
    await asyncio.wait_for(gateway.provider.left.wait(), 1)
    await asyncio.sleep(0.05)
    # Five chunks and, by its four bytes a token, the prompt.
    assert await remaining(gateway, limited) == 1000 - 5 - PROMPT


async def test_a_stream_that_breaks_counts_its_chunks(gateway: Gateway, limited: str) -> None:
    gateway.provider.streams(
        [chunk({"content": "a"}), chunk({"content": "b"}), 'data: {"error": {"message": "x"}}\n\n']
    )
    assert "[DONE]" not in (await gateway.chat(limited, stream=True)).text
    assert await remaining(gateway, limited) == 1000 - 2 - LONGER_PROMPT


async def test_a_failure_before_the_first_chunk_has_its_own_status(
    gateway: Gateway, key: str
) -> None:
    gateway.provider.does(answer({"error": {"message": "full", "type": "overloaded"}}, 503))
    refused = await gateway.chat(key, stream=True)
    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "overloaded")


async def test_a_stream_without_a_chunk_is_a_bad_gateway(gateway: Gateway, key: str) -> None:
    gateway.provider.streams([])
    refused = await gateway.chat(key, stream=True)
    assert refused.status_code == 502
    assert refused.json()["error"]["type"] == "api_error"
