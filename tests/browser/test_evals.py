"""An evaluation from the import of a dataset to the comparison of two runs."""

from __future__ import annotations

import asyncio

from playwright.async_api import FilePayload, Page, expect
from starlette.requests import Request
from starlette.responses import Response

from tests.servers import FakeProvider, Gateway, answer, completion

ROWS = "id,input,expected\nuk,Capital of the UK?,London\nfr,Capital of France?,Paris\n"
CITIES = {"UK": "London", "France": "Paris"}


def csv(text: str) -> FilePayload:
    return {"name": "faq.csv", "mimeType": "text/csv", "buffer": text.encode()}


async def test_from_a_file_to_the_comparison_of_two_runs(
    admin: Page, gateway: Gateway, provider: FakeProvider
) -> None:
    free, wrong = asyncio.Event(), {"UK"}

    async def knows(request: Request) -> Response:
        await free.wait()
        asked = (await request.json())["messages"][-1]["content"]
        [country] = [each for each in CITIES if each in asked]
        return answer(completion("Atlantis" if country in wrong else CITIES[country]))

    provider.behaviour = knows
    await gateway.add_model()
    await admin.get_by_role("link", name="Evaluations", exact=True).click()
    await admin.get_by_role("link", name="Import a dataset").click()
    await admin.get_by_role("textbox", name="Name required").fill("faq")
    await admin.get_by_label("File").set_input_files(csv("id,question\n1,why\n"))
    await admin.get_by_role("button", name="Import").click()
    await expect(admin.locator("#file-problem")).to_contain_text("faq.csv line 2, input")
    await admin.get_by_label("File").set_input_files(csv(ROWS))
    await admin.get_by_role("button", name="Import").click()
    await expect(admin.get_by_role("row", name="uk Capital of the UK? London")).to_be_visible()

    await admin.get_by_role("link", name="Evaluators", exact=True).click()
    await admin.get_by_role("link", name="Make the first evaluator").click()
    await admin.get_by_role("textbox", name="Name required").fill("exact")
    # The example goes with the type, until somebody writes another.
    await admin.get_by_label("Type").select_option("regex")
    await expect(admin.locator("#type-hint")).to_contain_text("regular expression")
    await expect(admin.get_by_label("Parameters")).to_have_value("""{
  "pattern": "\\\\d{4}-\\\\d{2}-\\\\d{2}"
}""")
    await admin.get_by_label("Type").select_option("string_check")
    await admin.get_by_role("button", name="Make evaluator").click()
    await admin.get_by_label("Answer").fill("Rome")
    await admin.get_by_label("Expected").fill("Paris")
    await admin.get_by_role("button", name="Try").click()
    await expect(admin.locator("#trial")).to_contain_text("Failed")

    await admin.get_by_role("link", name="Suites", exact=True).click()
    await admin.get_by_role("link", name="Make the first suite").click()
    await admin.get_by_role("textbox", name="Name required").fill("ci")
    # What there is but one of is chosen.
    await expect(admin.get_by_label("gpt", exact=True)).to_be_checked()
    await admin.get_by_label("Pass rate, at least").fill("0.9")
    await admin.get_by_role("button", name="Make suite").click()
    await admin.get_by_role("button", name="Run", exact=True).click()
    await expect(admin.locator("#progress")).to_contain_text("0 of 2 calls")
    await expect(admin.get_by_role("button", name="Cancel")).to_be_visible()
    free.set()
    # The page is asked for anew once the run has ended.
    await expect(admin.get_by_role("heading", name="Gate failed")).to_be_visible()
    await expect(admin.locator("details.answer")).to_have_count(1)
    await expect(admin.locator("details.answer")).to_contain_text("Atlantis")
    await expect(admin.get_by_role("row", name="gpt exact 50%")).to_be_visible()
    await admin.get_by_role("button", name="Make it the baseline").click()
    await expect(admin.get_by_text("This is the baseline of ci")).to_be_visible()

    wrong.clear()
    await admin.get_by_role("button", name="Run again").click()
    await expect(admin.get_by_role("heading", name="Gate passed")).to_be_visible()
    await admin.get_by_role("link", name="Compare").click()
    await admin.get_by_role("button", name="Compare").first.click()
    await expect(admin.get_by_role("row", name="gpt exact")).to_contain_text("+50.0")
    await expect(admin.locator("details.answer")).to_contain_text("uk")
    async with admin.expect_download() as downloading:
        await admin.get_by_role("link", name="ci, ").click()
        await admin.get_by_role("link", name="report.csv").click()
    assert (await downloading.value).suggested_filename == "report.csv"
    await admin.get_by_role("link", name="report.html").click()
    await expect(admin.get_by_role("heading", name="Results")).to_be_visible()
