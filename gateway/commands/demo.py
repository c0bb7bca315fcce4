"""`gateway demo`: a gateway to try, with a model that echoes and a key to call it with."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.serve import Host, LogLevel, Port, server_options

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

    from gateway.settings import Settings

MODEL = "echo"
ECHO_PATH = "/echo-provider"


def demo(
    host: Host = "127.0.0.1",
    port: Port = 4000,
    directory: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Keep the database here; without, it goes when the demo ends."
        ),
    ] = None,
    log_level: LogLevel = "warning",
) -> None:
    """Serve a gateway with an echo model and a key, and print how to call it.

    No provider account is needed: the echo provider is a part of the demo.
    """
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(_run(host, port, directory, log_level))
        return
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as temporary:
        asyncio.run(_run(host, port, Path(temporary), log_level))


async def _run(host: str, port: int, directory: Path, log_level: str) -> None:
    import uvicorn

    from gateway.app import create_app
    from gateway.commands import echo_provider
    from gateway.settings import Settings

    settings = Settings(database_url=f"sqlite:///{directory / 'gateway.db'}")
    app = create_app(settings)
    # One server for both: the gateway calls the echo provider over HTTP all the same.
    app.mount(ECHO_PATH, echo_provider.create_app())
    config = uvicorn.Config(
        app, host=host, port=port, timeout_graceful_shutdown=5, **server_options(log_level)
    )
    listener = config.bind_socket()
    url = "http://{}:{}".format(*listener.getsockname())
    secret = await _seed(settings, f"{url}{ECHO_PATH}/v1")
    server = uvicorn.Server(config)
    announcing = asyncio.create_task(_announce(server, app, url, secret))
    # uvicorn ends by raising the signal that stopped it; the directory is to be cleared first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        await server.serve([listener])
    finally:
        announcing.cancel()
        await asyncio.gather(announcing, return_exceptions=True)


async def _seed(settings: Settings, echo_url: str) -> str:
    """Register the echo model afresh and issue a key; returns the key."""
    from gateway import vault
    from gateway.commands.output import operator
    from gateway.specs import key_spec, model_spec
    from gateway.store import Store

    spec = model_spec(
        {
            "model_name": MODEL,
            "provider": "openai",
            "api_key": "sk-echo",
            "base_url": echo_url,
            # Invented, so that there is something to see in the usage.
            "litellm_params": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
        }
    )
    now = int(time.time())
    secret = vault.new_key()
    by = operator()
    async with Store.open(settings) as store:
        if any(model.name == MODEL for model in await store.models.all()):
            await store.models.remove_all(MODEL, by)
        await store.models.add(spec.record(None, None, now), by)
        await store.keys.add(key_spec({"label": "demo"}).record(secret, now), by)
    return secret


async def _announce(server: uvicorn.Server, app: Starlette, url: str, secret: str) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.05)
    await app.state.services.lane.wait()
    snippets = _SNIPPETS.format(base=url, url=f"{url}/api/v1/gateway", key=secret, model=MODEL)
    print(snippets, flush=True)


_SNIPPETS = """\
The gateway is up. Its console, for a browser and with the admin key above: {base}/ui

Call it from a second terminal, with curl:

curl {url}/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

or with Python and the official client (pip install openai):

from openai import OpenAI
client = OpenAI(base_url="{url}", api_key="{key}")
stream = client.chat.completions.create(
    model="{model}", messages=[{{"role": "user", "content": "Hello, streamed!"}}], stream=True
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()

Stop it with Ctrl-C.
"""
