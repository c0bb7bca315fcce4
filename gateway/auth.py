"""Who is calling: the credential in the headers, and the key it belongs to.

Wordings and types are LiteLLM 1.109's (proxy/auth/user_api_key_auth.py).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from gateway.errors import AdminRequired, NotAuthenticated
from gateway.records import Key
from gateway.registry import Registry
from gateway.vault import KEY_PREFIX, hash_key

# In the order in which LiteLLM looks; all but Authorization carry the bare key.
_HEADERS = (
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
    secret = _credential(headers)
    secret_hash = hash_key(secret)
    key = registry.key(secret_hash)
    # The look-up is by hash, so its time tells nothing of a secret; the comparison makes sure.
    if key is None or not hmac.compare_digest(key.secret_hash, secret_hash):
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
    if key.revoked_at is not None:
        raise NotAuthenticated("Authentication Error, This key has been revoked.", param="key")
    return key


def require_admin(key: Key) -> None:
    """Raises AdminRequired for a gateway key."""
    if not key.is_admin:
        raise AdminRequired


def _credential(headers: Mapping[str, str]) -> str:
    for name in _HEADERS:
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
