"""What somebody does at the console, from the sign-in to the last click."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import sign_in
from tests.servers import FakeProvider, Gateway, answer


async def test_a_wrong_key_is_told_and_the_right_one_leads_back(
    page: Page, gateway: Gateway
) -> None:
    await page.goto("/ui/keys?q=x")
    await page.get_by_label("Admin key").fill("sk-wrong-0123456789abcdef")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("This is no admin key")).to_be_visible()
    await expect(page.get_by_label("Admin key")).to_have_value("")
    await page.get_by_label("Admin key").fill(gateway.admin_key)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/ui/keys?q=x")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/ui/sign-in")
    await page.goto("/ui/keys")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_the_key_is_nowhere_in_the_browser(
    admin: Page, context: BrowserContext, gateway: Gateway
) -> None:
    cookies = await context.cookies()
    assert [cookie["name"] for cookie in cookies] == ["gateway_session"]
    assert cookies[0]["httpOnly"]
    assert cookies[0]["sameSite"] == "Strict"
    kept = await admin.evaluate(
        "() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
    )
    assert kept == '["",{},{}]'
    assert gateway.admin_key not in cookies[0]["value"]


async def test_a_model_is_added_tested_changed_found_and_deleted(
    admin: Page, gateway: Gateway, talkative: FakeProvider
) -> None:
    await admin.get_by_role("link", name="Add the first model").click()
    await admin.get_by_label("Name", exact=False).first.fill("gpt")
    # What a provider needs is told as it is chosen.
    provider = admin.get_by_label("Provider", exact=True)
    await provider.select_option("azure")
    await expect(admin.locator("#provider-hint")).to_contain_text("Needs a base URL.")
    assert await admin.locator("#base_url").get_attribute("required") is not None
    await provider.select_option("openai")
    await expect(admin.locator("#provider-hint")).to_contain_text("Needs an API key.")
    assert await admin.locator("#base_url").get_attribute("required") is None
    await admin.get_by_label("API key").fill("sk-upstream-0123456789")
    await admin.get_by_label("Base URL").fill("nowhere")
    await admin.get_by_role("button", name="Add model").click()
    # In place, and with what was written.
    await expect(admin.locator("#base_url-problem")).to_be_visible()
    await expect(admin.get_by_label("Name", exact=False).first).to_have_value("gpt")
    await admin.get_by_label("API key").fill("sk-upstream-0123456789")
    await admin.get_by_label("Base URL").fill(f"{talkative.url}/v1")
    await admin.get_by_role("button", name="Add model").click()
    await expect(admin.get_by_role("status")).to_contain_text("“gpt” is registered.")

    await admin.get_by_role("button", name="Test gpt").click()
    tested = admin.locator(".below .notice")
    await expect(tested).to_contain_text("gpt answered")
    await expect(tested).to_contain_text("Hello from the fake provider.")
    assert re.search(r"in [\d.]+ m?s, for", await tested.inner_text())

    await gateway.add_model("other")
    await admin.goto("/ui/models")
    await admin.get_by_label("Search models").press_sequentially("oth")
    await expect(admin.get_by_role("link", name="gpt", exact=True)).to_have_count(0)
    await expect(admin.get_by_role("link", name="other", exact=True)).to_be_visible()
    await admin.get_by_label("Search models").fill("")
    await admin.get_by_role("link", name="gpt", exact=True).click()
    await admin.get_by_label("Name", exact=False).first.fill("renamed")
    await admin.get_by_role("button", name="Save").click()
    await expect(admin.get_by_role("status")).to_contain_text("“renamed” is changed")
    await admin.get_by_role("link", name="Delete renamed").click()
    await expect(admin.get_by_text("are refused from then on")).to_be_visible()
    await admin.get_by_role("button", name="Delete renamed").click()
    await expect(admin.get_by_role("status")).to_contain_text("“renamed” is deleted")
    await expect(admin.get_by_role("link", name="renamed", exact=True)).to_have_count(0)


async def test_a_key_is_generated_used_rotated_and_revoked(
    admin: Page, gateway: Gateway, context: BrowserContext
) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await gateway.add_model()
    await admin.get_by_role("link", name="Keys", exact=True).click()
    await admin.get_by_role("link", name="Generate key").click()
    await admin.get_by_label("Label").fill("app")
    await admin.get_by_label("gpt", exact=True).check()
    await admin.get_by_label("Requests a minute").fill("60")
    await admin.get_by_label("Budget, in dollars", exact=True).fill("10")
    await admin.get_by_label("Budget period").fill("1mo")
    await admin.get_by_role("button", name="Generate key").click()
    await expect(admin.get_by_role("status")).to_contain_text("it is shown this once")
    await admin.get_by_role("button", name="Copy").first.click()
    await expect(admin.get_by_role("button", name="Copied")).to_be_visible()
    secret = await admin.evaluate("() => navigator.clipboard.readText()")
    assert (await gateway.chat(secret)).status_code == 200
    await gateway.flush()

    await admin.get_by_role("link", name="I have copied it").click()
    await expect(admin.locator("dl")).to_contain_text("$0.00 of $10.00 in 1mo")
    await expect(admin.locator("dl time").first).to_be_visible()
    assert secret not in await admin.content()

    await admin.get_by_role("link", name="Rotate").click()
    await admin.get_by_label("The old secret is good for").fill("1h")
    await admin.get_by_role("button", name="Rotate").click()
    new = await admin.locator("code").first.inner_text()
    assert new != secret
    for each in (secret, new):
        assert (await gateway.chat(each)).status_code == 200
    await admin.get_by_role("link", name="I have copied it").click()

    await admin.get_by_role("button", name="Block").click()
    await expect(admin.locator(".state").first).to_have_text("blocked")
    await admin.get_by_role("button", name="Unblock").click()
    await expect(admin.locator(".state").first).to_have_text("active")

    await admin.get_by_role("link", name="Revoke").click()
    await expect(admin.get_by_text("Every call with it is answered with 401")).to_be_visible()
    await admin.get_by_role("button", name="Revoke app").click()
    await expect(admin.get_by_role("status")).to_contain_text("“app” is revoked")
    assert (await gateway.chat(new)).status_code == 401
    await admin.get_by_label("State").select_option("revoked")
    await expect(admin.get_by_role("link", name="app", exact=True)).to_be_visible()


async def test_two_models_are_asked_side_by_side(
    admin: Page, gateway: Gateway, talkative: FakeProvider
) -> None:
    prices = {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}
    await gateway.add_model("one", litellm_params={"model": "openai/a", **prices})
    await gateway.add_model("two", litellm_params={"model": "openai/b"})
    await admin.goto("/ui/playground")
    await admin.get_by_label("Two models side by side").check()
    await admin.get_by_label("Message", exact=True).fill("Hello")
    await admin.keyboard.press("Enter")
    for stats in (admin.locator(".stats").first, admin.locator(".stats").last):
        await expect(stats).to_contain_text("11 tokens in, 6 out")
        await expect(stats).to_contain_text("first token")
    await expect(admin.locator(".stats").first).to_contain_text("$0.023")
    await expect(admin.locator(".stats").last).to_contain_text("no known price")
    answers = admin.locator(".said.assistant")
    assert await answers.all_inner_texts() == ["Hello from the fake provider."] * 2
    assert sorted(each.body["model"] for each in talkative.received) == ["a", "b"]
    # The talk goes on with what was said.
    await admin.get_by_label("Message", exact=True).fill("And again")
    await admin.get_by_role("button", name="Send").click()
    await expect(answers).to_have_count(4)
    await expect(admin.get_by_role("button", name="Send")).to_be_enabled()
    assert [len(each.body["messages"]) for each in talkative.received] == [1, 1, 3, 3]
    await admin.get_by_role("button", name="Clear").click()
    await expect(admin.locator(".said")).to_have_count(0)


async def test_the_playground_tells_errors_and_can_be_stopped(
    admin: Page, gateway: Gateway, provider: FakeProvider
) -> None:
    await gateway.add_model()
    await admin.goto("/ui/playground")
    provider.does(lambda: answer({"error": {"message": "too busy"}}, 503))
    await admin.get_by_label("Message", exact=True).fill("Hello")
    await admin.get_by_role("button", name="Send").click()
    await expect(admin.locator(".said.failed")).to_contain_text("too busy")
    provider.hangs()
    await admin.get_by_label("Message", exact=True).fill("Hello")
    await admin.get_by_role("button", name="Send").click()
    await admin.get_by_role("button", name="Stop").click()
    await expect(admin.locator(".said.failed").last).to_contain_text("Stopped.")
    # Stopping reaches the provider.
    await provider.left.wait()


async def test_all_of_it_works_without_scripts(browser: Browser, gateway: Gateway) -> None:
    await gateway.add_model()
    plain = await browser.new_context(base_url=gateway.url, java_script_enabled=False)
    page = await plain.new_page()
    await sign_in(page, gateway)
    await page.get_by_role("button", name="Test gpt").click()
    await expect(page.locator(".notice")).to_contain_text("gpt answered")
    await page.goto("/ui/models")
    await page.get_by_label("Search models").fill("none")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_text("No model matches “none”.")).to_be_visible()
    await page.goto("/ui/keys/new")
    await page.get_by_role("button", name="Generate key").click()
    await expect(page.get_by_text("it is shown this once")).to_be_visible()
    await plain.close()


async def test_the_keyboard_reaches_all(admin: Page, gateway: Gateway) -> None:
    await gateway.add_model()
    await admin.goto("/ui/models")
    reached = []
    for _ in range(18):
        await admin.keyboard.press("Tab")
        reached.append(
            await admin.evaluate(
                "() => document.activeElement.ariaLabel || document.activeElement.innerText"
                " || document.activeElement.name"
            )
        )
    assert reached[0] == "Skip to the content"
    for wanted in ("Models", "Keys", "Usage", "Sign out", "Add model", "q", "gpt", "Test gpt",
                   "Delete gpt"):  # fmt: skip
        assert wanted in reached
    await admin.get_by_role("button", name="Test gpt").focus()
    outline = await admin.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("width", [375, 1280])
async def test_nothing_is_wider_than_the_screen(admin: Page, gateway: Gateway, width: int) -> None:
    long = "a-very-long-name-" * 8
    await gateway.add_model(long, base_url=f"{gateway.provider.url}/v1/{'x' * 80}")
    await gateway.issue_key(label=long, models=[long], tags=[long[:60]], max_budget=3)
    await admin.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        await admin.goto(path)
        wide = await admin.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= width, path


PAGES = (
    "/ui/models",
    "/ui/models/new",
    "/ui/keys",
    "/ui/keys/new",
    "/ui/playground",
)
