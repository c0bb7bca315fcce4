"""A gateway with a key of every kind, for all tests of a module."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway import vault
from gateway.app import create_app
from gateway.settings import Settings
from gateway.specs import key_record, team_spec
from gateway.store import Store
from gateway.throttle import Throttle

# A fixture, here as well.
from tests.commands.conftest import run as run
from tests.conftest import ADMIN_KEY
from tests.servers import TESTER, FakeProvider, Gateway, http_client, serving

# Refused wherever a key is needed: the type and the param of the error.
REFUSED: dict[str, tuple[str, str | None]] = {
    "none": ("auth_error", None),
    "unknown": ("token_not_found_in_db", "key"),
    "of somewhere else": ("auth_error", None),
    "the hash of an admin key": ("auth_error", None),
    "revoked": ("auth_error", "key"),
    "expired": ("expired_key", "sk-...long"),
    "blocked": ("auth_error", None),
    "of a blocked team": ("auth_error", None),
    "replaced": ("token_not_found_in_db", "key"),
    "revoked admin": ("auth_error", "key"),
    "expired admin": ("expired_key", "sk-...long"),
    "blocked admin": ("auth_error", None),
}
GATEWAY = "gateway"
ADMIN = "admin"


@dataclass
class Fortress:
    """A running gateway, a secret of each kind, and ids of what is in it."""

    gateway: Gateway
    secrets: dict[str, str | None]
    ids: dict[str, str]

    def forget_guesses(self) -> None:
        """Let wrong keys be counted anew: each test is about one of them."""
        state = self.gateway.app.state
        state.services = dataclasses.replace(state.services, throttle=Throttle())

    async def ask(
        self, method: str, path: str, kind: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        self.forget_guesses()
        return await self.gateway.request(method, path, self.secrets[kind], body, headers)

    async def stamps(self) -> dict[str, int]:
        """What rises with every change but that of the ledger."""
        store: Store = self.gateway.app.state.services.store
        stamps = await store.database.stamps()
        return {topic: stamp for topic, stamp in stamps.items() if topic != "ledger"}


@pytest.fixture(scope="module")
async def fortress(
    tmp_path_factory: pytest.TempPathFactory, _provider: FakeProvider
) -> AsyncIterator[Fortress]:
    _provider.reset()  # what a test of another file had it answer
    directory = tmp_path_factory.mktemp("fortress")
    settings = Settings(database_url=f"sqlite:///{directory}/gateway.db", admin_key=ADMIN_KEY)
    app = create_app(settings)
    async with serving(app) as url, http_client() as http:
        gateway = Gateway(url, ADMIN_KEY, _provider, app, http)
        await gateway.try_once()
        await app.state.services.lane.wait()
        model = await gateway.add_model()
        store: Store = app.state.services.store
        blocked = dataclasses.replace(team_spec({"name": "blocked"}).record(1), blocked=True)
        await store.teams.add(blocked, TESTER)
        keys: dict[str, dict[str, Any]] = {
            "revoked": {"revoked_at": 2},
            "expired": {"expires_at": 2},
            "blocked": {"blocked": True},
            "of a blocked team": {"team_id": blocked.id},
            "revoked admin": {"revoked_at": 2, "kind": "admin"},
            "expired admin": {"expires_at": 2, "kind": "admin"},
            "blocked admin": {"blocked": True, "kind": "admin"},
            GATEWAY: {},
            ADMIN: {"kind": "admin"},
        }
        secrets: dict[str, str | None] = {
            "none": None,
            "unknown": "sk-unknown-0123456789",
            "of somewhere else": "gsk_0123456789abcdef",
            "the hash of an admin key": vault.hash_key(ADMIN_KEY),
            "replaced": "sk-replaced-0123456789",
        }
        for kind, fields in keys.items():
            secret = secrets[kind] = f"sk-{kind.replace(' ', '-')}-0123456789-long"
            record = key_record(vault.hash_key(secret), vault.hint(secret), 1, **fields)
            await store.keys.add(record, TESTER)
        rotated = key_record(
            vault.hash_key("sk-replacement-0123456789"),
            "sk-…6789",
            1,
            retiring_hash=vault.hash_key("sk-replaced-0123456789"),
            retiring_until=2,
        )
        await store.keys.add(rotated, TESTER)
        ids = {"team": blocked.id, "model": model["model_id"], "key": rotated.id}
        yield Fortress(gateway, secrets, ids)
