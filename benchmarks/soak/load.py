"""Mixed traffic: calls of every format, plain and streamed; callers who leave, who may not, and
who ask for nonsense; keys that come and go, models that change, reports that are read.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

Json = dict[str, Any]

_KEYS = 20
_HELLO = [{"role": "user", "content": "Tell me a story."}]
# Of calls, in parts: (path, body, whether it may be streamed).
_CALLS: list[tuple[int, str, Json, bool]] = [
    (8, "/v1/chat/completions", {"model": "steady", "messages": _HELLO}, True),
    (8, "/v1/chat/completions", {"model": "flaky", "messages": _HELLO}, True),
    (2, "/v1/chat/completions", {"model": "openai/gpt-4o", "messages": _HELLO}, True),
    (2, "/v1/completions", {"model": "steady", "prompt": "Once"}, False),
    (4, "/v1/embeddings", {"model": "vectors", "input": "Once upon a time"}, False),
    (4, "/v1/messages", {"model": "claude", "messages": _HELLO, "max_tokens": 100}, True),
    (4, "/v1/responses", {"model": "steady", "input": "Tell me a story."}, True),
    (1, "/v1/chat/completions", {"model": "nobody's", "messages": _HELLO}, False),
    (1, "/v1/chat/completions", {"model": "steady", "messages": "nonsense"}, False),
]


@dataclass
class Load:
    """Attributes:
    outcomes: How often calls ended so: `200`, `429`, `left`, `broken stream`, …
    faults: What must not be: answers of 500 from the gateway itself, connections it broke.
    """

    url: str
    upstream: str
    admin_key: str
    http: httpx.AsyncClient
    callers: int
    changes: float
    """Keys that are replaced by others, a second."""
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    keys: list[tuple[str, str]] = field(default_factory=list)

    async def set_up(self) -> None:
        openai = {"provider": "openai", "base_url": f"{self.upstream}/v1", "api_key": "sk-none-1"}
        claude = {"provider": "anthropic", "base_url": self.upstream, "api_key": "sk-none-2"}
        hasty = {"timeout": 1, "stream_timeout": 1}
        for name, where, params in (
            ("steady", openai, {"model": "openai/gpt-4o"}),
            ("flaky", openai, {"model": "openai/flaky-1", **hasty}),
            ("flaky", openai, {"model": "openai/flaky-2", **hasty}),
            ("vectors", openai, {"model": "openai/text-embedding-3-small"}),
            ("openai/*", openai, {"model": "openai/*"}),
            ("claude", claude, {"model": "anthropic/claude-sonnet-4-5"}),
        ):
            await self._manage(
                "POST", "/models", {"model_name": name, **where, "litellm_params": params}
            )
        fallbacks = {"fallbacks": {"flaky": ["steady"]}, "retry_after": 0.01}
        await self._manage("PATCH", "/settings", fallbacks)
        for _ in range(_KEYS):
            await self._new_key()

    async def run(self, until: float) -> None:
        """Until this moment, by `time.monotonic`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.callers):
                group.create_task(self._repeat(self._call, until, 0.0))
            if self.changes:
                group.create_task(self._repeat(self._change, until, 1 / self.changes))
            group.create_task(self._repeat(self._report, until, 5.0))

    async def _repeat(
        self, work: Callable[[], Awaitable[None]], until: float, pause: float
    ) -> None:
        while time.monotonic() < until:
            try:
                await work()
            except httpx.HTTPError as error:
                self.faults[type(error).__name__] += 1
            await asyncio.sleep(pause)

    async def _call(self) -> None:
        weights = [weight for weight, *_ in _CALLS]
        _, path, body, streamable = random.choices(_CALLS, weights)[0]
        streams = streamable and random.random() < 0.5
        _, key = random.choice(self.keys)
        if random.random() < 0.01:
            key = "sk-nobody-has-this-one-0123456789"
        leaves = random.random() < 0.05
        given = body | ({"stream": True} if streams else {})
        headers = {"authorization": f"Bearer {key}"}
        try:
            async with asyncio.timeout(random.uniform(0.0, 0.2) if leaves else 30):
                await self._take(path, given, headers)
        except TimeoutError:
            self.outcomes["left"] += 1
            if not leaves:
                self.faults["no answer in 30 s"] += 1

    async def _take(self, path: str, body: Json, headers: dict[str, str]) -> None:
        async with self.http.stream("POST", self.url + path, json=body, headers=headers) as got:
            text = (await got.aread()).decode()
            broken = body.get("stream") and got.status_code == 200 and '"error"' in text
            self.outcomes["broken stream" if broken else str(got.status_code)] += 1
            if got.status_code == 500 and "inside the gateway" in text:
                self.faults["500 of its own"] += 1

    async def _change(self) -> None:
        """A key comes, another goes; now and then a model is changed."""
        await self._new_key()
        key_id, _ = self.keys.pop(0)
        await self._manage("DELETE", f"/keys/{key_id}")
        if random.random() < 0.1:
            seen = {"model_info": {"seen": time.time_ns()}}
            await self._manage("PATCH", "/models/vectors", seen)

    async def _report(self) -> None:
        await self._manage("GET", "/usage")
        await self._manage("GET", "/usage/requests?limit=20")

    async def _new_key(self) -> None:
        made = await self._manage("POST", "/keys", {"label": "soak", "max_budget": 100})
        self.keys.append((made["id"], made["key"]))

    async def _manage(self, method: str, path: str, body: Json | None = None) -> Json:
        headers = {"authorization": f"Bearer {self.admin_key}"}
        address = f"{self.url}/api/v1/gateway{path}"
        answer = await self.http.request(method, address, json=body, headers=headers)
        answer.raise_for_status()
        managed: Json = answer.json()
        return managed
