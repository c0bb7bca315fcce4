"""A real browser, without a screen: Debian's chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from starlette.requests import Request
from starlette.responses import Response

from tests.servers import FakeProvider, Gateway, answer, chunks, completion

CHROMIUM = "chromium"
_WAIT_MS = 10_000

expect.set_options(timeout=_WAIT_MS)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = shutil.which(CHROMIUM)
    if path is None:
        message = "needs chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    async with async_playwright() as playwright:
        # Its sandbox needs what containers do not give; the pages are the gateway's own.
        launched = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest.fixture
async def context(browser: Browser, gateway: Gateway) -> AsyncIterator[BrowserContext]:
    made = await browser.new_context(base_url=gateway.url)
    made.set_default_timeout(_WAIT_MS)
    yield made
    await made.close()


@pytest.fixture
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page that has not signed in. No script may fail, and nothing may break the policy."""
    opened = await context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "console",
        # What was asked for and is not there is the test's to judge.
        lambda said: (
            wrong.append(said.text)
            if said.type == "error" and "Failed to load resource" not in said.text
            else None
        ),
    )
    yield opened
    assert wrong == []


@pytest.fixture
async def admin(page: Page, gateway: Gateway) -> Page:
    """A page that has signed in, at the models."""
    await sign_in(page, gateway)
    return page


async def sign_in(page: Page, gateway: Gateway) -> None:
    await page.goto("/ui")
    await page.get_by_label("Admin key").fill(gateway.admin_key)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/ui/models")


@pytest.fixture
def talkative(provider: FakeProvider) -> FakeProvider:
    """A provider that answers whole where it is asked so, and streams where that is asked."""

    async def behaviour(request: Request) -> Response:
        body = await request.json()
        if not body.get("stream"):
            return answer(completion("Hello from the fake provider."))
        provider.streams(chunks())
        streamed = provider.behaviour
        provider.behaviour = behaviour
        assert streamed is not None
        return await streamed(request)

    provider.behaviour = behaviour
    return provider
