"""What the routes of evaluations answer is what the OpenAPI document says."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.app import create_app
from gateway.http.openapi import evals_answers
from gateway.http.openapi.document import document
from gateway.http.openapi.examples import EXAMPLES
from gateway.settings import Settings
from tests.documented import Documented
from tests.http.evals.conftest import Evaluating

# What an evaluator has besides depends on its type.
CLOSED = [
    name
    for name, kind in vars(evals_answers).items()
    if getattr(kind, "__module__", "") == evals_answers.__name__ and name != "Evaluator"
]


@pytest.fixture(scope="module")
def documented() -> Documented:
    return Documented(document(create_app(Settings()).routes), CLOSED)


async def test_all_answers(evals: Evaluating, documented: Documented) -> None:
    async def ask(method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        response = await evals.ask(method, path, body)
        assert response.status_code == status, response.text
        documented.check(response)
        json = response.headers["content-type"] == "application/json"
        return dict(response.json()) if json else {}

    for name in ("gpt-4o", "judge"):
        await evals.gateway.add_model(name, litellm_params={"model": "gpt-4o"})
    await ask("POST", "/datasets", EXAMPLES["add_dataset"], 201)
    await ask("POST", "/datasets/faq/rows", EXAMPLES["add_rows"])
    await ask("PATCH", "/datasets/faq/rows/fr", EXAMPLES["change_row"])
    await ask("PATCH", "/datasets/faq", EXAMPLES["change_dataset"])
    for path in ("/datasets", "/datasets/faq", "/datasets/faq/rows?limit=1"):
        await ask("GET", path)
    for kind in ("csv", "jsonl", "yaml"):
        await ask("GET", f"/datasets/faq/export?format={kind}")
    await ask("POST", "/evaluators", EXAMPLES["add_evaluator"], 201)
    await ask("PATCH", "/evaluators/exact", EXAMPLES["change_evaluator"])
    await ask("POST", "/evaluators/exact/test", EXAMPLES["try_evaluator"])
    await ask("GET", "/evaluators")
    await ask("GET", "/evaluators/exact")
    await ask("POST", "/suites", EXAMPLES["add_suite"], 201)
    await ask("PATCH", "/suites/ci", EXAMPLES["change_suite"])
    first = await evals.ended((await ask("POST", "/runs", EXAMPLES["start_run"], 202))["id"])
    await ask("PATCH", "/suites/ci", {"baseline": first["id"]})
    await ask("GET", "/suites")
    await ask("GET", "/suites/ci")
    evals.provider.wrong = {"France"}
    begun = await ask("POST", f"/runs/{first['id']}/rerun", EXAMPLES["rerun"], 202)
    run = f"/runs/{begun['id']}"
    await evals.ended(begun["id"])
    for path in (
        "/runs?limit=1&suite=ci",
        run,
        f"{run}/progress",
        f"{run}/items?status=failed",
        f"{run}/outdated",
        f"{run}/compare/{first['id']}",
        f"{run}/report.html",
        f"{run}/report.json",
        f"{run}/report.csv",
        f"{run}/junit.xml",
    ):
        await ask("GET", path)
    await ask("POST", f"{run}/cancel")
    await ask("POST", f"{run}/resume", EXAMPLES["resume_run"], 409)
    await ask("DELETE", "/evaluators/exact", status=409)
    await ask("GET", "/runs/none", status=404)
    await ask("GET", f"{run}/items?status=none", status=422)
    await ask("DELETE", run)
    await ask("DELETE", "/suites/ci")
    await ask("DELETE", "/evaluators/exact")
    await ask("DELETE", "/datasets/faq/rows/fr")
    await ask("DELETE", "/datasets/faq")


async def test_all_answers_of_openai_s_api(evals: Evaluating, documented: Documented) -> None:
    async def ask(method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        key = evals.gateway.admin_key
        response = await evals.gateway.request(method, f"/v1/evals{path}", key, body)
        assert response.status_code == status, response.text
        documented.check(response)
        return dict(response.json())

    await evals.gateway.add_model("gpt-4o")
    one = f"/{(await ask('POST', '', EXAMPLES['openai_create_eval'], 201))['id']}"
    await ask("POST", one, EXAMPLES["openai_update_eval"])
    begun = await ask("POST", f"{one}/runs", EXAMPLES["openai_create_run"], 201)
    await evals.ended(begun["id"])
    run = f"{one}/runs/{begun['id']}"
    [item] = (await ask("GET", f"{run}/output_items?status=pass"))["data"]
    for path in (
        "?limit=1&order=desc",
        one,
        f"{one}/runs",
        run,
        f"{run}/output_items/{item['id']}",
    ):
        await ask("GET", path)
    await ask("POST", run)
    await ask("GET", f"{run}/output_items?status=x", status=400)
    await ask("GET", "?limit=0", status=400)
    await ask("GET", "/none", status=404)
    await ask("POST", "", {}, 400)
    await ask("DELETE", run)
    await ask("DELETE", one)
