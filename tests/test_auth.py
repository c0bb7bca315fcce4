"""Who is calling."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from starlette.datastructures import Headers

from gateway import vault
from gateway.auth import authenticate, require_admin
from gateway.errors import AdminRequired, NotAuthenticated
from gateway.records import Key
from gateway.registry import Registry
from gateway.settings import Settings
from gateway.specs import key_record, rotated, team_spec
from gateway.store import Store
from tests.servers import TESTER

# In the order in which LiteLLM looks.
HEADERS = (
    "x-litellm-api-key",
    "authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
)
SECRET = "sk-caller-0123456789"
OTHER = "sk-other-0123456789"
REVOKED = "sk-revoked-0123456789"
ADMIN = "sk-admin-0123456789"
MALFORMED = "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix."
NONE = "Authentication Error, No api key passed in."
UNKNOWN = "Authentication Error, Invalid API key provided."


def key(secret: str, **fields: Any) -> Key:
    return key_record(vault.hash_key(secret), vault.hint(secret), 1, **fields)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store.open(settings) as opened:
        yield opened


@pytest.fixture
async def registry(store: Store) -> Registry:
    made = Registry(store)
    for issued in (key(SECRET, label="caller"), key(OTHER, label="other")):
        await store.keys.add(issued, TESTER)
    await store.keys.add(key(ADMIN, kind="admin"), TESTER)
    revoked = key(REVOKED)
    await store.keys.add(revoked, TESTER)
    await store.keys.revoke([revoked.id], 2, TESTER)
    return made


def header(name: str, secret: str) -> dict[str, str]:
    return {name: f"Bearer {secret}" if name == "authorization" else secret}


def refused(registry: Registry, headers: dict[str, str]) -> tuple[str, str, str | None]:
    with pytest.raises(NotAuthenticated) as error:
        authenticate(registry, Headers(headers))
    assert error.value.status == 401
    assert error.value.headers == {"www-authenticate": "Bearer"}
    return error.value.message, error.value.type, error.value.param


@pytest.mark.parametrize("name", HEADERS)
def test_each_of_litellms_headers_carries_a_key(registry: Registry, name: str) -> None:
    assert authenticate(registry, Headers(header(name, SECRET))).label == "caller"
    assert authenticate(registry, Headers({name.title(): f"Bearer {SECRET}"})).label == "caller"


@pytest.mark.parametrize(("first", "second"), list(combinations(HEADERS, 2)))
def test_the_first_of_two_headers_counts(registry: Registry, first: str, second: str) -> None:
    both = header(second, OTHER) | header(first, SECRET)
    assert authenticate(registry, Headers(both)).label == "caller"
    both = header(second, SECRET) | header(first, "sk-unknown-0123456789")
    assert refused(registry, both) == (UNKNOWN, "token_not_found_in_db", "key")
    both = header(second, SECRET) | {first: "  "}
    assert authenticate(registry, Headers(both)).label == "caller"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("blanks", [" ", "   "])
def test_bearer_is_read_in_any_case(registry: Registry, scheme: str, blanks: str) -> None:
    headers = {"authorization": f" {scheme}{blanks}{SECRET} "}
    assert authenticate(registry, headers).label == "caller"


@pytest.mark.parametrize(
    "value", [SECRET, f"Basic {SECRET}", f"Bearer{SECRET}", f"Token {SECRET}", "é", "sk-"]
)
def test_authorization_without_bearer_is_malformed(registry: Registry, value: str) -> None:
    assert refused(registry, {"authorization": value}) == (MALFORMED, "auth_error", None)
    # As with LiteLLM, a later header does not mend it.
    also = {"authorization": value, "x-api-key": SECRET}
    assert refused(registry, also) == (MALFORMED, "auth_error", None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json", "cookie": SECRET, "x-key": SECRET},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "  "},
        {"x-api-key": "Bearer "},
        dict.fromkeys(HEADERS, ""),
    ],
)
def test_no_key_at_all(registry: Registry, headers: dict[str, str]) -> None:
    """`Bearer` alone is what an unset variable makes of a client's configuration."""
    assert refused(registry, headers) == (NONE, "auth_error", None)


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("gsk_0123456789abcdef", "gsk_****cdef"),
        ("0123456789abcdef", "0123****cdef"),
        ("0123456789abcde", "****"),
        ("x", "****"),
        ("SK-caller-0123456789", "SK-c****6789"),
        ("clé-0123456789-clé", "clé-****-clé"),
    ],
)
def test_a_key_of_somewhere_else_is_not_repeated(
    registry: Registry, secret: str, shown: str
) -> None:
    expected = (
        f"Authentication Error, LiteLLM Virtual Key expected. Received={shown}, "
        "expected to start with 'sk-'."
    )
    assert refused(registry, {"x-api-key": secret}) == (expected, "auth_error", None)


@pytest.mark.parametrize(
    "secret", ["sk-unknown", SECRET + "x", SECRET[:-1], f"{SECRET} {SECRET}", "sk-Ã©\xff"]
)
def test_an_unknown_key(registry: Registry, secret: str) -> None:
    headers = {"authorization": f"Bearer {secret}"}
    assert refused(registry, headers) == (UNKNOWN, "token_not_found_in_db", "key")


def test_the_hash_of_a_key_is_no_key(registry: Registry) -> None:
    """It is in LiteLLM's messages, and so in logs."""
    message, *_ = refused(registry, {"x-api-key": vault.hash_key(SECRET)})
    assert "Virtual Key expected" in message


