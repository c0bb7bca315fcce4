"""Secrets: sealing provider keys at rest, making and recognising access keys."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError, Misconfigured
from gateway.settings import HOW_TO_MAKE_A_SECRET_KEY

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_PREFIX = "sk-"
REFERENCE_PREFIX = "os.environ/"
_SHORTEST_KEY = 20
_FEWEST_CHARACTERS = 8
_PRINTABLE = re.compile(r"[!-~]*")


class VaultError(GatewayError):
    """The secret key is missing, malformed, or not the one that sealed the data."""


class WeakKey(GatewayError):
    """An access key that could be guessed."""

    status = 422
    type = "invalid_request_error"


class Vault:
    """Seals and opens text with Fernet (AES-128-CBC and HMAC-SHA256).

    The first key seals; all of them open, so a key is rotated by putting the new one first.
    """

    def __init__(self, keys: Sequence[str], source: str = "GATEWAY_SECRET_KEY") -> None:
        """Take URL-safe base64 keys of 32 bytes, newest first.

        Raises:
            VaultError: A key is malformed; the message says that it came from `source`.
        """
        # Imported where it is used: commands that only list things do without it.
        from cryptography.fernet import Fernet, MultiFernet

        try:
            self._fernet: MultiFernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise VaultError(
                f"{source} is not a key: it takes 32 random bytes in URL-safe base64, "
                f"as made by: {HOW_TO_MAKE_A_SECRET_KEY}"
            ) from error
        self._keys = tuple(keys)

    @classmethod
    def open(cls, secret_key: str | None, key_file: Path | None) -> Vault:
        """Use `secret_key` (comma separated), or `key_file`, made with mode 0600 if missing.

        Raises:
            VaultError: The key is malformed, or the file cannot be read or made; or neither is
                given.
        """
        if secret_key:
            text, source = secret_key, "GATEWAY_SECRET_KEY"
        elif key_file is not None:
            text, source = _read_or_make(key_file), f"The key file {key_file}"
        else:
            raise VaultError("GATEWAY_SECRET_KEY is not set")
        return cls([key.strip() for key in text.split(",") if key.strip()], source)

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Open what `seal` made.

        Raises:
            VaultError: It was sealed with a key that is not listed.
        """
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise VaultError(
                "The provider keys in the database were sealed with another secret key. "
                "Set GATEWAY_SECRET_KEY to it, or put the key file back beside the database."
            ) from None

    def token(self, text: str) -> str:
        """Seal a text for someone who is to bring it back and not to read it, in letters that a URL
        takes. The same text has the same token, as long as the first key stays (AES-SIV)."""
        sealed = self._ciphers[0].encrypt(text.encode(), None)
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read_token(self, token: str) -> str | None:
        """Open what `token` made, with any key that is listed; None where it is something else."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        for cipher in self._ciphers:
            with contextlib.suppress(InvalidTag):
                return cipher.decrypt(sealed, None).decode()
        return None

    @cached_property
    def _ciphers(self) -> list[AESSIV]:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        return [AESSIV(key) for key in self.derived("gateway tokens", 64)]

    def derived(self, purpose: str, length: int) -> list[bytes]:
        """Keys of this many bytes for something else than sealing, newest first (HKDF)."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return [
            HKDF(SHA256(), length=length, salt=None, info=purpose.encode()).derive(
                urlsafe_b64decode(key)
            )
            for key in self._keys
        ]


def _read_or_make(key_file: Path) -> str:
    try:
        if not key_file.exists():
            _make(key_file)
    except OSError as error:
        raise VaultError(f"Cannot make the key file {key_file}: {error.strerror}") from error
    try:
        text = key_file.read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        raise VaultError(f"The key file {key_file} holds something else than a key") from error
    except OSError as error:
        raise VaultError(f"Cannot read the key file {key_file}: {error.strerror}") from error
    if not text:
        raise VaultError(f"The key file {key_file} is empty")
    return text


def _make(key_file: Path) -> None:
    from cryptography.fernet import Fernet

    # Written whole under another name (mode 0600) first. The link then decides between two
    # processes that start at once, and neither sees half a file.
    descriptor, draft = tempfile.mkstemp(dir=key_file.parent, prefix=key_file.name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(Fernet.generate_key().decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, key_file)
    finally:
        os.unlink(draft)


def new_key() -> str:
    """Make an access key: `sk-` and 32 random bytes."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_key(secret: str) -> str:
    """SHA-256, hexadecimal. Keys are long and random, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def hint(secret: str) -> str:
    """What is shown of a key after it was made: `sk-…abcd`."""
    return f"{KEY_PREFIX}…{secret[-4:]}"


def check_strength(secret: str, name: str) -> None:
    """Refuse a key that someone chose too simply.

    Raises:
        WeakKey: The message calls the key by `name`.
    """
    if (
        not secret.startswith(KEY_PREFIX)
        # A header could not carry it.
        or not _PRINTABLE.fullmatch(secret)
        or len(secret) < _SHORTEST_KEY
        or len(set(secret)) < _FEWEST_CHARACTERS
    ):
        raise WeakKey(
            f"{name} is too weak: it takes {KEY_PREFIX!r} and at least "
            f"{_SHORTEST_KEY - len(KEY_PREFIX)} random ASCII characters without blanks, "
            "as made by: echo sk-$(openssl rand -hex 32)",
            param=name,
        )


def is_reference(value: object) -> bool:
    """Whether this is `os.environ/NAME`, with a name."""
    return (
        isinstance(value, str)
        and value.startswith(REFERENCE_PREFIX)
        and len(value) > len(REFERENCE_PREFIX)
    )


def resolve_references(value: Any, environ: Mapping[str, str]) -> Any:
    """Replace each string `os.environ/NAME` in a JSON-like value by that variable's text.

    Raises:
        Misconfigured: A variable is not set; `param` names it.
    """
    if isinstance(value, Mapping):
        return {name: resolve_references(item, environ) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve_references(item, environ) for item in value]
    if not is_reference(value):
        return value
    name = value.removeprefix(REFERENCE_PREFIX)
    if not environ.get(name):
        raise Misconfigured(f"The environment variable {name} is not set", param=name)
    return environ[name]
