"""Who is calling: the credential in the headers, and the key it belongs to.

Wordings and types are LiteLLM 1.109's (proxy/auth/user_api_key_auth.py).
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.errors import AdminRequired, NotAuthenticated
from gateway.records import Key
from gateway.registry import Registry
from gateway.vault import KEY_PREFIX, hash_key, hint

# In the order in which LiteLLM looks; all but Authorization carry the bare key.
HEADERS = (
    "x-litellm-api-key",
    "authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
)


def authenticate(registry: Registry, headers: Mapping[str, str]) -> Key:
    """Find the live key that the headers carry.

    Raises:
        NotAuthenticated: There is none; the message says what was wrong with it.
    """
    now = time.time()
    secret = credential(headers)
    secret_hash = hash_key(secret)
    key = registry.key(secret_hash)
    # The look-up is by hash, so its time tells nothing of a secret; the comparison makes sure.
    if key is None or not _belongs(key, secret_hash, now):
        if not secret.startswith(KEY_PREFIX):
            raise NotAuthenticated(
                "Authentication Error, LiteLLM Virtual Key expected. "
                f"Received={_masked(secret)}, expected to start with 'sk-'."
            )
        raise NotAuthenticated(
            "Authentication Error, Invalid API key provided.",
            type="token_not_found_in_db",
            param="key",
        )
    _check_live(key, secret, registry, now)
    return key


def require_admin(key: Key) -> None:
    """Raises AdminRequired for a gateway key."""
    if not key.is_admin:
        raise AdminRequired


def _belongs(key: Key, secret_hash: str, now: float) -> bool:
    """Whether this is the key's secret, or the one before it in its time of grace."""
    if hmac.compare_digest(key.secret_hash, secret_hash):
        return True
    return (
        key.retiring_hash is not None
        and hmac.compare_digest(key.retiring_hash, secret_hash)
        and key.retiring_until is not None
        and now < key.retiring_until
    )


def _check_live(key: Key, secret: str, registry: Registry, now: float) -> None:
    match key.state(now):
        case "revoked":
            raise NotAuthenticated("Authentication Error, This key has been revoked.", param="key")
        case "expired":
            ended = datetime.fromtimestamp(key.expires_at or 0, UTC)
            raise NotAuthenticated(
                f"Authentication Error - Expired Key. Key Expiry time {ended} and current time "
                f"{datetime.fromtimestamp(int(now), UTC)}",
                type="expired_key",
                param=hint(secret).replace("…", "..."),
            )
        case "blocked":
            raise NotAuthenticated(
                "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an "
                "admin."
            )
    team = registry.teams.get(key.team_id) if key.team_id else None
    if team is not None and team.blocked:
        raise NotAuthenticated(
            f"Authentication Error, Team={team.id} is blocked. Update via `/team/unblock` if "
            "you're an admin."
        )


def credential(headers: Mapping[str, str]) -> str:
    """The secret that the headers carry. Raises NotAuthenticated where they carry none."""
    for name in HEADERS:
        value = headers.get(name, "").strip()
        scheme, _, rest = value.partition(" ")
        if scheme.lower() == "bearer":
            value = rest.strip()
        elif value and name == "authorization":
            raise NotAuthenticated(
                "Authentication Error, Malformed API Key passed in. "
                "Ensure Key has `Bearer ` prefix."
            )
        if value:
            return value
    raise NotAuthenticated("Authentication Error, No api key passed in.")


def _masked(secret: str) -> str:
    # Half of a short secret is too much of it to show.
    return f"{secret[:4]}****{secret[-4:]}" if len(secret) >= 16 else "****"
