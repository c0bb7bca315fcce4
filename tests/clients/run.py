"""Runs clients' tests at one gateway and one fake provider; `scripts/test-clients` makes their
environments first.

Usage: python -m tests.clients.run ENVIRONMENTS [CLIENT …]
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx

from tests.clients.upstream import create_app
from tests.processes import serve
from tests.servers import serving

HERE = Path(__file__).parent
ADMIN_KEY = "sk-admin-0123456789abcdef"
_SECONDS = 300


@dataclass(frozen=True)
class Client:
    """A package, and the tests of it: a file in the folder of its environment's lock."""

    name: str
    package: str
    tests: str

    @property
    def folder(self) -> Path:
        return (HERE / self.tests).parent

    @property
    def version(self) -> str:
        """As the environment's lock has it."""
        python, node = self.folder / "requirements.txt", self.folder / "package.json"
        if python.exists():
            found = re.search(rf"^{self.package}==(\S+)", python.read_text(), re.MULTILINE)
            return found[1] if found else ""
        if node.exists():
            return str(json.loads(node.read_text())["dependencies"][self.package])
        return version(self.package)

    def command(self, environments: Path) -> list[str]:
        tests = str(HERE / self.tests)
        if tests.endswith(".js"):
            return ["node", "--test", "--test-reporter=spec", tests]
        own = environments / self.folder.name / "bin" / "python"
        # The gateway's environment has litellm, and what it takes to start a command.
        python = str(own.absolute()) if own.exists() else sys.executable
        return [python, "-m", "pytest", tests]


# The longest first, so that none is left to run alone.
CLIENTS = (
    Client("langchain", "langchain-openai", "langchain/test_chat_openai.py"),
    Client("llama-index", "llama-index-llms-openai-like", "llama_index/test_openai_like.py"),
    Client("litellm", "litellm", "litellm_proxy/test_litellm_proxy.py"),
    Client("openai", "openai", "sdks/test_openai.py"),
    Client("anthropic", "anthropic", "sdks/test_anthropic.py"),
    Client("pydantic-ai", "pydantic-ai-slim", "sdks/test_pydantic_ai.py"),
    Client("llm", "llm", "sdks/test_llm.py"),
    Client("instructor", "instructor", "instructor/test_instructor.py"),
    Client("openai-node", "openai", "node/openai.test.js"),
    Client("ai-sdk", "@ai-sdk/openai-compatible", "node/ai_sdk.test.js"),
    Client("codex", "@openai/codex", "codex/test_codex.py"),
)


async def main(environments: Path, wanted: Sequence[str]) -> int:
    unknown = set(wanted) - {client.name for client in CLIENTS}
    if unknown:
        names = ", ".join(client.name for client in CLIENTS)
        print(f"No such client: {', '.join(sorted(unknown))}. There are {names}", file=sys.stderr)
        return 2
    clients = [client for client in CLIENTS if not wanted or client.name in wanted]
    with tempfile.TemporaryDirectory(prefix="gateway-clients-") as temporary:
        directory = Path(temporary)
        async with serving(create_app()) as upstream:
            variables = {
                "GATEWAY_ADMIN_KEY": ADMIN_KEY,
                "UPSTREAM": upstream,
                "UPSTREAM_V1": f"{upstream}/v1",
                "UPSTREAM_KEY": "sk-upstream-0123456789",
            }
            config = str(HERE / "gateway.yaml")
            async with serve(directory, "--config", config, **variables) as server:
                given = await _environment(server.url, directory)
                at_once = asyncio.Semaphore(os.cpu_count() or 1)
                ended = await asyncio.gather(
                    *(_run(client, environments, given, at_once) for client in clients)
                )
    failed = ended.count(False)
    faults = [line for line in server.log if " ERROR " in line or line.startswith("Traceback")]
    if faults:
        print("The gateway's log:", *server.log, sep="\n")
    print(f"{len(ended) - failed} passed, {failed} failed")
    return 1 if failed or faults else 0


async def _environment(url: str, directory: Path) -> dict[str, str]:
    """What clients get to see: the gateway, a key, and none of this machine's accounts."""
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=url, timeout=60, headers=admin) as http:
        while (await http.get("/health/readiness")).status_code != httpx.codes.OK:
            await asyncio.sleep(0.1)
        key, revoked = [await _issue_key(http, label) for label in ("clients", "revoked")]
        (await http.delete(f"/api/v1/gateway/keys/{revoked['id']}")).raise_for_status()
    # Nobody listens there: a client that asks anyone but the gateway does so in vain.
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "GATEWAY_URL": url,
        "GATEWAY_KEY": key["key"],
        # Refused like a wrong one; but of wrong ones, one address may try only a few a minute.
        "GATEWAY_REVOKED_KEY": revoked["key"],
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


async def _issue_key(http: httpx.AsyncClient, label: str) -> dict[str, str]:
    response = await http.post("/api/v1/gateway/keys", json={"label": label})
    response.raise_for_status()
    issued: dict[str, str] = response.json()
    return issued


async def _run(
    client: Client, environments: Path, given: Mapping[str, str], at_once: asyncio.Semaphore
) -> bool:
    async with at_once:
        started = time.monotonic()
        log = Path(given["HOME"]) / f"{client.name}.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *client.command(environments),
                env=given,
                cwd=given["HOME"],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                async with asyncio.timeout(_SECONDS):
                    ok = await process.wait() == 0
            except TimeoutError:
                process.kill()
                ok = await process.wait() == 0
                out.write(f"\nStopped after {_SECONDS} s\n".encode())
    output = log.read_text(errors="replace")
    named = f"{client.name} {client.version}"
    seconds = time.monotonic() - started
    print(f"{'ok' if ok else 'FAILED':<6} {named:<22} {seconds:4.0f} s  {_counts(output)}")
    print("" if ok else output, end="", flush=True)
    return ok


def _counts(output: str) -> str:
    """What pytest or Node's runner says at its end."""
    node = dict(re.findall(r"^ℹ (pass|fail|skipped) (\d+)$", output, re.MULTILINE))
    if node:
        return f"{node['pass']} passed, {node['fail']} failed, {node['skipped']} skipped"
    pytest = re.findall(
        r"^(\d+ (?:passed|failed).*?)(?:, \d+ warnings?)? in [\d.]+s", output, re.MULTILINE
    )
    return pytest[-1] if pytest else ""


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2:])))
