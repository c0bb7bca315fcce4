"""`gateway serve`: run the gateway."""

from __future__ import annotations

import asyncio
import ctypes
import json
import multiprocessing
import os
import signal
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.logs import Format, configuration, log_fast
from gateway.settings import Settings, SettingsError, Start

if TYPE_CHECKING:
    from starlette.types import ASGIApp

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")]
_START = "GATEWAY_START"
"""In the environment of workers: a `Start`, as JSON."""
IDLE_SECONDS = 75
"""What a connection that nothing comes over is kept for: longer than clients and proxies keep
theirs (httpx 5 s, load balancers 60 s), or they would now and then call over one that is just being
closed."""
_M_ARENA_MAX = -8  # of glibc's malloc.h
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]


def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 4000,
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Apply this YAML file first (`gateway config apply`)."
        ),
    ] = None,
    shutdown_timeout: Annotated[
        int, typer.Option(min=0, help="Seconds that running calls get to finish on shutdown.")
    ] = 60,
    workers: Annotated[
        int,
        typer.Option(
            min=1, help="Processes that serve; several count together in Redis, GATEWAY_REDIS_URL."
        ),
    ] = 1,
    log_level: LogLevel = "info",
    log_format: Annotated[Format, typer.Option(help="Lines of text, or of JSON.")] = "text",
) -> None:
    """Run the gateway until it is stopped; running streams may finish first."""
    from gateway.commands.config import apply_file

    share_heap()
    settings: Settings = context.obj
    _check_counters(settings, workers)
    start = Start(workers=workers)
    if config is not None:
        changes = apply_file(context, config)
        ruled = tuple(change.name for change in changes if change.kind == "setting")
        start = replace(start, config_file=str(config), file_settings=ruled)
    options = server_options(log_level, log_format) | {
        "host": host,
        "port": port,
        "timeout_graceful_shutdown": shutdown_timeout,
    }
    import uvicorn

    from gateway.app import create_app, prepare
    from gateway.http.server import run

    if workers == 1:
        log_fast()
        run(uvicorn.Config(create_app(replace(settings, start=start)), **options))
        return
    # Once, or each of them would make a key of its own at the first start.
    asyncio.run(prepare(settings))
    # Where they look for what was an option.
    os.environ["GATEWAY_DATABASE_URL"] = settings.database_url
    os.environ[_START] = json.dumps(asdict(start))
    with tempfile.TemporaryDirectory(prefix="gateway-metrics-") as directory:
        # Where they count for Prometheus, so that each can tell of all.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        app = "gateway.commands.serve:worker"
        run(uvicorn.Config(app, factory=True, workers=workers, **options))


def worker() -> ASGIApp:
    """The app of one of several processes."""
    from gateway.app import create_app

    share_heap()
    log_fast()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start = Start(**json.loads(os.environ[_START]))
    return create_app(replace(Settings.from_env(os.environ), start=start))


def _end_with_parent() -> None:
    """Stop where the process is gone that would stop this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _check_counters(settings: Settings, workers: int) -> None:
    """Raises SettingsError."""
    if settings.redis_url is not None:
        from gateway.shared import check_installed

        check_installed()
    elif workers > 1:
        raise SettingsError(
            f"--workers {workers} needs GATEWAY_REDIS_URL (redis://HOST:6379/0): without it each "
            "process counts by itself, and a limit or budget would allow up to "
            f"{workers} times as much"
        )


def share_heap() -> None:
    """Have all threads of the process take memory from one heap, where the C library is glibc.

    To be called before there are any. It would give each a heap of its own, of which nothing comes
    back, and threads come and go with the database's connections: a process grew by them for hours.
    """
    with suppress(AttributeError):
        # Other libraries have neither such heaps nor this.
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def server_options(log_level: str, log_format: Format = "text") -> dict[str, Any]:
    """How every uvicorn of ours runs."""
    return {
        "access_log": False,  # gateway.access knows the request's id
        "log_config": configuration(log_level, log_format),
        "server_header": False,
        "http": "gateway.http.protocol:BoundedProtocol",
        "timeout_keep_alive": IDLE_SECONDS,
        "ws": "none",
        # Nobody is trusted to say who the client is.
        "proxy_headers": False,
        "lifespan": "on",
    }
