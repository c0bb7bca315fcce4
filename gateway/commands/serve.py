"""`gateway serve`: run the gateway."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.settings import Settings

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")]
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
    log_level: LogLevel = "info",
) -> None:
    """Run the gateway until it is stopped; running streams may finish first."""
    from gateway.commands.config import apply_file

    if config is not None:
        apply_file(context, config)
    settings: Settings = context.obj
    _log_fast()
    import uvicorn

    from gateway.app import create_app

    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        timeout_graceful_shutdown=shutdown_timeout,
        **server_options(log_level),
    )


def server_options(log_level: str) -> dict[str, Any]:
    """How every uvicorn of ours runs."""
    return {
        "access_log": False,  # gateway.access knows the request's id
        "log_config": _logging(log_level.upper()),
        "server_header": False,
        "http": "gateway.http.protocol:BoundedProtocol",
        "ws": "none",
        # Nobody is trusted to say who the client is.
        "proxy_headers": False,
        "lifespan": "on",
    }


def _log_fast() -> None:
    """Leave out of log records what no line of ours tells.

    https://docs.python.org/3/howto/logging.html#optimization
    """
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, name, False)
    logging._srcfile = None


def _logging(level: str) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"gateway": {"level": level}, "uvicorn": {"level": level}},
    }
