"""`gateway serve`: run the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.logs import Format, configuration, log_fast
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
    log_format: Annotated[Format, typer.Option(help="Lines of text, or of JSON.")] = "text",
) -> None:
    """Run the gateway until it is stopped; running streams may finish first."""
    from gateway.commands.config import apply_file

    if config is not None:
        apply_file(context, config)
    settings: Settings = context.obj
    log_fast()
    import uvicorn

    from gateway.app import create_app

    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        timeout_graceful_shutdown=shutdown_timeout,
        **server_options(log_level, log_format),
    )


def server_options(log_level: str, log_format: Format = "text") -> dict[str, Any]:
    """How every uvicorn of ours runs."""
    return {
        "access_log": False,  # gateway.access knows the request's id
        "log_config": configuration(log_level, log_format),
        "server_header": False,
        "http": "gateway.http.protocol:BoundedProtocol",
        "ws": "none",
        # Nobody is trusted to say who the client is.
        "proxy_headers": False,
        "lifespan": "on",
    }
