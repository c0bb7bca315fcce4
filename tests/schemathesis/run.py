"""Runs schemathesis against two gateways at once; `scripts/test-api` makes its environment first.

Usage: python -m tests.schemathesis.run SCHEMATHESIS [calls|management] [OPTION …]

At one it tries all that calls models; these stay as they are. At the other it tries the
management, and nothing calls the models that it registers there. It can do no harm to its own key,
the one admin key there is: that of GATEWAY_ADMIN_KEY cannot be rotated, and the last one not be
revoked, blocked or given an end. All of it stays on this host: whatever else the gateways would
connect to or look up is refused.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.app import create_app
from gateway.http.openapi.description import TAGS
from gateway.records import Operation
from gateway.settings import Settings
from tests import calls, media
from tests.servers import FakeProvider, Gateway, answer, http_client, serving

CONFIG = Path(__file__).with_name("schemathesis.toml")
ADMIN_KEY = "sk-admin-0123456789abcdef"
# By tag. To see whether models are healthy, or good, is to call them.
CALLS: Set[str] = {"calls", "evals", "health"}
RUNS = {"calls": CALLS, "management": TAGS.keys() - CALLS}
_LOOPBACK = ("127.0.0.1", "localhost")


async def main(schemathesis: str, wanted: Sequence[str], options: Sequence[str]) -> int:
    """The highest exit code of these runs, each at a gateway of its own."""
    async with AsyncExitStack() as stack:
        # One after the other: migrations of two databases would get into each other's way.
        urls = [await stack.enter_async_context(_gateway()) for _ in wanted]
        runs = [
            _run(schemathesis, url, [*_tags(RUNS[name]), *options])
            for name, url in zip(wanted, urls, strict=True)
        ]
        return max(await asyncio.gather(*runs))


def _tags(wanted: Set[str]) -> list[str]:
    # To include them would take away from what the caller's own options mean.
    return [f"--exclude-tag={tag}" for tag in sorted(TAGS.keys() - wanted)]


@asynccontextmanager
async def _gateway() -> AsyncIterator[str]:
    """The URL of a gateway with a model of any name, at a provider that always answers."""
    provider = FakeProvider(behaviour=_answer)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/gateway.db", admin_key=ADMIN_KEY)
        app = create_app(settings)
        async with (
            serving(provider.app()) as provider.url,
            serving(app) as url,
            http_client() as http,
        ):
            await app.state.services.lane.wait()
            gateway = Gateway(url, ADMIN_KEY, provider, app, http)
            await gateway.add_model("*", litellm_params={"model": "openai/gpt-4o-mini"})
            await gateway.add_model("rerank-v3.5", **media.at(Operation.RERANK, provider.url))
            # A call may have parameters of other providers.
            await gateway.manage("PATCH", "/settings", {"drop_params": True})
            yield url


async def _run(schemathesis: str, url: str, options: Sequence[str]) -> int:
    header = f"--header=Authorization: Bearer {ADMIN_KEY}"
    command = [schemathesis, f"--config-file={CONFIG}", "run", f"{url}/openapi.json", header]
    process = await asyncio.create_subprocess_exec(
        *command, *options, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    # Whole, as the other run has things to tell too.
    print(told.decode(), flush=True)
    return process.returncode or 0


async def _answer(request: Request) -> Response:
    """What a provider answers, by the route that it was asked at."""
    path, raw = request.url.path, await request.body()
    if f"{Operation.RESPONSES}/" in path:
        # One that is stored.
        if path.endswith("/input_items"):
            return answer({"object": "list", "data": []})
        return answer(calls.whole(Operation.RESPONSES, deleted=True))
    operation = next(each for each in sorted(Operation, key=len)[::-1] if path.endswith(each))
    if operation in media.MODELS:
        return media.whole(operation)
    if raw.startswith(b"{") and orjson.loads(raw).get("stream"):
        frames = [calls.frame(piece) for piece in calls.streamed(operation)]
        if operation in (Operation.CHAT, Operation.COMPLETION):
            frames.append(b"data: [DONE]\n\n")
        return StreamingResponse(iter(frames), media_type="text/event-stream")
    return answer(calls.whole(operation))


def _stay_here(event: str, args: tuple[object, ...]) -> None:
    """An audit hook. Raises ConnectionRefusedError for any other host."""
    match event, args:
        case "socket.connect", (_, (host, *_)):
            pass
        case (("socket.getaddrinfo" | "socket.gethostbyname"), (host, *_)):
            pass
        case _:
            return
    if host not in _LOOPBACK:
        raise ConnectionRefusedError(f"{host} is another host")


if __name__ == "__main__":
    # What litellm says of odd calls would be most of the output.
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    sys.addaudithook(_stay_here)
    program, *rest = sys.argv[1:]
    some = rest[:1] if rest and rest[0] in RUNS else []
    sys.exit(asyncio.run(main(program, some or list(RUNS), rest[len(some) :])))
