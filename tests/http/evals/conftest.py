"""A gateway with something to evaluate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.servers import FakeProvider, Gateway, Json, answer, completion

CAPITALS = {"UK": "London", "France": "Paris", "Japan": "Tokyo"}
ROWS = [
    {"id": country.lower(), "input": f"Capital of {country}?", "expected": city, "tags": ["geo"]}
    for country, city in CAPITALS.items()
]
EXACT = {"name": "exact", "type": "string_check", "operation": "eq"}
TONE = {
    "name": "tone",
    "type": "score_model",
    "judge": "judge",
    "prompt": "How kind is this? {{sample.output_text}}",
    "range": [1, 10],
    "pass_threshold": 7,
}
SUITE = {"name": "ci", "dataset": "faq", "models": ["gpt"], "evaluators": ["exact"]}


@dataclass
class Knowing:
    """A provider that knows capitals, and judges answers."""

    wrong: set[str] = field(default_factory=set)
    """The countries that it is wrong about."""
    judgement: str = '{"reason": "It is.", "score": 10}'
    calls: list[Json] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    """How many calls there were at once."""
    before: Callable[[Json], Awaitable[Response | None]] | None = None

    async def behaviour(self, request: Request) -> Response:
        body = await request.json()
        self.calls.append(body)
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            # Others get their turn.
            await asyncio.sleep(0.001)
            if self.before is not None and (given := await self.before(body)) is not None:
                return given
            return answer(completion(self.said(body)))
        finally:
            self.busy -= 1

    def said(self, body: Json) -> str:
        text = str(body["messages"][-1]["content"])
        if "How kind" in text:
            return self.judgement
        for country, city in CAPITALS.items():
            if country in text:
                return "Atlantis" if country in self.wrong else city
        return "I do not know"


@dataclass
class Evaluating:
    """A gateway, and what a test does with its evaluations."""

    gateway: Gateway
    provider: Knowing

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.gateway.manage(method, f"/evals{path}", body)

    async def do(self, method: str, path: str, body: Any = None, status: int = 200) -> Json:
        response = await self.ask(method, path, body)
        assert response.status_code == status, response.text
        return dict(response.json())

    async def set_up(self, **suite: Any) -> None:
        """A dataset `faq`, evaluators `exact` and `tone`, models `gpt` and `judge`, and a suite
        `ci`."""
        for name in ("gpt", "judge"):
            await self.gateway.add_model(name, litellm_params={"model": "gpt-4o"})
        await self.do("POST", "/datasets", {"name": "faq", "rows": ROWS}, 201)
        for evaluator in (EXACT, TONE):
            await self.do("POST", "/evaluators", evaluator, 201)
        await self.do("POST", "/suites", SUITE | suite, 201)

    async def run(self, **body: Any) -> Json:
        """Begin a run, and have what it has come to once it has ended."""
        begun = await self.do("POST", "/runs", {"suite": "ci"} | body, 202)
        return await self.ended(begun["id"])

    async def ended(self, run_id: str) -> Json:
        deadline = asyncio.get_running_loop().time() + 30
        while True:
            run = await self.do("GET", f"/runs/{run_id}/progress")
            if run["status"] not in ("pending", "running"):
                return await self.do("GET", f"/runs/{run_id}")
            assert asyncio.get_running_loop().time() < deadline, run
            await asyncio.sleep(0.02)


@pytest.fixture
def knowing(provider: FakeProvider) -> Knowing:
    made = Knowing()
    provider.behaviour = made.behaviour
    return made


@pytest.fixture
def evals(gateway: Gateway, knowing: Knowing) -> Evaluating:
    return Evaluating(gateway, knowing)
