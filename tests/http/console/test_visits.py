"""What holds for every page."""

from __future__ import annotations

import gzip
import re

import pytest

from gateway.http.console import models, routes
from gateway.http.console.assets import _assets, asset_url
from tests.http.console.conftest import Visitor, texts
from tests.servers import Gateway

PLAIN = sorted(
    route.path
    for route in routes()
    if "GET" in (route.methods or ())
    and "{" not in route.path
    # Files to be kept.
    and not route.path.endswith(".csv")
    # They lead on, or need to be told which model.
    and route.path not in ("/ui", "/ui/sign-in", "/ui/models/edit", "/ui/models/delete")
)


@pytest.mark.parametrize("path", ["/ui/models", "/ui/keys/new", "/ui/sign-in", "/ui/none"])
async def test_nothing_but_the_consoles_own_is_loaded_or_run(visitor: Visitor, path: str) -> None:
    page = await visitor.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PLAIN)
async def test_no_page_holds_what_its_policy_forbids(visitor: Visitor, path: str) -> None:
    await visitor.gateway.add_model()
    page = await visitor.get(path)
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*application/json)", page.text)
    assert not re.search(r"<[^>]*\s(style|on\w+)=", page.text)
    assert not re.search(r"(src|href|action)=\"(https?:)?//", page.text)
    assert "<title>" in page.text
    assert '<html lang="en">' in page.text


@pytest.mark.parametrize("path", PLAIN)
async def test_a_page_is_light(visitor: Visitor, path: str) -> None:
    await visitor.gateway.add_model()
    page = await visitor.get(path)
    loaded = [name for name in _assets() if asset_url(name) in page.text]
    total = len(gzip.compress(page.content)) + sum(len(_assets()[name].zipped) for name in loaded)
    # Charts are apart.
    total -= sum(len(_assets()[name].zipped) for name in loaded if name.startswith("uPlot"))
    assert total < 50_000


async def test_what_is_no_page_is_told_on_one(visitor: Visitor) -> None:
    page = await visitor.get("/ui/none")
    assert page.status_code == 404
    assert "There is no such page" in texts(page)
    assert page.headers["content-type"].startswith("text/html")


async def test_assets_are_kept_and_zipped(gateway: Gateway) -> None:
    url = asset_url("console.css")
    zipped = await gateway.http.get(gateway.url + url, headers={"accept-encoding": "gzip"})
    plain = await gateway.http.get(gateway.url + url, headers={"accept-encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.content == plain.content
    assert "immutable" in plain.headers["cache-control"]
    for wrong in ("/ui/static/0/console.css", f"{url}x", "/ui/static/0/..%2Fassets.py"):
        assert (await gateway.http.get(gateway.url + wrong)).status_code in (303, 404)


async def test_a_form_has_an_end(visitor: Visitor) -> None:
    fields = {f"field{number}": "x" for number in range(300)}
    answer = await visitor.post("/ui/keys", fields)
    assert answer.status_code == 400
    assert "The form cannot be read" in texts(answer)
    raw = await visitor.http.post("/ui/keys", content=b"csrf=%ff%fe\xff")
    assert raw.status_code == 400


async def test_a_fault_of_the_gateways_own_is_a_page(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(models, "_line", broken)
    await visitor.gateway.add_model()
    page = await visitor.get("/ui/models")
    assert page.status_code == 500
    assert "Something went wrong inside the gateway" in texts(page)
    assert "secret detail" not in page.text
    assert "secret detail" in caplog.text


async def test_a_part_of_a_page_leads_to_the_sign_in_as_a_whole(stranger: Visitor) -> None:
    part = await stranger.get("/ui/models", **{"hx-request": "true"})
    assert part.headers["hx-redirect"] == "/ui/sign-in"
    assert part.text == ""
