"""Signing in, staying signed in, and being signed out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.console import sessions
from gateway.http.console.sessions import COOKIE
from gateway.http.console.signing_in import _inside
from gateway.specs import rotated
from gateway.throttle import WRONG_KEYS
from tests.http.console.conftest import Visitor, texts
from tests.servers import TESTER, Gateway


async def signed_in(visitor: Visitor) -> bool:
    page = await visitor.get("/ui/models")
    assert page.status_code in (200, 303)
    return page.status_code == 200


async def test_an_admin_key_signs_in_and_is_not_kept(stranger: Visitor) -> None:
    answer = await stranger.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/models")
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(rf"{COOKIE}=[\w.-]+; HttpOnly; Path=/ui; SameSite=strict", cookie, re.ASCII)
    page = await stranger.get("/ui/models")
    assert page.status_code == 200
    for kept in (cookie, page.text, str(page.headers)):
        assert stranger.gateway.admin_key not in kept


async def test_the_cookie_is_for_tls_alone_where_there_is_tls(stranger: Visitor) -> None:
    page = await stranger.get("/ui/sign-in", **{"x-forwarded-proto": "https"})
    assert "; Secure" in page.headers["set-cookie"]


@pytest.mark.parametrize("kind", ["wrong", "gateway", "empty", "revoked"])
async def test_no_other_key_signs_in_and_none_is_told_from_another(
    stranger: Visitor, gateway: Gateway, kind: str
) -> None:
    keys = {"wrong": "sk-wrong-0123456789abcdef", "empty": ""}
    if kind == "gateway":
        keys[kind] = (await gateway.issue_key())["key"]
    if kind == "revoked":
        issued = await gateway.issue_key()
        keys[kind] = issued["key"]
        await gateway.manage("DELETE", f"/keys/{issued['id']}")
    answer = await stranger.sign_in(keys[kind])
    assert answer.status_code == 401
    assert "This is no admin key, or it is good no more." in texts(answer)
    assert not keys[kind] or keys[kind] not in answer.text
    assert not await signed_in(stranger)


async def test_guesses_are_throttled(stranger: Visitor) -> None:
    await stranger.sign_in()
    for _ in range(WRONG_KEYS):
        assert (await stranger.sign_in("sk-wrong-0123456789abcdef")).status_code == 401
    answer = await stranger.sign_in("sk-wrong-0123456789abcdef")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many wrong keys" in texts(answer)
    # Who signed in from there before can do so again.
    assert (await stranger.sign_in()).status_code == 303


async def test_who_is_not_signed_in_comes_back_after_it(stranger: Visitor) -> None:
    sent = await stranger.get("/ui/models?q=a%26b")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/ui/sign-in?next=%2Fui%2Fmodels%3Fq%3Da%2526b"
    page = await stranger.get(sent.headers["location"])
    target = re.search(r'name="next" value="([^"]*)"', page.text)
    assert target is not None
    answer = await stranger.sign_in(next=target[1])
    assert answer.headers["location"] == "/ui/models?q=a%26b"


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "//evil.example/ui/", "/ui/..//evil.example", "/ui/\\evil.example",
     "/v1/models", "javascript:alert(1)", "/ui/\nx", ""],
)  # fmt: skip
async def test_signing_in_leads_nowhere_else(stranger: Visitor, url: str) -> None:
    assert (await stranger.sign_in(next=url)).headers["location"] == "/ui/models"


@given(st.text())
def test_whatever_is_next_is_a_page_of_the_console(text: str) -> None:
    assert _inside(text).startswith("/ui/")
    assert "//" not in _inside(text)


async def test_signing_out_ends_the_session_wherever_its_cookie_is(visitor: Visitor) -> None:
    cookie = visitor.http.cookies[COOKIE]
    answer = await visitor.post("/ui/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/sign-in")
    assert not await signed_in(visitor)
    visitor.http.cookies.set(COOKIE, cookie)
    assert not await signed_in(visitor)


async def test_another_session_goes_on_when_one_is_signed_out(visitor: Visitor) -> None:
    kept = visitor.http.cookies[COOKIE]
    visitor.http.cookies.clear()
    assert (await visitor.sign_in()).status_code == 303
    await visitor.post("/ui/sign-out")
    visitor.http.cookies.clear()
    visitor.http.cookies.set(COOKIE, kept)
    assert await signed_in(visitor)


@pytest.mark.parametrize("bound", ["IDLE_SECONDS", "LONGEST_SECONDS"])
async def test_a_session_is_over_after_a_while(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    assert await signed_in(visitor)
    monkeypatch.setattr(sessions, bound, -1)
    assert not await signed_in(visitor)


async def test_a_session_goes_on_while_it_is_used(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = visitor.http.cookies[COOKIE]
    monkeypatch.setattr(sessions, "_RENEWED_SECONDS", -1)
    page = await visitor.get("/ui/models")
    assert page.headers["set-cookie"].startswith(f"{COOKIE}=")
    began = first.partition(".")[0]
    # The same session: what differs is when it was seen.
    assert visitor.http.cookies[COOKIE].startswith(f"{began}.")


async def test_a_session_ends_with_its_key(stranger: Visitor, gateway: Gateway) -> None:
    store = gateway.app.state.services.store
    keys, _ = await store.keys.page(10, None)
    [admin] = [key for key in keys if key.is_admin]
    await stranger.sign_in()
    assert await signed_in(stranger)
    await _replace(gateway, admin.id, "sk-rotated-0123456789abcdef", "1h")
    # In the old secret's time of grace, it goes on.
    assert await signed_in(stranger)
    await _replace(gateway, admin.id, "sk-again-0123456789abcdef", None)
    assert not await signed_in(stranger)


async def _replace(gateway: Gateway, key_id: str, secret: str, grace: str | None) -> None:
    store = gateway.app.state.services.store
    await store.keys.change(
        key_id, lambda key: rotated(key, secret, grace, int(key.updated_at) + 1), TESTER
    )


@pytest.mark.parametrize("change", ["another", "cut", "unsigned", "nonsense"])
async def test_a_cookie_that_was_tampered_with_is_none(visitor: Visitor, change: str) -> None:
    payload, stamp, signature = visitor.http.cookies[COOKIE].rsplit(".", 2)
    forged = {
        "another": f"{payload[:-2]}AA.{stamp}.{signature}",
        "cut": f"{payload}.{stamp}.{signature[:-1]}",
        "unsigned": payload,
        "nonsense": "%00.;,",
    }[change]
    visitor.http.cookies.clear()
    page = await visitor.http.get("/ui/models", headers={"cookie": f"{COOKIE}={forged}"})
    assert page.status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
async def test_a_form_of_nobodys_changes_nothing(visitor: Visitor, token: str) -> None:
    answer = await visitor.post("/ui/models", {"csrf": token, "model_name": "x"})
    assert answer.status_code == 400
    assert "load the page again" in texts(answer)
    # Nor does it sign anybody out.
    assert (await visitor.post("/ui/sign-out", {"csrf": token})).status_code == 400
    assert await signed_in(visitor)


async def test_a_form_of_another_session_or_site_changes_nothing(
    visitor: Visitor, gateway: Gateway
) -> None:
    other = visitor.token
    visitor.http.cookies.clear()
    await visitor.sign_in()
    assert visitor.token != other
    answer = await visitor.post("/ui/keys", {"csrf": other, "label": "x"})
    assert answer.status_code == 400
    answer = await visitor.post("/ui/keys", {"label": "x"}, **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 400
    assert (await gateway.manage("GET", "/keys?label=x")).json()["data"] == []


async def test_signing_in_makes_a_new_session(stranger: Visitor) -> None:
    """What somebody planted before is worth nothing after."""
    await stranger.get("/ui/sign-in")
    planted, token = stranger.http.cookies[COOKIE], stranger.token
    await stranger.sign_in()
    assert (await stranger.post("/ui/keys", {"csrf": token, "label": "x"})).status_code == 400
    stranger.http.cookies.clear()
    stranger.http.cookies.set(COOKIE, planted)
    assert not await signed_in(stranger)
