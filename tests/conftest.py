"""Fixtures: a running gateway, a provider that does as it is told, and a wide fake of providers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import certifi
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from gateway.app import create_app
from gateway.settings import Settings
from gateway.store import Store
from tests import postgreses, redises
from tests.postgreses import PostgresServer
from tests.redises import RedisServer
from tests.servers import FakeProvider, Gateway, http_client, serving

# As scripts/test does; a test that calls litellm before the gateway loads it must not go online.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

# On a busy machine, how long an example takes says nothing of it.
hypothesis_settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("untimed")

ADMIN_KEY = "sk-admin-0123456789abcdef"
SECRET_KEY = "c2VjcmV0LWtleS1vZi1hbGwtdGVzdHMtMzItYnl0ZXM="
HERE = Path(__file__).parent
AIMOCK = HERE / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"


@pytest.fixture(scope="session", autouse=True)
def _one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have one authority trusted: each gateway that starts reads them all, for 18 ms of CPU."""
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----")
    path = tmp_path_factory.mktemp("trusted") / "authority.pem"
    path.write_text(first + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql", "both"),
        default="sqlite",
        help="what the gateways of the tests keep their data in",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--database")
        databases = ["sqlite", "postgresql"] if chosen == "both" else [chosen]
        if metafunc.definition.get_closest_marker("sqlite"):
            # Of its file; so that nothing is left of it where it is not wanted.
            databases = [each for each in databases if each == "sqlite"]
        metafunc.parametrize("database_kind", databases, indirect=True)


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the newest schema: to copy one takes a tenth of the time."""
    path = tmp_path_factory.mktemp("migrated") / "gateway.db"
    _migrate(Settings(database_url=f"sqlite:///{path}"))
    return path


def _migrate(settings: Settings) -> None:
    async def migrate() -> None:
        async with Store.open(settings):
            pass

    # In a thread, since the tests' loop must stay this one's.
    with ThreadPoolExecutor() as pool:
        pool.submit(asyncio.run, migrate()).result()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL with a database of the newest schema, `migrated`."""
    with postgreses.running() as server:
        server.execute("CREATE DATABASE migrated")
        _migrate(Settings(database_url=server.url("migrated"), secret_key=SECRET_KEY))
        yield server


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """Where gateways keep their data: `sqlite` or `postgresql`."""
    kind: str = request.param
    return kind


@pytest.fixture
def settings(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings of a gateway with a database of its own."""
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("_migrated"), tmp_path)
        return Settings(database_url=f"sqlite:///{tmp_path}/gateway.db", admin_key=ADMIN_KEY)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.empty("migrated")
    return Settings(
        database_url=server.url("migrated"),
        data_dir=tmp_path,
        secret_key=SECRET_KEY,
        admin_key=ADMIN_KEY,
    )


def execute(settings: Settings, statement: str) -> None:
    """Run a statement in a gateway's database, past the gateway."""
    path = settings.database_path
    if path is None:
        port, _, name = settings.database_url.rpartition(":")[2].partition("/")
        PostgresServer(Path(), int(port)).execute(statement, name)
        return
    with closing(sqlite3.connect(path, timeout=20)) as opened, opened:
        opened.execute(statement)


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redises.running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    """A Redis that is empty, and the test's to do with as it likes."""
    if _redis.process is None:
        _redis.start()
    _redis.command("FLUSHALL")
    _redis.command("CONFIG", "RESETSTAT")
    return _redis


@pytest.fixture(scope="session")
async def _provider() -> AsyncIterator[FakeProvider]:
    provider = FakeProvider()
    async with serving(provider.app()) as url:
        provider.url = url
        yield provider


@pytest.fixture
def provider(_provider: FakeProvider) -> FakeProvider:
    """A provider that answers as the test says, and politely until then."""
    _provider.reset()
    return _provider


@pytest.fixture(scope="session")
def lane(request: pytest.FixtureRequest) -> str:
    """The lane of the models that tests register; with `IN_BOTH_LANES` each in turn."""
    chosen: str = getattr(request, "param", "litellm")
    return chosen


@pytest.fixture
async def gateway(settings: Settings, provider: FakeProvider, lane: str) -> AsyncIterator[Gateway]:
    """A running gateway without models, which tries each call once."""
    execute(settings, "INSERT INTO settings (name, value) VALUES ('num_retries', '0')")
    app = create_app(settings)
    async with serving(app) as url, http_client() as http:
        yield Gateway(url, ADMIN_KEY, provider, app, http, lane)


@pytest.fixture
async def key(gateway: Gateway) -> str:
    """A gateway key without limits, and a model `gpt` that it can call."""
    await gateway.add_model()
    return str((await gateway.issue_key())["key"])


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of aimock, which speaks the wire formats of OpenAI, Anthropic, Gemini, … ."""
    node = shutil.which("node")
    if not node or not AIMOCK.exists():
        message = "needs node and aimock: scripts/test installs it (npm ci in tests/)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    ready = tmp_path_factory.mktemp("aimock") / "log"
    with ready.open("w") as log:
        process = subprocess.Popen(
            [node, str(AIMOCK), "-p", "0", "-h", "127.0.0.1", "-f", str(HERE / "aimock.json")],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _aimock_url(ready, process)
    finally:
        process.terminate()
        process.wait(10)


def _aimock_url(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if "listening on " in line:
                return line.rpartition(" ")[2].strip()
        time.sleep(0.05)
    raise RuntimeError(f"aimock did not start: {json.dumps(log.read_text())}")
