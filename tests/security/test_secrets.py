"""Where secrets must not be: looked for in everything that a gateway writes, answers or prints."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway import auth, vault
from gateway.app import create_app
from gateway.errors import NotAuthenticated
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.specs import key_record
from gateway.store import Store
from tests.commands.conftest import Run
from tests.conftest import ADMIN_KEY
from tests.processes import run as run_process
from tests.processes import serve
from tests.servers import TESTER, FakeProvider, Gateway, answer, chunk, http_client, serving

UPSTREAM = "sk-upstream-Pq7vT2mXz9Lk4Rw8"
UPSTREAM_NEXT = "sk-upstream-Hn3bV6cYd1Jf5Gs0"
AWS = "aws-Zx8cW4nBm2Qe7Ru5Ty1"
HEADER = "Bearer tok-Ui9oP3aSd6Fg0Hj2"
QUERY = "qs-Lk5jH8gFd1Sa4Po7"
REFERENCED = "sk-referenced-Mn6bV9cXz3Lq"


@dataclass
class Watched(Gateway):
    """A gateway that keeps whatever is answered, but for where a secret is meant to be shown."""

    answers: list[str] = field(default_factory=list)

    async def request(
        self,
        method: str,
        path: str,
        key: str | None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        answered = await super().request(method, path, key, body, headers)
        self.answers.append(f"{method} {path} {answered.headers.raw!r} {answered.text}")
        return answered

    async def shown_once(self, path: str, body: Any) -> str:
        """Ask for a new secret. It may be in this answer alone."""
        answered = await self.request("POST", path, self.admin_key, body)
        assert answered.status_code in (200, 201), answered.text
        secret = str(answered.json()["key"])
        self.answers[-1] = self.answers[-1].replace(secret, "")
        return secret


def echoes_its_request(provider: FakeProvider) -> None:
    """A provider whose errors repeat what it was sent, credentials too; some do."""

    async def behaviour(request: Request) -> Response:
        said = f"refused: {dict(request.headers)} {request.url} {await request.body()!r}"
        return answer({"error": {"message": said, "type": said, "code": said}}, 401)

    provider.behaviour = behaviour


async def use_it_all(gateway: Watched) -> list[str]:
    """Every kind of request that handles a secret; returns the secrets it made."""
    made = [await gateway.shown_once("/api/v1/gateway/keys", {"label": "one"})]
    made.append(await gateway.shown_once("/key/generate", {"key_alias": "two"}))
    await gateway.add_model(
        api_key=UPSTREAM,
        litellm_params={
            "aws_secret_access_key": AWS,
            "extra_headers": {"x-token": HEADER},
            "extra_query": {"token": QUERY},
        },
    )
    await gateway.add_model("referring", api_key="os.environ/REFERENCED_KEY")
    known = {"gpt": [UPSTREAM, AWS, HEADER, QUERY], "referring": [REFERENCED], "none": []}
    for model, told in known.items():
        for stream in (False, True):
            gateway.provider.reset()
            await gateway.chat(made[0], model, stream=stream)
            echoes_its_request(gateway.provider)
            await gateway.chat(made[0], model, stream=stream)
            breaks_off(gateway.provider, f"broken: {told}")
            await gateway.chat(made[0], model, stream=stream)
    echoes_its_request(gateway.provider)
    for path in ("/models", "/audit", "/keys", "/teams", "/usage", "/usage/requests", "/settings"):
        await gateway.manage("GET", path)
    for path in ("/health", "/health?model=gpt", "/health/readiness", "/health/readiness/details"):
        await gateway.request("GET", path, ADMIN_KEY)
    for path in ("/model/info", "/v2/model/info", "/model_group/info", "/key/list?size=100"):
        await gateway.request("GET", path, ADMIN_KEY)
    await gateway.request("GET", f"/key/info?key={vault.hash_key(made[0])}", ADMIN_KEY)
    await gateway.request("GET", "/key/info", made[0])
    keys = {
        key["label"]: key["id"] for key in (await gateway.manage("GET", "/keys")).json()["data"]
    }
    rotate = f"/api/v1/gateway/keys/{keys['one']}/rotate"
    made.append(await gateway.shown_once(rotate, {"grace_period": "1h"}))
    made.append(await gateway.shown_once("/key/regenerate", {"key": made[1]}))
    await gateway.manage("PATCH", "/models/gpt", {"api_key": UPSTREAM_NEXT})
    # Mistakes, which errors tell of.
    await gateway.manage(
        "POST", "/models", {"model_name": "gpt", "provider": "x", "api_key": UPSTREAM}
    )
    await gateway.manage("POST", "/models", {"model_name": "m", "api_keys": UPSTREAM})
    await gateway.manage(
        "POST", "/models", {"model_name": "m", "provider": "openai", "api_key": [UPSTREAM]}
    )
    await gateway.manage("PATCH", "/models/gpt", {"litellm_params": {"mock_response": UPSTREAM}})
    await gateway.manage("POST", "/keys", {"key": made[0]})
    await gateway.request("POST", "/key/update", ADMIN_KEY, {"key": "sk-" + made[0]})
    for secret in (made[1], f"{ADMIN_KEY}x", UPSTREAM):
        await gateway.request("GET", "/v1/models", secret)
        await gateway.request("GET", "/v1/models", None, headers={"authorization": secret})
    await gateway.request("GET", "/api/v1/gateway/keys", made[0])
    await gateway.manage("DELETE", "/models/gpt")
    await gateway.manage("DELETE", f"/keys/{keys['one']}")
    return made


def breaks_off(provider: FakeProvider, said: str) -> None:
    provider.streams([chunk({"content": "a"}), {"error": {"message": said, "code": said}}])


def traces(secret: str) -> Iterator[str]:
    """The secret, and a part of it that no hint shows."""
    yield secret
    yield secret[6:-5]


async def test_no_secret_is_anywhere_but_where_it_is_shown_once(
    tmp_path: Path, provider: FakeProvider, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"GATEWAY_ADMIN_KEY": ADMIN_KEY, "REFERENCED_KEY": REFERENCED}
    start = serve(tmp_path, "--log-level", "debug", **environ)
    async with start as server, http_client() as http:
        gateway = Watched(server.url, ADMIN_KEY, provider, None, http)  # type: ignore[arg-type]
        made = await use_it_all(gateway)
        places = {f"answer {text[:60]}": text for text in gateway.answers}
        # While it runs, for the WAL and the ledger's journal are there only then.
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert {"gateway.db", "gateway.db-wal", "gateway.key"} <= {path.name for path in files}
        places |= {f"file {path.name}": path.read_bytes().decode("latin-1") for path in files}
    places["log"] = "\n".join(server.log)
    assert "/v1/chat/completions 401" in places["log"]
    for as_json in ([], ["--json"]):
        # In a process of its own, as it calls litellm. In a thread: the provider runs in this one.
        command = ["models", "test", "referring", *as_json]
        done = await asyncio.to_thread(run_process, tmp_path, *command, **environ)
        places[f"gateway {command}"] = done.stdout + done.stderr
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for command in (
        ["models", "list"],
        ["models", "show", "referring"],
        ["keys", "list", "--all"],
        ["audit", "--limit", "1000"],
        ["config", "export"],
        ["doctor"],
    ):
        for as_json in ([], ["--json"]):
            # In a thread, since a command makes an event loop.
            told = await asyncio.to_thread(run, *command, *as_json)
            places[f"gateway {command} {as_json}"] = told.out + told.err
    rotated = await asyncio.to_thread(run, "admin", "rotate-key")
    made.append(rotated.out.strip())
    after = [path for path in tmp_path.rglob("*") if path.is_file()]
    places |= {f"file {path.name} after": path.read_bytes().decode("latin-1") for path in after}
    secrets = [ADMIN_KEY, UPSTREAM, UPSTREAM_NEXT, AWS, HEADER, QUERY, REFERENCED, *made]
    assert all(len(secret) > 16 for secret in secrets)
    found = [
        (place, secret)
        for place, text in places.items()
        for secret in secrets
        for trace in traces(secret)
        if trace in text
    ]
    assert found == []


async def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/gateway.db", admin_key=ADMIN_KEY)
    app = create_app(settings)
    async with serving(app) as url, http_client() as http:
        gateway = Gateway(url, ADMIN_KEY, FakeProvider(), app, http)
        await gateway.add_model(base_url=None)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) >= 4
        assert {path.name: oct(path.stat().st_mode & 0o777) for path in files} == {
            path.name: "0o600" for path in files
        }


# --- Comparing ---


async def test_a_key_is_looked_up_by_its_hash_and_compared_in_constant_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where `==` decides: what the comparison says is what counts."""
    current, former = "sk-current-0123456789", "sk-former-0123456789"
    record = key_record(
        vault.hash_key(current),
        vault.hint(current),
        1,
        retiring_hash=vault.hash_key(former),
        retiring_until=2**33,
    )
    async with Store.open(settings) as store:
        await store.keys.add(record, TESTER)
        registry = Registry(store)
        await registry.refresh()
    # What a look-up compares is a hash: how long it takes tells of no character of a secret.
    assert registry.key(current) is None
    assert registry.key(vault.hash_key(current)) == record
    compared: list[tuple[Any, Any]] = []

    def never(first: Any, second: Any) -> bool:
        compared.append((first, second))
        return False

    for secret in (current, former):
        headers = {"authorization": f"Bearer {secret}"}
        assert auth.authenticate(registry, headers) == record
        with monkeypatch.context() as patch:
            patch.setattr(hmac, "compare_digest", never)
            with pytest.raises(NotAuthenticated):
                auth.authenticate(registry, headers)
        assert (vault.hash_key(secret), vault.hash_key(secret)) in compared
