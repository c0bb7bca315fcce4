"""The gateway with a look inside: prints what it holds, a JSON line every few seconds.

Run by the soak as a process of its own: `python -m benchmarks.soak.served PORT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from gateway.app import create_app
from gateway.commands.serve import server_options, share_heap
from gateway.settings import Settings

SAMPLE_SECONDS = 3.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    share_heap()
    app = create_app(Settings.from_env(os.environ))
    inner = app.router.lifespan_context
    app.router.lifespan_context = lambda app: _watched(app, inner)
    uvicorn.run(app, port=int(sys.argv[1]), **server_options("error"))


@contextlib.asynccontextmanager
async def _watched(app: Starlette, inner: object) -> AsyncIterator[None]:
    async with inner(app):  # type: ignore[operator]
        sampling = asyncio.create_task(_sample())
        try:
            yield
        finally:
            sampling.cancel()


async def _sample() -> None:
    while True:
        # What only waits for the collector is no leak.
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        sample = {
            "at": time.time(),
            "resident": resident,
            # What Python's allocator has given out: resident memory keeps what the busiest moment
            # ever took, and a leak shows here.
            "blocks": sys.getallocatedblocks(),
            "files": len(os.listdir("/proc/self/fd")),
            "tasks": len(asyncio.all_tasks()),
        }
        print(json.dumps(sample), flush=True)
        await asyncio.sleep(SAMPLE_SECONDS)


if __name__ == "__main__":
    main()
