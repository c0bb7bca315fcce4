"""What an admin sees of models and keys, over HTTP and in the CLI. Never a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.records import Key, Model
from gateway.vault import is_reference

HIDDEN = "[hidden]"


def model_view(model: Model) -> dict[str, Any]:
    """A model as JSON. Secrets are hidden; references to variables are shown as they are."""
    secrets = {
        name: value if is_reference(value) else HIDDEN for name, value in model.secrets.items()
    }
    return {
        "model_id": model.id,
        "model_name": model.name,
        "provider": model.provider,
        "api_key": secrets.pop("api_key", None),
        "base_url": model.base_url,
        "api_version": model.api_version,
        "litellm_params": {"model": model.upstream_model, **model.params, **secrets},
        "model_info": dict(model.info),
        "created_at": timestamp(model.created_at),
        "updated_at": timestamp(model.updated_at),
    }


def key_view(key: Key) -> dict[str, Any]:
    """A key as JSON."""
    return {
        "id": key.id,
        "object": "key",
        "kind": key.kind,
        "label": key.label,
        "hint": key.hint,
        "state": "active" if key.revoked_at is None else "revoked",
        "rpm_limit": key.rpm_limit,
        "tpm_limit": key.tpm_limit,
        "created_at": timestamp(key.created_at),
        "revoked_at": None if key.revoked_at is None else timestamp(key.revoked_at),
    }


def timestamp(seconds: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