def test_a_revoked_key_is_told_so(registry: Registry) -> None:
    headers = header("authorization", REVOKED)
    expected = ("Authentication Error, This key has been revoked.", "auth_error", "key")
    assert refused(registry, headers) == expected


BLOCKED = (
    "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.",
    "auth_error",
    None,
)


async def test_a_blocked_key_until_it_is_unblocked(store: Store, registry: Registry) -> None:
    issued = key("sk-blocked-0123456789", blocked=True)
    await store.keys.add(issued, TESTER)
    headers = header("authorization", "sk-blocked-0123456789")
    assert refused(registry, headers) == BLOCKED
    await store.keys.change(issued.id, lambda key: replace(key, blocked=False), TESTER)
    assert authenticate(registry, headers).id == issued.id


async def test_an_expired_key(store: Store, registry: Registry) -> None:
    now = int(time.time())
    secret = "sk-expired-0123456789"
    await store.keys.add(key(secret, expires_at=now - 60, blocked=True), TESTER)
    message, kind, param = refused(registry, header("x-api-key", secret))
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00"
    assert re.fullmatch(
        f"Authentication Error - Expired Key. Key Expiry time {when} and current time {when}",
        message,
    )
    assert (kind, param) == ("expired_key", "sk-...6789")


async def test_a_key_is_good_until_the_second_it_ends(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-ending-0123456789"
    await store.keys.add(key(secret, expires_at=5000), TESTER)
    headers = header("authorization", secret)
    monkeypatch.setattr(time, "time", lambda: 4999.9)
    assert authenticate(registry, headers).expires_at == 5000
    monkeypatch.setattr(time, "time", lambda: 5000.0)
    assert refused(registry, headers)[:2] == (
        "Authentication Error - Expired Key. Key Expiry time 1970-01-01 01:23:20+00:00 and "
        "current time 1970-01-01 01:23:20+00:00",
        "expired_key",
    )


async def test_the_keys_of_a_blocked_team_and_no_others(store: Store, registry: Registry) -> None:
    for team_id in ("red", "blue"):
        team = team_spec({"team_id": team_id, "name": team_id, "blocked": team_id == "red"})
        await store.teams.add(team.record(1), TESTER)
        await store.keys.add(key(f"sk-{team_id}-0123456789", team_id=team_id), TESTER)
    headers = header("authorization", "sk-red-0123456789")
    expected = "Authentication Error, Team=red is blocked. Update via `/team/unblock` if you're an "
    assert refused(registry, headers) == (f"{expected}admin.", "auth_error", None)
    assert authenticate(registry, header("authorization", "sk-blue-0123456789")).team_id == "blue"
    assert authenticate(registry, header("authorization", SECRET)).team_id is None
    await store.teams.change("red", lambda team: replace(team, blocked=False), TESTER)
    assert authenticate(registry, headers).team_id == "red"


async def test_a_retiring_secret_is_good_until_its_grace_ends(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "sk-old-0123456789", "sk-new-0123456789"
    issued = key(old)
    await store.keys.add(issued, TESTER)
    await store.keys.change(issued.id, lambda key: rotated(key, new, "1h", 10_000), TESTER)
    for now in (10_000.0, 13_599.9):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        for secret in (old, new):
            assert authenticate(registry, header("authorization", secret)).id == issued.id
    monkeypatch.setattr(time, "time", lambda: 13_600.0)
    assert authenticate(registry, header("authorization", new)).id == issued.id
    expected = (UNKNOWN, "token_not_found_in_db", "key")
    assert refused(registry, header("authorization", old)) == expected


async def test_without_grace_the_old_secret_ends_at_once(store: Store, registry: Registry) -> None:
    old, new = "sk-old-0123456789", "sk-new-0123456789"
    issued = key(old)
    await store.keys.add(issued, TESTER)
    await store.keys.change(issued.id, lambda key: rotated(key, new, None, 10_000), TESTER)
    assert authenticate(registry, header("authorization", new)).id == issued.id
    assert refused(registry, header("authorization", old))[0] == UNKNOWN


async def test_both_secrets_of_a_key_share_its_state(store: Store, registry: Registry) -> None:
    """Its end is told with the secret that was sent: the caller may not know the other."""
    old, new = "sk-old-0123456789-aaaa", "sk-new-0123456789-bbbb"
    issued = key(old)
    await store.keys.add(issued, TESTER)
    now = int(time.time())
    await store.keys.change(issued.id, lambda key: rotated(key, new, "1h", now), TESTER)
    await store.keys.change(issued.id, lambda key: replace(key, blocked=True), TESTER)
    assert refused(registry, header("authorization", old)) == BLOCKED
    await store.keys.change(issued.id, lambda key: replace(key, expires_at=now - 1), TESTER)
    assert refused(registry, header("authorization", old))[1:] == ("expired_key", "sk-...aaaa")
    assert refused(registry, header("authorization", new))[1:] == ("expired_key", "sk-...bbbb")
    await store.keys.revoke([issued.id], now, TESTER)
    for secret in (old, new):
        assert "has been revoked" in refused(registry, header("authorization", secret))[0]


def test_an_admin_key_may_manage_and_a_gateway_key_may_not(registry: Registry) -> None:
    require_admin(authenticate(registry, header("authorization", ADMIN)))
    with pytest.raises(AdminRequired) as error:
        require_admin(authenticate(registry, header("authorization", SECRET)))
    assert (error.value.status, error.value.type) == (401, "auth_error")
    assert error.value.message.startswith("Authentication Error, Only an admin key can manage")
