"""Checks of single fields, whatever they belong to: text, JSON, URLs, and what is secret."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from gateway.display import HIDDEN
from gateway.errors import InvalidField

_SECRET_NAME = re.compile(
    r"(^|_)(keys?|apikey|secrets?|token|password|passwd|passphrase|credentials?|auth|authorization"
    r"|cookies?|headers)(_|$)"
)
# A token's price is no token, nor is the time until the first.
_NO_SECRET = re.compile(r"(^|_)(cost|timeout)(_|$)")
# Where a word begins in apiKey, X-Api-Key.
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-. ]")
# Deeper than any tool's schema, and far from where Python's recursion ends.
_DEEPEST = 64
# The integers that orjson reads and writes.
_INTEGERS = range(-(2**63), 2**64)
_SCHEMES = ("http", "https")


class WrongField(ValueError):
    """Says which field a check across fields found wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field

    def shown(self) -> InvalidField:
        return InvalidField(f"{self.field} {self}", param=self.field)


def check_json(value: object, where: str = "", depth: int = 0) -> None:
    """Refuse what could not be stored or sent as JSON; YAML has dates, NaN, … .

    Raises:
        WrongField: With the path to the value.
    """
    if depth > _DEEPEST:
        raise WrongField(".".join(where.split(".")[:2]), "is nested too deeply")
    if isinstance(value, Mapping):
        for name, item in value.items():
            if not isinstance(name, str) or _is_half(name):
                raise WrongField(f"{where}.{name!r}".lstrip("."), "has a name that is not text")
            check_json(item, f"{where}.{name}" if where else name, depth + 1)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            check_json(item, f"{where}.{position}", depth + 1)
    elif fault := _json_fault(value):
        raise WrongField(where, fault)


def _json_fault(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            if value == HIDDEN:
                return "is what is shown in place of a secret; leave it out to keep the secret"
            return "holds half of a surrogate pair, which is no text" if _is_half(value) else None
        case float():
            return None if math.isfinite(value) else "takes a finite number"
        case int():
            return None if value in _INTEGERS else "is too large a number"
    return f"holds a {type(value).__name__}, which JSON does not have"


def _is_half(text: str) -> bool:
    return not text.isascii() and text != text.encode(errors="replace").decode()


def merge_patch(old: object, patch: object) -> object:
    """Apply a JSON merge patch (RFC 7396: null removes)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def is_secret(name: str) -> bool:
    """Whether a litellm parameter of this name holds something to keep from view.

    >>> is_secret("aws_secret_access_key"), is_secret("max_tokens")
    (True, False)
    """
    words = _WORD_START.sub("_", name).lower()
    return bool(_SECRET_NAME.search(words)) and not _NO_SECRET.search(words)


def holds_secret(value: object) -> bool:
    """Whether something inside has the name of a secret."""
    if isinstance(value, Mapping):
        return any(is_secret(name) or holds_secret(item) for name, item in value.items())
    return isinstance(value, list) and any(map(holds_secret, value))


def check_url(url: str) -> None:
    """Refuse a base URL that could not be called, or that holds a secret. Raises WrongField."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _SCHEMES and bool(parts.hostname) and not re.search(r"\s|#", url)
        _ = parts.port  # a port out of range raises
    except ValueError:
        valid = False
    if not valid:
        # Without the value, which may hold a password.
        raise WrongField("base_url", "is not a URL: it takes http:// or https:// and a host name")
    if "@" in parts.netloc or any(is_secret(name) for name, _ in parse_qsl(parts.query)):
        raise WrongField(
            "base_url", "holds a user name, password or key; put a secret into api_key instead"
        )
