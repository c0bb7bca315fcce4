"""The servers that are measured: how each is started and called.

Each gets the least environment it runs with, so that no setting of this machine's reaches it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.peers.canned import MODEL

ROOT = Path(__file__).parents[2]
# In results, in the place of a server's name: the upstream itself.
STRAIGHT = "straight"
# LiteLLM refuses a weak one.
_KEY = "sk-benchmark-0123456789abcdef0123456789abcdef"
_PROVIDER_KEY = "sk-none-0123456789abcdef"
_PRICES = {"input_cost_per_token": 2.5e-6, "output_cost_per_token": 1e-5}
_PLENTY = 10**9


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs.

    Attributes:
        peers: The folder of the peers' environments.
        directory: What it may write into, and is started in; empty at first.
        port: Where it is to listen, on 127.0.0.1.
        upstream: Its provider's base URL, which ends in `/v1`.
    """

    peers: Path
    directory: Path
    port: int
    upstream: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def file(self, name: str, content: Mapping[str, Any]) -> str:
        """Write JSON, which is YAML too; the file's path."""
        path = self.directory / name
        path.write_text(json.dumps(content))
        return str(path)


@dataclass(frozen=True, slots=True)
class Started:
    """A command and its environment, besides `PATH` and the like."""

    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Server:
    """Attributes:
    name: In options and results.
    title: In tables.
    about: What it does and does not do while it is measured.
    ready: The path that answers 200 once it can be called; None if it can as soon as it listens.
    prepare: Once it is ready; the headers of a call.
    """

    name: str
    title: str
    about: str
    start: Callable[[Place], Started]
    prepare: Callable[[Place], dict[str, str]]
    ready: str | None = None
    model: str = MODEL


