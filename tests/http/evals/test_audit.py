"""What is changed of evaluations is in the audit log, whoever does it."""

from __future__ import annotations

from typing import Any

from tests.http.evals.conftest import EXACT, ROWS, SUITE, Evaluating
from tests.http.evals.test_managing import BOUNDARY, form
from tests.http.evals.test_openai_evals import ASKED, CONFIG
from tests.http.evals.test_openai_evals import EXACT as GRADER
from tests.servers import Json

API = "/api/v1/gateway/evals"
# What to ask one after the other, and what is then noted. `{…}` is an id that an answer had before.
CHANGES: list[tuple[str, str, Any, str]] = [
    ("POST", f"{API}/datasets", {"name": "faq", "rows": ROWS}, "dataset.add"),
    ("PATCH", f"{API}/datasets/faq", {"description": "x"}, "dataset.update"),
    ("POST", f"{API}/datasets/faq/rows", {"rows": [{"id": "n", "input": "?"}]}, "dataset.update"),
    ("PATCH", f"{API}/datasets/faq/rows/n", {"expected": "!"}, "dataset.update"),
    ("DELETE", f"{API}/datasets/faq/rows/n", None, "dataset.update"),
    (
        "POST",
        f"{API}/datasets/faq/import",
        form(file=("x.jsonl", '{"input": "Capital of UK?", "expected": "London"}')),
        "dataset.update",
    ),
    ("POST", f"{API}/evaluators", EXACT, "evaluator.add"),
    ("PATCH", f"{API}/evaluators/exact", {"operation": "ilike"}, "evaluator.update"),
    ("POST", f"{API}/suites", SUITE | {"max_cost": 0.000001}, "suite.add"),
    ("PATCH", f"{API}/suites/ci", {"repeat": 2, "concurrency": 1}, "suite.update"),
    ("POST", f"{API}/runs", {"suite": "ci"}, "run.add"),
    ("POST", f"{API}/runs/{{failed}}/rerun", {}, "run.add"),
    ("POST", f"{API}/runs/{{failed}}/resume", {"max_cost": 1}, "run.resume"),
    ("POST", f"{API}/runs/{{running}}/cancel", None, "run.cancel"),
    ("DELETE", f"{API}/runs/{{running}}", None, "run.remove"),
    ("DELETE", f"{API}/suites/ci", None, "suite.remove"),
    ("DELETE", f"{API}/evaluators/exact", None, "evaluator.remove"),
    ("DELETE", f"{API}/datasets/faq", None, "dataset.remove"),
    (
        "POST",
        "/v1/evals",
        {"data_source_config": CONFIG, "testing_criteria": [GRADER]},
        "openai_eval.add",
    ),
    ("POST", "/v1/evals/{eval}", {"name": "x"}, "openai_eval.update"),
    ("POST", "/v1/evals/{eval}/runs", {"data_source": ASKED}, "run.add"),
    ("POST", "/v1/evals/{eval}/runs/{run}", None, "run.cancel"),
    ("DELETE", "/v1/evals/{eval}/runs/{run}", None, "run.remove"),
    ("DELETE", "/v1/evals/{eval}", None, "openai_eval.remove"),
]
# What calls models, and changes nothing.
CALLS = {("POST", f"{API}/evaluators/x/test")}


async def test_every_change_is_there(evals: Evaluating) -> None:
    gateway = evals.gateway
    await gateway.add_model("gpt", litellm_params={"model": "gpt-4o"})
    ids: dict[str, str] = {}
    multipart = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}

    async def entries() -> list[Json]:
        answered = await gateway.manage("GET", "/audit?limit=1000")
        return list(answered.json()["data"])

    for method, template, body, action in CHANGES:
        path = template.format(**ids)
        if path.endswith("/rerun"):
            # At its cap, which is to be before the provider answers no more.
            await evals.ended(ids["failed"])
        before = await entries()
        headers = multipart if isinstance(body, bytes) else {}
        answered = await gateway.request(method, path, gateway.admin_key, body, headers)
        assert answered.status_code in (200, 201, 202), answered.text
        fresh = (await entries())[: -len(before)]
        assert [entry["action"] for entry in fresh] == [action], path
        assert fresh[0]["actor"]["label"] == "GATEWAY_ADMIN_KEY"
        assert fresh[0]["before"] != fresh[0]["after"]
        _remember(ids, template, answered.json())
        if template.endswith("/rerun"):
            gateway.provider.hangs()


def _remember(ids: dict[str, str], template: str, answer: Json) -> None:
    names = {
        f"{API}/runs": "failed",
        f"{API}/runs/{{failed}}/resume": "running",
        "/v1/evals": "eval",
        "/v1/evals/{eval}/runs": "run",
    }
    if template in names:
        ids[names[template]] = answer["id"]
