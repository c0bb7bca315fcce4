"""A provider that fails and recovers, again and again, for a minute; the clock is the test's."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.fleet import Fleet, fails, says

MINUTE, PHASE = 60, 5


@pytest.fixture(autouse=True)
async def _models(_fleet: Fleet) -> None:
    if _fleet.gateway.app.state.services.registry.catalogue.find("flapping") is None:
        await _fleet.register("flapping", "c", order=1)
        await _fleet.register("flapping and b", "c", order=1)
        await _fleet.register("flapping and b", "b", order=2)


async def flap(fleet: Fleet, model: str, calls: int) -> list[tuple[int, int]]:
    """The statuses of so many calls in each second, with that second; of five and five seconds,
    the first are ill."""
    began = fleet.now
    seen: list[tuple[int, int]] = []

    async def behaviour(_: Request) -> Response:
        ill = (fleet.now - began) // PHASE % 2 == 0
        return (fails(500) if ill else says("c"))()

    fleet.behaves("c", behaviour)
    for second in range(MINUTE):
        fleet.now = began + second
        for _ in range(calls):
            response = await fleet.chat(model)
            seen.append((second, response.status_code))
    return seen


async def test_a_minute_of_500s_with_another_deployment(fleet: Fleet) -> None:
    """No caller sees any. While it is ill, the flapping one gets few calls; then all its own."""
    await fleet.set(num_retries=1, cooldown_time=2.0)
    seen = await flap(fleet, "flapping and b", 3)
    assert {status for _, status in seen} == {200}
    failed = len(fleet.called) - len(seen)
    # Of 90 calls in the ill seconds, 5 in a row and then one each 2 seconds; of 90 in the others,
    # all once one has been answered.
    assert failed <= 45
    assert fleet.called.count("c") - failed >= 75
    rows = await fleet.gateway.rows(fleet.key_id, len(seen))
    assert {(row.outcome, row.status) for row in rows} == {("complete", 200)}
    assert sum(row.retries for row in rows) == failed


async def test_a_minute_of_500s_alone(fleet: Fleet) -> None:
    """It is asked all the time, and what callers see is the provider's own."""
    await fleet.set(num_retries=0, cooldown_time=30.0)
    seen = await flap(fleet, "flapping", 1)
    assert len(fleet.called) == len(seen)
    assert {status for second, status in seen if second // PHASE % 2 == 0} == {500}
    assert {status for second, status in seen if second // PHASE % 2 == 1} == {200}
