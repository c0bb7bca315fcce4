"""Fixtures for calls to providers, and the reading of streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import Settings
from gateway.upstream.litellm_lane import LitellmLane
from tests.conftest import ADMIN_KEY
from tests.servers import FakeProvider, Gateway, serving
from tests.upstream.providers import PROVIDERS, registration

Json = dict[str, Any]


@dataclass
class Events:
    """What a client saw of a stream."""

    status: int
    headers: httpx.Headers
    chunks: list[Json] = field(default_factory=list)
    error: Json | None = None
    """The error object, of an answer or of the event that ended the stream."""
    done: bool = False

    @property
    def text(self) -> str:
        choices = [choice for chunk in self.chunks for choice in chunk["choices"]]
        return "".join(
            choice.get("text") or choice.get("delta", {}).get("content") or "" for choice in choices
        )

    @property
    def finish_reasons(self) -> list[str]:
        return [
            choice["finish_reason"]
            for chunk in self.chunks
            for choice in chunk["choices"]
            if choice["finish_reason"]
        ]

    @property
    def usage(self) -> Json | None:
        usages = [chunk["usage"] for chunk in self.chunks if "usage" in chunk]
        assert len(usages) <= 1
        return usages[0] if usages else None


def events(response: httpx.Response) -> Events:
    """Read a whole answer, strictly: nothing may come after an error or `[DONE]`."""
    seen = Events(response.status_code, response.headers)
    if response.status_code != 200:
        seen.error = response.json()["error"]
        return seen
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *frames, rest = response.text.split("\n\n")
    assert rest == ""
    for frame in frames:
        assert seen.error is None
        assert not seen.done
        assert frame.startswith("data: ")
        data = frame.removeprefix("data: ")
        if data == "[DONE]":
            seen.done = True
            continue
        body = json.loads(data)
        if "error" in body:
            assert list(body) == ["error"]
            seen.error = body["error"]
        else:
            seen.chunks.append(body)
    return seen


@pytest.fixture(scope="package")
async def _running(
    tmp_path_factory: pytest.TempPathFactory, _provider: FakeProvider
) -> AsyncIterator[Gateway]:
    path = tmp_path_factory.mktemp("gateway") / "gateway.db"
    app = create_app(Settings(database_url=f"sqlite:///{path}", admin_key=ADMIN_KEY))
    async with serving(app) as url, httpx.AsyncClient(timeout=30) as http:
        gateway = Gateway(url, ADMIN_KEY, _provider, app, http)
        await gateway.try_once()
        for name in PROVIDERS:
            await gateway.add_model(f"fake-{name}", **registration(name, _provider.url))
        yield gateway


@pytest.fixture(scope="package")
def litellm_lane(_running: Gateway) -> LitellmLane:
    """The gateway's. One of a test's own would end what litellm has for all of the process."""
    lane: LitellmLane = _running.app.state.services.lane
    return lane


@pytest.fixture(scope="package")
async def key(_running: Gateway) -> str:
    """A gateway key without limits."""
    return str((await _running.issue_key())["key"])


@pytest.fixture
async def gateway(_running: Gateway, provider: FakeProvider) -> AsyncIterator[Gateway]:
    """A running gateway; one for all these tests, which are many.

    At the scriptable provider it has a model `fake-…` for each provider's format. What a test adds
    is gone after it.
    """
    assert _running.provider is provider
    before = await _models(_running)
    yield _running
    for name in await _models(_running) - before:
        await _running.manage("DELETE", f"/models/{name}")


async def _models(gateway: Gateway) -> set[str]:
    return {model["id"] for model in (await gateway.manage("GET", "/models")).json()["data"]}


@pytest.fixture(scope="package")
async def _mocked(_running: Gateway, aimock: str) -> None:
    for name in PROVIDERS:
        await _running.add_model(name, **registration(name, aimock))


@pytest.fixture(params=PROVIDERS)
def mocked(request: pytest.FixtureRequest, _mocked: None) -> str:
    """Each provider in turn, which is also the name of a model at aimock."""
    return str(request.param)
