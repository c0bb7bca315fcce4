"""Two gateways behind nginx, as docs/deploy says, restarted one after the other under load."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.settings import Settings
from tests.conftest import ADMIN_KEY
from tests.processes import ROOT, free_port, serve_at, variables
from tests.redises import RedisServer
from tests.servers import FakeProvider, Json, answer, chunks, completion, http_client

CLIENTS = 12
SHIPPED = ROOT / "docs" / "deploy" / "nginx.conf"
AROUND = """
daemon off;
# A process with its own user's rights.
master_process off;
error_log stderr warn;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .;
    uwsgi_temp_path .; scgi_temp_path .;
    include {shipped};
}}
"""


def nginx_program() -> str:
    """Debian has it where only root looks; skips where there is none."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("needs nginx (Debian's nginx-light)")
    return found


def certificate(directory: Path) -> None:
    """For the shipped configuration's own name, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (directory / "gateway.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "gateway.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def configure(directory: Path, port: int, nodes: tuple[int, int]) -> Path:
    """The shipped configuration, but for its ports and where its certificate is."""
    text = SHIPPED.read_text()
    for shipped, ours in {
        "/etc/nginx/tls": str(directory),
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:4001": f"127.0.0.1:{nodes[0]}",
        "127.0.0.1:4002": f"127.0.0.1:{nodes[1]}",
    }.items():
        assert text.count(shipped) >= 1, shipped
        text = text.replace(shipped, ours)
    certificate(directory)
    (directory / "gateway.conf").write_text(text)
    path = directory / "nginx.conf"
    path.write_text(AROUND.format(shipped=directory / "gateway.conf"))
    return path


@contextlib.asynccontextmanager
async def nginx(directory: Path, nodes: tuple[int, int]) -> AsyncIterator[tuple[str, list[str]]]:
    """Its URL, and what it says of errors."""
    directory.mkdir()
    port = free_port()
    path = configure(directory, port, nodes)
    process = await asyncio.create_subprocess_exec(
        *(nginx_program(), "-p", str(directory), "-c", str(path), "-e", "stderr"),
        stderr=asyncio.subprocess.PIPE,
    )
    said: list[str] = []

    async def read() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            said.append(line.decode().rstrip())  # noqa: PERF401 - as they come

    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                assert process.returncode is None, said
                await asyncio.sleep(0.02)
        yield f"https://127.0.0.1:{port}", said
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def plain_or_streamed(request: Request) -> Response:
    if not (await request.json())["stream"]:
        await asyncio.sleep(0.05)
        return answer(completion("Hello from the fake provider."))

    async def events() -> AsyncIterator[bytes]:
        for event in chunks():
            yield b"data: " + orjson.dumps(event) + b"\n\n"
            await asyncio.sleep(0.02)
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


class Load:
    """Clients that call one after the other, plain and streamed, until they are told to stop."""

    def __init__(self, url: str, key: str) -> None:
        self.got: Counter[str] = Counter()
        self._url = url
        self._key = key
        self._over = False

    @contextlib.asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        # The certificate is nobody's.
        async with httpx.AsyncClient(timeout=60, verify=False) as http, asyncio.TaskGroup() as all_:
            for number in range(CLIENTS):
                all_.create_task(self._client(http, stream=number % 2 == 0))
            try:
                yield
            finally:
                self._over = True

    async def until(self, more: int) -> None:
        """Wait until so many more calls have ended."""
        wanted = self.got.total() + more
        async with asyncio.timeout(60):
            while self.got.total() < wanted:
                await asyncio.sleep(0.02)

    async def _client(self, http: httpx.AsyncClient, stream: bool) -> None:
        messages = [{"role": "user", "content": "hello"}]
        body: Json = {"model": "gpt", "stream": stream, "messages": messages}
        url = f"{self._url}/v1/chat/completions"
        headers = {"authorization": f"Bearer {self._key}"}
        end = "data: [DONE]\n\n" if stream else "}"
        while not self._over:
            try:
                got = await http.post(url, json=body, headers=headers)
            except httpx.HTTPError as error:
                self.got[repr(error)] += 1
                continue
            whole = got.status_code == 200 and got.text.endswith(end)
            self.got["whole" if whole else f"{got.status_code}: {got.text[:300]}"] += 1


@contextlib.asynccontextmanager
async def two_nodes(
    directory: Path, ports: tuple[int, int], settings: dict[str, str]
) -> AsyncIterator[list[AsyncExitStack]]:
    """Each ends with its stack."""
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        # By turns: the first makes the database.
        for port, stack in zip(ports, (first, second), strict=True):
            await stack.enter_async_context(serve_at(port, directory, **settings))
        yield [first, second]


async def set_up(nodes: list[str], provider: FakeProvider) -> str:
    """Have a model known to all nodes; returns a key to call it with."""
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    model = {"model_name": "gpt", "provider": "openai", "api_key": "sk-upstream"}
    params = {"model": "gpt-4o", "lane": "direct"}
    body = model | {"base_url": f"{provider.url}/v1", "litellm_params": params}
    async with http_client() as http:
        api = f"{nodes[0]}/api/v1/gateway"
        got = await http.post(f"{api}/models", json=body, headers=admin)
        assert got.status_code == 201, got.text
        issued = await http.post(f"{api}/keys", json={"rpm_limit": 10**6}, headers=admin)
        async with asyncio.timeout(10):
            while "gpt" not in (await http.get(f"{nodes[1]}/v1/models", headers=admin)).text:
                await asyncio.sleep(0.02)
    return str(issued.json()["key"])


async def until_ready(node: str) -> None:
    async with http_client() as http, asyncio.timeout(60):
        while (await http.get(f"{node}/health/readiness")).status_code != 200:
            await asyncio.sleep(0.05)


async def test_no_call_fails_while_nodes_are_restarted(
    settings: Settings, tmp_path: Path, provider: FakeProvider, redis_server: RedisServer
) -> None:
    provider.behaviour = plain_or_streamed
    ports = free_port(), free_port()
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    told = variables(settings) | {
        "GATEWAY_ADMIN_KEY": ADMIN_KEY,
        "GATEWAY_REDIS_URL": redis_server.url,
    }
    async with (
        nginx(tmp_path / "nginx", ports) as (proxy, said),
        two_nodes(tmp_path, ports, told) as nodes,
    ):
        load = Load(proxy, await set_up(urls, provider))
        async with load.kept_up():
            await load.until(more=100)
            for number, node in enumerate(nodes):
                await node.aclose()
                await load.until(more=50)
                again = serve_at(ports[number], tmp_path, **told)
                await node.enter_async_context(again)
                await until_ready(urls[number])
                await load.until(more=100)
    assert set(load.got) == {"whole"}, said
    # Both have been away, and neither went with a call that it had taken.
    assert all(any(f"127.0.0.1:{port}/" in line for line in said) for port in ports)
    assert [line for line in said if "connect() failed" not in line and "[error]" in line] == []
