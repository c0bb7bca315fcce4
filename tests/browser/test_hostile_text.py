"""Texts that would be scripts or tags, in every field that is stored and shown."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.pages import pages_of
from tests.servers import FakeProvider, Gateway, answer, completion

ATTACKS = (
    "<img src=x onerror=\"window.hit='tag'\">",
    "\"><script>window.hit='attribute'</script>",
    "'-(window.hit='string')-'",
    "</textarea></code></script><svg onload=\"window.hit='raw'\">",
    "{{ 7 + 7 }}{% raw %}",
)
# Charts are drawn by the pages themselves.
_FOREIGN = "main img, main svg:not(.interval), main script"


@pytest.mark.parametrize("text", ATTACKS)
async def test_it_is_shown_and_nothing_else(
    admin: Page, gateway: Gateway, provider: FakeProvider, text: str
) -> None:
    # What the provider answers is stored nowhere, but shown.
    provider.does(lambda: answer(completion(text)))
    paths = await pages_of(gateway, text)
    for path in paths:
        await admin.goto(path)
        assert await admin.evaluate("() => window.hit") is None, path
        assert await admin.locator(_FOREIGN).count() == 0, path
    await admin.goto("/ui/models")
    await expect(admin.get_by_role("link", name=text, exact=True)).to_be_visible()
    await admin.get_by_role("button", name="Test").first.click()
    await expect(admin.locator(".below .notice")).to_contain_text("answered")
    assert await admin.evaluate("() => window.hit") is None
    await admin.goto("/ui/playground")
    await admin.get_by_label("Message", exact=True).fill(text)
    await admin.get_by_role("button", name="Send").click()
    await expect(admin.locator(".said.user")).to_have_text(text)
    await expect(admin.locator(".said.assistant")).not_to_have_class("waiting")
    assert await admin.evaluate("() => window.hit") is None


async def test_a_link_cannot_bring_a_script(admin: Page) -> None:
    for path in (
        "/ui/models?q=%3Cscript%3Ewindow.hit%3D1%3C/script%3E",
        "/ui/models?added=%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D1%3E",
        "/ui/keys?q=%22%3E%3Cscript%3Ewindow.hit%3D1%3C/script%3E&state=%3Cb%3E",
        "/ui/usage?model=%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D1%3E&by=%3Cb%3E",
        "/ui/usage/requests?tag=%22%3E%3Cscript%3Ewindow.hit%3D1%3C/script%3E&start=%3Cb%3E",
        "/ui/evals/runs?suite=%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D1%3E&deleted=%3Cb%3E",
        "/ui/evals/suites/new?dataset=%22%3E%3Cscript%3Ewindow.hit%3D1%3C/script%3E",
        "/ui/audit?target=%22%3E%3Cscript%3Ewindow.hit%3D1%3C/script%3E&since=%3Cb%3E",
        "/ui/settings?changed=%3Cscript%3Ewindow.hit%3D1%3C/script%3E",
        "/ui/none/%3Cscript%3Ewindow.hit%3D1%3C/script%3E",
    ):
        await admin.goto(path)
        assert await admin.evaluate("() => window.hit") is None, path