def environ(place: Place, started: Started) -> dict[str, str]:
    """All of a server's environment variables."""
    common = {"PATH": os.environ["PATH"], "HOME": str(place.directory), "LANG": "C.UTF-8"}
    return common | started.environ


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _post(url: str, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = httpx.post(url, json=body, headers=_bearer(key), timeout=30)
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    return made


def _no_preparation(_: Place) -> dict[str, str]:
    return _bearer(_KEY)


def _start_bare(kind: str) -> Callable[[Place], Started]:
    def start(place: Place) -> Started:
        module = [sys.executable, "-m", "benchmarks.peers.bare", kind]
        path = {"PYTHONPATH": str(ROOT), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        return Started([*module, str(place.port), place.upstream], path)

    return start


def _start_ours(place: Place) -> Started:
    command = [sys.executable, "-m", "gateway", "serve", "--log-level", "error"]
    settings = {
        "PYTHONPATH": str(ROOT),
        "GATEWAY_DATABASE_URL": f"sqlite:///{place.directory}/gateway.db",
        "GATEWAY_ADMIN_KEY": _KEY,
    }
    return Started([*command, "--port", str(place.port), "--shutdown-timeout", "1"], settings)


def _prepare_ours(lane: str) -> Callable[[Place], dict[str, str]]:
    def prepare(place: Place) -> dict[str, str]:
        admin = f"{place.url}/api/v1/gateway"
        model = {
            "model_name": MODEL,
            "provider": "openai",
            "base_url": place.upstream,
            "api_key": _PROVIDER_KEY,
            "litellm_params": {"model": f"openai/{MODEL}", "lane": lane, **_PRICES},
        }
        _post(f"{admin}/models", _KEY, model)
        limits = {"rpm_limit": _PLENTY, "tpm_limit": 10**12, "max_budget": 10**6}
        made = _post(
            f"{admin}/keys", _KEY, {"label": "benchmark", "budget_duration": "1d"} | limits
        )
        return _bearer(made["key"])

    return prepare


def _start_litellm(place: Place) -> Started:
    provider = {"api_base": place.upstream, "api_key": _PROVIDER_KEY}
    model = {"model_name": MODEL, "litellm_params": {"model": f"openai/{MODEL}", **provider}}
    config = place.file("config.yaml", {"model_list": [model]})
    command = [str(place.peers / "litellm_proxy/bin/litellm"), "--config", config]
    where = ["--host", "127.0.0.1", "--port", str(place.port), "--num_workers", "1"]
    settings = {
        "LITELLM_MASTER_KEY": _KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
    }
    return Started([*command, *where], settings)


def _start_portkey(place: Place) -> Started:
    script = place.peers / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    preload = Path(__file__).with_name("loopback.mjs").as_uri()
    command = ["node", "--import", preload, str(script), f"--port={place.port}", "--headless"]
    return Started(command, {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"})


def _prepare_portkey(place: Place) -> dict[str, str]:
    choice = {"x-portkey-provider": "openai", "x-portkey-custom-host": place.upstream}
    return _bearer(_PROVIDER_KEY) | choice


def _start_ferro(place: Place) -> Started:
    target = {"strategy": {"mode": "single"}, "targets": [{"virtual_key": "openai"}]}
    settings = {
        "GATEWAY_CONFIG": place.file("config.json", target),
        "HOST": "127.0.0.1",
        "PORT": str(place.port),
        "MASTER_KEY": _KEY,
        "OPENAI_API_KEY": _PROVIDER_KEY,
        "OPENAI_BASE_URL": place.upstream,
        "API_KEY_STORE_BACKEND": "sqlite",
        "API_KEY_STORE_DSN": str(place.directory / "keys.db"),
        "RATE_LIMIT_RPS": "1000000",
        "RATE_LIMIT_BURST": "1000000",
        "LOG_LEVEL": "error",
        "FERRO_MODEL_CATALOG_TIMEOUT": "0",
    }
    return Started([str(place.peers / "ferro/bin/ferrogw"), "serve"], settings)


def _start_any_llm(place: Place) -> Started:
    price = {"input_price_per_million": 2.5, "output_price_per_million": 10}
    config = {
        "database_url": f"sqlite:///{place.directory}/gateway.db",
        "master_key": _KEY,
        "bootstrap_api_key": False,
        "rate_limit_rpm": _PLENTY,
        "providers": {"openai": {"api_key": _PROVIDER_KEY, "api_base": place.upstream}},
        "pricing": {f"openai:{MODEL}": price},
    }
    command = [str(place.peers / "any_llm/bin/any-llm-gateway"), "serve", "--host", "127.0.0.1"]
    file = place.file("config.yaml", config)
    return Started([*command, "--port", str(place.port), "--config", file, "--log-level", "40"])


def _prepare_any_llm(place: Place) -> dict[str, str]:
    made = _post(f"{place.url}/v1/keys", _KEY, {"key_name": "benchmark"})
    return _bearer(made["key"])


_GOVERNED = "a key with limits and a budget, a priced model, the ledger in SQLite"
SERVERS = [
    Server(
        "forwarder",
        "bare forwarder",
        "Starlette, uvicorn, aiohttp: bytes on and back, nothing else",
        _start_bare("forwarder"),
        _no_preparation,
    ),
    Server(
        "acompletion",
        "bare `acompletion`",
        "Starlette, uvicorn, `litellm.acompletion`, nothing else",
        _start_bare("acompletion"),
        _no_preparation,
    ),
    Server(
        "direct",
        "**this gateway, direct lane**",
        _GOVERNED,
        _start_ours,
        _prepare_ours("direct"),
        "/health/readiness",
    ),
    Server(
        "litellm",
        "**this gateway, litellm lane**",
        _GOVERNED,
        _start_ours,
        _prepare_ours("litellm"),
        "/health/readiness",
    ),
    Server(
        "litellm_proxy",
        "LiteLLM's proxy",
        "its master key, no database: no keys, budgets or ledger; logs errors only",
        _start_litellm,
        _no_preparation,
        "/health/readiness",
    ),
    Server(
        "portkey",
        "Portkey's gateway",
        "Node, with the newest @hono/node-server that its streams work with; no keys, limits, "
        "budgets or ledger of its own",
        _start_portkey,
        _prepare_portkey,
        "/",
    ),
    Server(
        "ferro",
        "Ferro",
        "Go, on all cores; keys in SQLite, its rate limit out of reach, no request log, no budgets",
        _start_ferro,
        _no_preparation,
        "/health",
    ),
    Server(
        "any_llm",
        "any-llm-gateway",
        "a key, its rate limit out of reach, a priced model, usage in SQLite; beyond 15 calls at "
        "once it blocks on its pool of database connections, and answers 500 or nothing",
        _start_any_llm,
        _prepare_any_llm,
        "/health/readiness",
        model=f"openai:{MODEL}",
    ),
]
