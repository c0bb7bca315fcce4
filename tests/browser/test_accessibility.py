"""Each page as axe-core sees it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page

from tests.browser.conftest import sign_in
from tests.browser.pages import pages_of
from tests.servers import Gateway

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"


def _axe() -> Path:
    if not AXE.exists():
        message = "needs axe-core: scripts/test installs it (npm ci in tests/)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return AXE


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 375)])
async def test_axe_finds_nothing(
    browser: Browser, gateway: Gateway, scheme: Literal["light", "dark"], width: int
) -> None:
    axe = _axe()
    # axe is no script of the gateway's.
    context = await browser.new_context(
        base_url=gateway.url,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        bypass_csp=True,
    )
    page = await context.new_page()
    found = await _violations(page, axe, "/ui/sign-in")
    await sign_in(page, gateway)
    # Empty, and with something on them.
    for path in (
        *("/ui/models", "/ui/keys", "/ui/playground", "/ui/usage", "/ui/usage/requests"),
        *("/ui/evals", "/ui/evals/datasets", "/ui/evals/suites/new"),
    ):
        found |= await _violations(page, axe, path)
    for path in await pages_of(gateway):
        found |= await _violations(page, axe, path)
    await context.close()
    assert found == {}


async def _violations(page: Page, axe: Path, path: str) -> dict[str, Any]:
    """What is wrong with a page, with folded parts open, by its path."""
    await page.goto(path)
    await page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    await page.add_script_tag(path=axe)
    result = await page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    wrong = [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in result["violations"]
        for node in each["nodes"]
    ]
    return {path: wrong} if wrong else {}
