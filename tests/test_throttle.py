"""Wrong keys by address. In the unit tests the clock is the test's own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from gateway import throttle, vault
from gateway.app import create_app
from gateway.errors import RateLimited
from gateway.settings import Settings
from gateway.throttle import MOST_ACCEPTED, MOST_ADDRESSES, WRONG_KEYS, Throttle
from gateway.windows import WINDOW_SECONDS
from tests.conftest import ADMIN_KEY
from tests.servers import Gateway, http_client, serving

HERE = "203.0.113.5"
ADMIN = vault.hash_key("sk-admin")
API = "/api/v1/gateway"
CALLS = ("/v1/models", "/models/gpt", f"{API}/models")

Tick = Callable[[float], None]


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch) -> Tick:
    """Lets time pass."""
    now = 1000.25

    def pass_(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now)
    return pass_


def refused(made: Throttle, address: str | None, secret_hash: str = ADMIN) -> RateLimited | None:
    try:
        made.check(address, secret_hash)
    except RateLimited as error:
        return error
    return None


def wrong(made: Throttle, address: str | None, times: int = WRONG_KEYS) -> None:
    for _ in range(times):
        made.failed(address)


def test_an_address_is_refused_from_the_tenth_wrong_key_until_its_window_ends(tick: Tick) -> None:
    made = Throttle()
    wrong(made, HERE, WRONG_KEYS - 1)
    assert refused(made, HERE) is None
    tick(20)
    wrong(made, HERE, 1)
    error = refused(made, HERE)
    assert error is not None
    assert (error.status, error.type) == (429, "throttling_error")
    assert error.headers == {"retry-after": "40"}
    assert f"wrong keys came from {HERE}: for 40 s" in error.message
    tick(39.5)
    error = refused(made, HERE)
    assert error is not None
    assert error.headers == {"retry-after": "1"}
    tick(0.5)
    assert refused(made, HERE) is None


def test_wrong_keys_before_the_window_do_not_count(tick: Tick) -> None:
    made = Throttle()
    for _ in range(10 * WRONG_KEYS):
        wrong(made, HERE, 1)
        assert refused(made, HERE) is None
        tick(WINDOW_SECONDS / (WRONG_KEYS - 2))


def test_a_secret_that_was_accepted_from_the_address_is_looked_at() -> None:
    made = Throttle()
    made.accepted(HERE, ADMIN)
    wrong(made, HERE)
    wrong(made, "203.0.113.6")
    assert refused(made, HERE) is None
    assert refused(made, HERE, vault.hash_key("sk-guess"))
    assert refused(made, "203.0.113.6"), "it was accepted from another address"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("203.0.113.5", "203.0.113.6", False),
        ("203.0.113.5", "::ffff:203.0.113.5", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        (None, None, True),
        ("testclient", "testclient", True),
    ],
)
def test_addresses_that_one_host_has_count_as_one(
    first: str | None, second: str | None, same: bool
) -> None:
    made = Throttle()
    wrong(made, first)
    assert bool(refused(made, second)) == same


def test_it_stays_small_under_many_addresses(tick: Tick) -> None:
    made = Throttle()
    wrong(made, HERE)
    for number in range(2 * MOST_ADDRESSES):
        made.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        made.accepted(HERE, vault.hash_key(str(number)))
    assert len(made._windows) == MOST_ADDRESSES
    assert len(made._accepted) == MOST_ACCEPTED
    tick(WINDOW_SECONDS)
    made.failed(HERE)
    assert len(made._windows) == 1


def test_a_secret_in_use_outlives_those_that_are_not() -> None:
    made = Throttle()
    made.accepted(HERE, ADMIN)
    for number in range(MOST_ACCEPTED):
        made.accepted(HERE, vault.hash_key(str(number)))
        made.accepted(HERE, ADMIN)
    wrong(made, HERE)
    assert refused(made, HERE) is None


def test_one_warning_a_window(tick: Tick, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, throttle.__name__)
    made = Throttle()
    wrong(made, HERE, 3 * WRONG_KEYS)
    assert [record.getMessage() for record in caplog.records] == [
        f"10 wrong keys came from {HERE} within a minute; no new admin key is looked at from "
        "there for 60 s"
    ]
    tick(WINDOW_SECONDS)
    wrong(made, HERE)
    assert len(caplog.records) == 2


# --- on the running gateway ---


async def guess(gateway: Gateway, path: str, times: int = WRONG_KEYS) -> list[int]:
    answers = [
        await gateway.request("GET", path, f"sk-guess-0123456789-{number}")
        for number in range(times)
    ]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("path", [*CALLS, f"{API}/keys", f"{API}/audit"])
async def test_guesses_on_any_route_close_the_admin_side(gateway: Gateway, path: str) -> None:
    """The admin key is new to the address, so it is refused like any guess."""
    assert await guess(gateway, path, WRONG_KEYS + 2) == [401] * WRONG_KEYS + [429] * 2
    closed = await gateway.manage("GET", "/keys")
    assert closed.status_code == 429
    assert closed.json()["error"]["type"] == "throttling_error"
    assert 1 <= int(closed.headers["retry-after"]) <= WINDOW_SECONDS


@pytest.mark.parametrize("path", CALLS)
async def test_no_other_route_tells_a_right_guess_from_a_wrong_one(
    gateway: Gateway, path: str
) -> None:
    await guess(gateway, path)
    wrong_guess = await gateway.request("GET", path, "sk-guess-0123456789-x")
    right_guess = await gateway.request("GET", path, gateway.admin_key)
    assert (wrong_guess.status_code, right_guess.status_code) == (429, 429)
    assert wrong_guess.json() == right_guess.json()


async def test_who_is_working_goes_on_working(gateway: Gateway, key: str) -> None:
    assert (await gateway.manage("GET", "/keys")).status_code == 200
    await guess(gateway, f"{API}/keys", 2 * WRONG_KEYS)
    assert (await gateway.manage("GET", "/keys")).status_code == 200
    assert (await gateway.request("GET", "/v1/models", gateway.admin_key)).status_code == 200
    # A gateway key may call, and is told nothing on the admin's side.
    assert (await gateway.chat(key)).status_code == 200
    assert (await gateway.request("GET", f"{API}/keys", key)).status_code == 429


async def test_what_is_no_guess_does_not_count(gateway: Gateway, key: str) -> None:
    revoked = await gateway.issue_key()
    await gateway.manage("DELETE", f"/keys/{revoked['id']}")
    for _ in range(WRONG_KEYS):
        for secret in (None, revoked["key"], key):
            for headers in ({}, {"authorization": "Basic abc"}):
                answer = await gateway.request("GET", f"{API}/keys", secret, headers=headers)
                assert answer.status_code == 401


async def test_forwarded_addresses_are_not_believed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default uvicorn believes whoever is on the host, and here whoever this names."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    async with serving(create_app(settings)) as url, http_client() as http:
        for number in range(WRONG_KEYS):
            forwarded = {
                "x-forwarded-for": f"198.51.100.{number}",
                "x-real-ip": f"198.51.100.{number}",
                "forwarded": f"for=198.51.100.{number}",
                "authorization": "Bearer sk-guess-0123456789",
            }
            await http.get(f"{url}{API}/keys", headers=forwarded)
        mine = {"authorization": f"Bearer {ADMIN_KEY}"}
        closed = await http.get(f"{url}{API}/keys", headers=mine)
        assert closed.status_code == 429
        assert "from 127.0.0.1" in closed.text


async def test_neither_the_warning_nor_the_answer_holds_a_secret(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    await guess(gateway, f"{API}/keys")
    closed = await gateway.request("GET", f"{API}/keys", "sk-guess-0123456789-x")
    for text in (caplog.text, closed.text):
        assert "127.0.0.1" in text
        assert "guess" not in text
