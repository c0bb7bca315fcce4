"""Makes the pictures in docs/screenshots of a gateway with a month of made-up use.

Run by scripts/screenshots.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, async_playwright

from gateway.app import create_app
from gateway.periods import DAY
from gateway.records import LedgerRow
from gateway.settings import Settings
from tests.browser.conftest import CHROMIUM, sign_in
from tests.conftest import ADMIN_KEY
from tests.ledgers import ledger_row
from tests.servers import FakeProvider, Gateway, chunks, http_client, serving

INTO = Path(__file__).parents[2] / "docs" / "screenshots"
PAGES = {
    "models": "/ui/models",
    "model": "/ui/models/new",
    "keys": "/ui/keys",
    "usage": "/ui/usage?start=30d",
    "playground": "/ui/playground",
}
DAYS = 30
# Names, providers, and what a token in and a token out cost, in nano-dollars.
MODELS = (
    ("gpt-4o", "openai", 2500, 10_000),
    ("claude-sonnet", "anthropic", 3000, 15_000),
    ("llama-3.3", "hosted_vllm", 100, 300),
)
KEYS: tuple[dict[str, Any], ...] = (
    {"label": "support bot", "rpm_limit": 600, "max_budget": 250, "budget_duration": "1mo"},
    {"label": "nightly reports", "max_budget": 40, "budget_duration": "1mo", "tags": ["batch"]},
    {"label": "notebooks", "rpm_limit": 60, "tpm_limit": 100_000, "duration": "90d"},
)
ANSWER = (
    "A gateway stands between your programs and the providers of models: it holds their keys, "
    "counts what is used, and keeps each caller within its budget."
)


async def main() -> None:
    chosen = random.Random(7)
    provider = FakeProvider()
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(f"sqlite:///{directory}/gateway.db", admin_key=ADMIN_KEY)
        app = create_app(settings)
        async with (
            serving(provider.app()) as provider.url,
            serving(app) as url,
            http_client() as http,
            async_playwright() as playwright,
        ):
            await app.state.services.lane.wait()
            gateway = Gateway(url, ADMIN_KEY, provider, app, http)
            await _use(gateway, chosen)
            browser = await playwright.chromium.launch(
                executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"]
            )
            provider.streams(chunks(ANSWER))
            await _take(browser, gateway, "light", 1200, *PAGES)
            await _take(browser, gateway, "dark", 1200, "keys", "usage", "playground")
            await _take(browser, gateway, "light", 375, "models", "usage")
            await browser.close()


async def _use(gateway: Gateway, chosen: random.Random) -> None:
    """Models, keys, and rows of a month."""
    for name, provider, prompt, completion in MODELS:
        params = {"input_cost_per_token": prompt / 1e9, "output_cost_per_token": completion / 1e9}
        await gateway.add_model(name, provider=provider, litellm_params=params)
    keys = [(await gateway.issue_key(**key))["id"] for key in KEYS]
    groups = gateway.app.state.services.registry.catalogue.groups
    now = time.time()
    rows = []
    for day in range(DAYS):
        # Fewer on a weekend, and more from week to week.
        began = now - (DAYS - day) * DAY
        weekend = time.gmtime(began).tm_wday >= 5
        for _ in range(int((25 if weekend else 60) * (1 + day / DAYS))):
            name, provider, prompt, completion = chosen.choices(MODELS, (5, 3, 2))[0]
            deployment = groups[name].deployments[0].id
            rows.append(
                _row(
                    chosen,
                    round((began + chosen.uniform(0, DAY)) * 1000),
                    key_id=chosen.choices(keys, (6, 2, 3))[0],
                    model=name,
                    served_model=name,
                    deployment_id=deployment,
                    provider=provider,
                    prices=(prompt, completion),
                )
            )
    await gateway.app.state.services.store.ledger.write(rows, [])


def _row(chosen: random.Random, at: int, prices: tuple[int, int], **fields: Any) -> LedgerRow:
    prompt, completion = chosen.randint(200, 6000), chosen.randint(20, 900)
    fails = chosen.random() < 0.015
    first = chosen.randint(180, 900)
    used = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost": prompt * prices[0] + completion * prices[1],
        "latency_ms": first + completion * chosen.randint(8, 20),
        "first_token_ms": first,
        "stream": True,
    }
    failed = {
        "status": 429,
        "error": "throttling_error",
        "outcome": "failed",
        "cost": 0,
        "latency_ms": 90,
    }
    return ledger_row(at, **fields, **(failed if fails else used))


async def _take(
    browser: Browser, gateway: Gateway, scheme: Literal["light", "dark"], width: int, *names: str
) -> None:
    context = await browser.new_context(
        base_url=gateway.url,
        color_scheme=scheme,
        viewport={"width": width, "height": 760},
        device_scale_factor=1,
        locale="en-GB",
    )
    page = await context.new_page()
    await sign_in(page, gateway)
    suffix = "" if width > 1000 else "-phone"
    for name in names:
        await page.goto(PAGES[name])
        if name == "playground":
            await page.get_by_label("Two models side by side").check()
            await page.locator("#model-1").select_option("gpt-4o")
            await page.locator("#model-2").select_option("llama-3.3")
            await page.get_by_label("Message", exact=True).fill("What is an LLM gateway?")
            await page.keyboard.press("Enter")
            await page.locator(".stats", has_text="all").nth(1).wait_for()
        # Charts are drawn after the page has come.
        await page.wait_for_load_state("networkidle")
        await page.evaluate("() => document.activeElement.blur()")
        await page.screenshot(path=INTO / f"{name}{suffix}-{scheme}.png", full_page=True)
    await context.close()


if __name__ == "__main__":
    asyncio.run(main())
