"""One gateway for all these tests, with deployments at a provider that fails as a test says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.faults.scripts import DONE
from tests.faulty import Faulty
from tests.fleet import Fleet, fresh, running, says, streams
from tests.servers import LANES, FakeProvider, Json, chunks

# Of what is to be waited for.
TIMEOUT = 0.25
# And of what is not, however slow the machine.
NEVER = 20.0
MOST_BYTES = 1024 * 1024
# By the models' names: what is hasty has little time in all, and what is impatient between the
# pieces of a stream.
TIMEOUTS = {
    "patient": {"timeout": NEVER},
    "hasty": {"timeout": TIMEOUT},
    "impatient": {"timeout": NEVER, "first_token_timeout": NEVER, "stream_timeout": TIMEOUT},
}


@pytest.fixture(scope="package")
async def _faulty() -> AsyncIterator[Faulty]:
    async with Faulty().serving() as faulty:
        yield faulty


@pytest.fixture
def faulty(_faulty: Faulty) -> Faulty:
    """The provider that fails. At it are the deployments named `a`."""
    _faulty.wires.clear()
    return _faulty


@pytest.fixture(scope="package", params=LANES)
async def _fleet(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _provider: FakeProvider,
    _faulty: Faulty,
) -> AsyncIterator[Fleet]:
    path = tmp_path_factory.mktemp("faults")
    async with running(path, _provider, request.param, max_answer_bytes=MOST_BYTES) as fleet:
        at: Json = {"base_url": f"{_faulty.url}/v1"}
        for name, timeouts in TIMEOUTS.items():
            await fleet.register(name, "a", at, order=1, **timeouts)
            await fleet.register(f"{name}-and-b", "a", at, order=1, **timeouts)
            await fleet.register(f"{name}-and-b", "b", order=2)
        # What litellm does at its first call takes longer than the shorter timeout.
        await fleet.register("first", "b")
        key = (await fleet.gateway.issue_key())["key"]
        for stream, body in ((False, says("b")), (True, streams(*frames(*chunks())))):
            _provider.does(body)
            assert (await fleet.gateway.chat(key, "first", stream=stream)).status_code == 200
        yield fleet


@pytest.fixture
async def fleet(_fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """Calls are tried twice in all. Beside `a`, what ends in `-and-b` has a deployment that is
    well."""
    async with fresh(_fleet, monkeypatch, num_retries=1) as made:
        yield made


def frames(*pieces: Json | str) -> list[bytes]:
    """A stream as it is sent."""
    return [f"data: {json.dumps(piece)}\n\n".encode() for piece in pieces] + [DONE.encode()]
