"""The charts of the Usage tab."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import sign_in
from tests.ledgers import ledger_row
from tests.servers import Gateway

DAY = "/ui/usage?start=2026-11-20&end=2026-11-20"
# How many of a canvas's pixels have about this colour.
_PIXELS = """
(canvas, [red, green, blue]) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const near = (at) =>
    Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 12;
  let found = 0;
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200 && near(at)) found += 1;
  return found;
}
"""
_BLUE = {"light": [0x34, 0x51, 0xD1], "dark": [0x8E, 0xA2, 0xFF]}
_RED = {"light": [0xC6, 0x2A, 0x20]}


async def put(gateway: Gateway, **fields: object) -> None:
    rows = [ledger_row(f"2026-11-20T{hour}:30:00", **fields) for hour in (23, 22, 18)]
    await gateway.app.state.services.store.ledger.write(rows, [])


async def pixels(page: Page, chart: str, colour: list[int]) -> int:
    canvas = page.locator(f"[data-chart={chart}] canvas")
    return int(await canvas.evaluate(_PIXELS, colour))


async def test_charts_show_what_the_table_has(admin: Page, gateway: Gateway) -> None:
    await put(gateway, outcome="failed", status=502)
    await admin.goto(DAY)
    await expect(admin.locator("[data-chart] canvas")).to_have_count(4)
    # Nothing was streamed.
    await expect(admin.get_by_text("Time to first token")).to_be_hidden()
    image = admin.get_by_role("img", name="Requests by hour: 3 in all, 3 of them errors")
    await expect(image).to_be_visible()
    # All were errors, which are drawn over them.
    assert await pixels(admin, "requests", _RED["light"]) > 500
    assert await pixels(admin, "requests", _BLUE["light"]) < 50
    # Of two hours in a row there is a line, of the one alone a point.
    assert await pixels(admin, "latency", _BLUE["light"]) > 20
    box = await admin.locator("[data-chart=requests] .u-over").bounding_box()
    assert box is not None
    await admin.mouse.move(box["x"] + box["width"] - 3, box["y"] + 20)
    await expect(admin.locator("[data-chart=requests] .u-legend")).to_contain_text(
        "Requests1Errors1 (100.0%)"
    )
    # The same hour is pointed out in all of them.
    await expect(admin.locator("[data-chart=tokens] .u-legend")).to_contain_text("Out5")
    # And leads to its requests.
    await admin.mouse.click(box["x"] + box["width"] - 3, box["y"] + 20)
    await admin.wait_for_url("**/ui/usage/requests?start=2026-11-20T23*")
    await expect(admin.locator("tbody tr")).to_have_count(1)


async def test_charts_follow_the_colour_scheme_and_the_width(admin: Page, gateway: Gateway) -> None:
    await put(gateway)
    await admin.emulate_media(color_scheme="light")
    await admin.goto(DAY)
    assert await pixels(admin, "cost", _BLUE["light"]) > 500
    await admin.emulate_media(color_scheme="dark")
    # With the browser's next frame.
    drawn = f"(colour) => ({_PIXELS})(document.querySelector('[data-chart=cost] canvas'), colour)"
    await admin.wait_for_function(f"(colour) => ({drawn})(colour) > 500", arg=_BLUE["dark"])
    assert await pixels(admin, "cost", _BLUE["light"]) == 0
    await admin.set_viewport_size({"width": 375, "height": 800})
    await expect(admin.locator("[data-chart=cost] canvas")).to_have_js_property("clientWidth", 315)
    assert await admin.evaluate("document.documentElement.scrollWidth") == 375


async def test_without_scripts_there_is_the_table(browser: Browser, gateway: Gateway) -> None:
    await put(gateway)
    context = await browser.new_context(base_url=gateway.url, java_script_enabled=False)
    page = await context.new_page()
    await sign_in(page, gateway)
    await page.goto(DAY)
    await expect(page.locator("figure").first).to_be_hidden()
    await page.get_by_text("The figures as a table").click()
    await expect(page.locator("#figures tbody tr").first).to_be_visible()
    await context.close()
