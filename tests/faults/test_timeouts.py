"""How long a provider has: for a whole answer, for a stream's first words, and between others."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults import scripts as does
from tests.faults.conftest import NEVER, TIMEOUT
from tests.faults.scripts import SAID
from tests.faulty import STREAM, Faulty, Script, Wire
from tests.fleet import Fleet
from tests.servers import chunk, chunks
from tests.upstream.conftest import events

LATE = "litellm.Timeout: The provider did not answer in time"
# What is slow takes so long, and not longer than what has time.
SLOW = 2 * TIMEOUT
# The deployments' parameters, by the models' names.
MODELS = {
    "between": {"stream_timeout": TIMEOUT, "first_token_timeout": NEVER},
    "first": {"stream_timeout": NEVER, "first_token_timeout": TIMEOUT},
    "total": {"stream_total_timeout": TIMEOUT},
    "only stream": {"stream_timeout": TIMEOUT},
}


@pytest.fixture(scope="module", autouse=True)
async def _models(_fleet: Fleet, _faulty: Faulty) -> None:
    for name, params in {**MODELS, "unset": {}}.items():
        at = {"base_url": f"{_faulty.url}/v1"}
        await _fleet.register(f"slow {name}", "a", at, **params)


def slowly(*pieces: does.Piece, pause: float = SLOW) -> Script:
    """A stream with so much time before each piece."""

    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.head(STREAM)
        for piece in pieces:
            await asyncio.sleep(pause)
            await (wire.send(piece) if isinstance(piece, bytes) else wire.event(piece))

    return script


async def late(fleet: Fleet, model: str, text: str) -> None:
    """The stream ends in time, with an error, after this text; or there is none."""
    began = time.monotonic()
    response = await fleet.chat(model, stream=True)
    assert time.monotonic() - began < 5
    if text:
        seen = events(response)
        assert (seen.text, seen.done, seen.finish_reasons) == (text, False, [])
        error, row = seen.error or {}, await fleet.row()
        assert (row.outcome, row.status, row.error) == ("cut", 200, "timeout_error")
    else:
        assert response.status_code == 408
        error, row = response.json()["error"], await fleet.row()
        assert (row.outcome, row.status, row.error) == ("failed", 408, "timeout_error")
    assert (error["message"], error["type"], error["code"]) == (LATE, "timeout_error", "408")


async def whole(fleet: Fleet, model: str) -> None:
    seen = events(await fleet.chat(model, stream=True))
    assert (seen.text, seen.done, seen.error) == ("Hello from", True, None)


@pytest.fixture
async def once(fleet: Fleet) -> Fleet:
    """Each call is tried once."""
    await fleet.set(num_retries=0)
    return fleet


async def trickles(wire: Wire) -> None:
    await wire.read()
    await wire.head(content_length=10_000)
    for _ in range(1000):
        await asyncio.sleep(TIMEOUT / 10)
        await wire.send(b" ")


@pytest.mark.parametrize("script", [does.reads(does.hangs), does.halves(does.hangs), trickles])
async def test_a_whole_answer_has_its_time_in_all(
    once: Fleet, faulty: Faulty, script: Script
) -> None:
    """However it is spread."""
    faulty.script = script
    began = time.monotonic()
    response = await once.chat("hasty")
    assert time.monotonic() - began < 5
    assert (response.status_code, response.json()["error"]["message"]) == (408, LATE)


@pytest.mark.parametrize("model", ["slow between", "slow only stream"])
async def test_the_time_between_pieces(once: Fleet, faulty: Faulty, model: str) -> None:
    faulty.script = does.streams(*SAID, then=does.hangs)
    await late(once, model, "one two")


async def test_the_first_words_may_take_longer_than_others(once: Fleet, faulty: Faulty) -> None:
    async def sent(wire: Wire) -> None:
        await wire.read()
        await asyncio.sleep(SLOW)
        await wire.head(STREAM)
        await asyncio.sleep(SLOW)
        for piece in (*chunks("Hello from"), does.DONE):
            await wire.event(piece)

    faulty.script = sent
    await whole(once, "slow between")


@pytest.mark.parametrize(
    "script",
    [
        does.reads(does.hangs),
        does.streams(then=does.hangs),
        does.streams(does.ROLE, then=does.hangs),
        # Neither comments nor empty pieces are words.
        slowly(*[b": waiting\n\n"] * 50, pause=TIMEOUT / 5),
        slowly(*[does.ROLE] * 50, pause=TIMEOUT / 5),
    ],
)
async def test_the_time_for_the_first_words(once: Fleet, faulty: Faulty, script: Script) -> None:
    faulty.script = script
    await late(once, "slow first", "")


async def test_later_pieces_may_take_longer_than_the_first(once: Fleet, faulty: Faulty) -> None:
    async def script(wire: Wire) -> None:
        await wire.read()
        await wire.head(STREAM)
        first, *rest = (*chunks("Hello from")[1:], does.DONE)
        await wire.event(first)
        await asyncio.sleep(SLOW)
        for piece in rest:
            await wire.event(piece)

    faulty.script = script
    await whole(once, "slow first")


async def test_a_stream_has_its_time_in_all(once: Fleet, faulty: Faulty) -> None:
    faulty.script = does.reads(does.hangs)
    await late(once, "slow total", "")


async def test_a_stream_that_goes_on_has_its_time_in_all(once: Fleet, faulty: Faulty) -> None:
    faulty.script = slowly(*[chunk({"content": f"{n} "}) for n in range(500)], pause=TIMEOUT / 20)
    seen = events(await once.chat("slow total", stream=True))
    assert seen.text.startswith("0 1 2 ")
    assert len(seen.chunks) < 100
    assert (seen.done, (seen.error or {})["message"]) == (False, LATE)
    row = await once.row()
    assert (row.outcome, row.error, row.estimated) == ("cut", "timeout_error", True)


@pytest.mark.parametrize(
    ("settings", "script", "text"),
    [
        ({"request_timeout": TIMEOUT}, does.reads(does.hangs), ""),
        ({"stream_timeout": TIMEOUT}, does.streams(*SAID, then=does.hangs), "one two"),
        (
            {"first_token_timeout": TIMEOUT, "stream_timeout": NEVER},
            does.streams(does.ROLE, then=does.hangs),
            "",
        ),
    ],
)
async def test_what_holds_for_deployments_without_timeouts(
    once: Fleet, faulty: Faulty, settings: dict[str, float], script: Script, text: str
) -> None:
    await once.set(num_retries=0, **settings)
    faulty.script = script
    await late(once, "slow unset", text)
