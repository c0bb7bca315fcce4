"""Several deployments at one fake provider, and a gateway that has them in groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway import failover
from gateway.app import create_app
from gateway.records import CallSettings, LedgerRow
from gateway.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.ends import NOTHING, held
from tests.servers import (
    TESTER,
    FakeProvider,
    Gateway,
    Json,
    answer,
    completion,
    http_client,
    serving,
)
from tests.upstream.conftest import Events, events

Behaviour = Callable[[Request], Awaitable[Response]]


@dataclass
class Fleet:
    """Deployments by name, each with a behaviour of its own, and what was asked of them.

    Attributes:
        called: The deployments' names, as they were called.
        slept: The seconds that the gateway would have waited before it tried again.
    """

    gateway: Gateway
    key: str = ""
    key_id: str = ""
    called: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    now: float = 1000.0
    _behaviours: dict[str, Behaviour] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    # --- What a test sets up ---

    async def register(
        self, group: str, deployment: str, at: Json | None = None, **params: Any
    ) -> None:
        """Have a deployment in a group; `at` is where it is, if that is not the fake provider."""
        prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
        made = await self.gateway.add_model(
            group,
            litellm_params={"model": f"model-of-{deployment}", **prices, **params},
            **{"base_url": f"{self.gateway.provider.url}/{deployment}/v1"} | (at or {}),
        )
        self._ids[made["model_id"]] = deployment

    async def set(self, **settings: Any) -> None:
        store = self.gateway.app.state.services.store
        await store.settings.change(lambda _: replace(CallSettings(), **settings), TESTER)

    def does(self, deployment: str, *responses: Callable[[], Response]) -> None:
        """Have a deployment answer so, in this order; the last one again and again."""
        left = list(responses)

        async def behaviour(_: Request) -> Response:
            return (left.pop(0) if len(left) > 1 else left[0])()

        self._behaviours[deployment] = behaviour

    def behaves(self, deployment: str, behaviour: Behaviour) -> None:
        self._behaviours[deployment] = behaviour

    # --- What a test does ---

    async def chat(self, model: str, **params: Any) -> httpx.Response:
        return await self.gateway.chat(self.key, model, **params)

    async def stream(self, model: str, **params: Any) -> Events:
        return events(await self.chat(model, stream=True, **params))

    async def until_called(self, *deployments: str) -> None:
        """Wait until just these have been called."""
        async with asyncio.timeout(5):
            while self.called != list(deployments):
                await asyncio.sleep(0.005)

    async def row(self) -> LedgerRow:
        """The one row there is to be."""
        [row] = await self.gateway.rows(self.key_id)
        return row

    def deployment(self, deployment_id: str | None) -> str:
        return self._ids[str(deployment_id)]

    # --- Within ---

    async def answer(self, request: Request) -> Response:
        name = request.url.path.split("/")[1]
        self.called.append(name)
        behaviour = self._behaviours.get(name)
        return await behaviour(request) if behaviour else says(name)()

    @property
    def deployments(self) -> Any:
        return self.gateway.app.state.services.pipeline._failover._deployments

    async def idle(self) -> None:
        """Wait until nothing is held of any call."""
        async with asyncio.timeout(5):
            while held(self.gateway) != NOTHING:
                await asyncio.sleep(0.005)
        for condition in self.deployments._conditions.values():
            assert (condition.running, condition.probing) == (0, 0)


def says(name: str, prompt: int = 11, completed: int = 6) -> Callable[[], Response]:
    """An answer that tells who gave it."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completed}
    body = completion(f"from {name}") | {"usage": counts | {"total_tokens": prompt + completed}}
    return lambda: answer(body)


def after(event: asyncio.Event, response: Callable[[], Response]) -> Behaviour:
    """An answer that waits for something."""

    async def behaviour(_: Request) -> Response:
        await asyncio.wait_for(event.wait(), 5)
        return response()

    return behaviour


async def hangs(request: Request) -> Response:
    """No answer, until the caller has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


def fails(
    status: int = 500, code: str | None = None, message: str = "no", **headers: str
) -> Callable[[], Response]:
    error: Json = {"message": message, "type": "its-type", "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: answer({"error": error}, status, named)


def streams(*pieces: bytes) -> Callable[[], Response]:
    async def sent() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            # So that each is read before the next comes, or the connection breaks.
            await asyncio.sleep(0.005)

    return lambda: StreamingResponse(sent(), media_type="text/event-stream")


@asynccontextmanager
async def running(
    path: Path, provider: FakeProvider, lane: str = "litellm", **more: Any
) -> AsyncIterator[Fleet]:
    """A gateway for many tests, without models; `more` are settings of its process."""
    url = f"sqlite:///{path}/gateway.db"
    settings = Settings(database_url=url, admin_key=ADMIN_KEY, **more)
    app = create_app(settings)
    async with serving(app) as url, http_client() as http:
        yield Fleet(Gateway(url, ADMIN_KEY, provider, app, http, lane))


@asynccontextmanager
async def fresh(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[Fleet]:
    """The fleet as for one test: a key of its own, and nothing known of any deployment. Afterwards
    nothing is held."""
    fleet.called.clear()
    fleet.slept.clear()
    fleet.now = 1000.0
    fleet._behaviours.clear()
    fleet.deployments._conditions.clear()
    monkeypatch.setattr(fleet.deployments, "_clock", lambda: fleet.now)

    async def sleep(seconds: float) -> None:
        fleet.slept.append(seconds)
        fleet.now += seconds
        await asyncio.sleep(0)

    monkeypatch.setattr(failover, "asyncio", SimpleNamespace(sleep=sleep))
    fleet.gateway.provider.behaviour = fleet.answer
    issued = await fleet.gateway.issue_key(max_budget=1000)
    fleet.key, fleet.key_id = issued["key"], issued["id"]
    if fleet.gateway.app.state.services.registry.settings != replace(CallSettings(), **settings):
        await fleet.set(**settings)
    yield fleet
    await fleet.idle()
    fleet.gateway.provider.reset()
