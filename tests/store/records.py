"""Records to store."""

from __future__ import annotations

from typing import Any

from gateway import vault
from gateway.records import Key, Model, Team
from gateway.specs import key_record, model_spec
from gateway.store import Store

PROVIDER_KEY = "sk-upstream-plaintext-0123456789"
HOSTILE = ["x'; DROP TABLE models; --", '"', "%", "a_b", "\\", "модель", "a/b:c", "'' OR 1=1", "🦊"]


def model(name: str = "gpt", **fields: Any) -> Model:
    description = {"model_name": name, "provider": "openai", "api_key": PROVIDER_KEY} | fields
    return model_spec(description).record(None, None, 1000)


def key(secret: str = "sk-a", now: int = 1000, **fields: Any) -> Key:
    return key_record(vault.hash_key(secret), vault.hint(secret), now, **fields)


async def changed_keys(store: Store, stamp: int) -> list[Key]:
    """The keys that changed after the stamp."""
    return [key async for page in store.keys.changed_since(stamp) for key in page]


def team(team_id: str = "research", **fields: Any) -> Team:
    values: dict[str, Any] = {"name": team_id.title(), "created_at": 1000, "updated_at": 1000}
    return Team(id=team_id, **values | fields)
