"""Managing datasets, evaluators and suites over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.evals.conftest import EXACT, ROWS, SUITE, TONE, Evaluating
from tests.servers import Json

BOUNDARY = "boundary"


def form(**fields: str | tuple[str, str]) -> bytes:
    """A form's body: texts, and files as their name and content."""
    parts = ""
    for name, value in fields.items():
        filename, text = value if isinstance(value, tuple) else ("", value)
        named = f'; filename="{filename}"' if filename else ""
        parts += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n'
        parts += f"{text}\r\n"
    return f"{parts}--{BOUNDARY}--\r\n".encode()


async def upload(evals: Evaluating, status: int = 200, **fields: str | tuple[str, str]) -> Json:
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    response = await evals.gateway.request(
        "POST",
        "/api/v1/gateway/evals/datasets/faq/import",
        evals.gateway.admin_key,
        form(**fields),
        headers,
    )
    assert response.status_code == status, response.text
    return dict(response.json())


async def rows(evals: Evaluating) -> list[Any]:
    return [each["row"] for each in (await evals.do("GET", "/datasets/faq/rows"))["data"]]


async def changes(evals: Evaluating, kind: str) -> list[str]:
    found = (await evals.gateway.manage("GET", f"/audit?action={kind}")).json()["data"]
    assert all(entry["actor"]["label"] == "GATEWAY_ADMIN_KEY" for entry in found)
    return [entry["action"] for entry in reversed(found)]


async def test_a_dataset_is_made_changed_and_removed(evals: Evaluating) -> None:
    made = await evals.do("POST", "/datasets", {"name": "faq", "rows": ROWS}, 201)
    assert (made["object"], made["cases"]) == ("evals.dataset", 3)
    assert await evals.do("GET", f"/datasets/{made['id']}") == made
    assert await rows(evals) == ROWS
    described = await evals.do("PATCH", "/datasets/faq", {"description": "Capitals"})
    assert (described["description"], described["version"]) == ("Capitals", made["version"])
    replaced = await evals.do("PATCH", "/datasets/faq", {"rows": ROWS[:1]})
    assert (replaced["cases"], replaced["description"]) == (1, "Capitals")
    again = await evals.do("PATCH", "/datasets/faq", {"rows": ROWS})
    assert again["version"] == made["version"]
    assert (await evals.do("GET", "/datasets"))["data"] == [again]
    gone = await evals.do("DELETE", "/datasets/faq")
    assert gone == {"id": made["id"], "object": "evals.dataset", "deleted": True}
    assert (await evals.ask("GET", "/datasets/faq")).status_code == 404
    assert await changes(evals, "dataset") == [
        "dataset.add",
        *["dataset.update"] * 3,
        "dataset.remove",
    ]


async def test_rows_are_added_changed_and_removed_one_by_one(evals: Evaluating) -> None:
    await evals.do("POST", "/datasets", {"name": "faq", "rows": ROWS}, 201)
    added = {"rows": [{"id": "a/b", "input": "?", "hard": True}, {"input": "Without an id"}]}
    assert (await evals.do("POST", "/datasets/faq/rows", added))["cases"] == 5
    patch = {"expected": "!", "hard": None, "easy": 1}
    await evals.do("PATCH", "/datasets/faq/rows/a/b", patch)
    await evals.do("DELETE", "/datasets/faq/rows/uk")
    france, japan, changed, last = await rows(evals)
    assert [france, japan] == ROWS[1:]
    assert changed == {"id": "a/b", "input": "?", "expected": "!", "easy": 1}
    assert last["input"] == "Without an id"
    page = await evals.do("GET", "/datasets/faq/rows?limit=1&after=0")
    assert (page["data"][0]["row"], page["has_more"]) == (ROWS[2], True)
    for method, path, body, status in (
        ("DELETE", "/rows/none", None, 404),
        ("PATCH", "/rows/a/b", {"input": None}, 422),
        ("PATCH", "/rows/a/b", {"id": "japan"}, 422),
        ("POST", "/rows", {"rows": [{"id": "japan", "input": "?"}]}, 422),
        ("POST", "/rows", {"rows": {}}, 422),
        ("POST", "/rows", {"rows": [], "x": 1}, 422),
        ("GET", "/rows?after=x", None, 422),
        ("GET", "/rows?unknown=1", None, 422),
        ("GET", "/rows?limit=1&limit=2", None, 422),
    ):
        response = await evals.ask(method, f"/datasets/faq{path}", body)
        assert response.status_code == status, (path, response.text)
    assert len(await rows(evals)) == 4


@pytest.mark.parametrize("kind", ["csv", "jsonl", "yaml"])
async def test_what_is_exported_can_be_imported(evals: Evaluating, kind: str) -> None:
    odd = {"id": "=odd", "input": '=1+1 "quoted",\n two lines', "expected": {"a": [1]}, "n": 1.5}
    made = await evals.do("POST", "/datasets", {"name": "faq", "rows": [*ROWS, odd]}, 201)
    exported = await evals.ask("GET", f"/datasets/faq/export?format={kind}")
    assert exported.headers["content-disposition"] == f'attachment; filename="faq.{kind}"'
    await evals.do("PATCH", "/datasets/faq", {"rows": []})
    imported = await upload(evals, file=(f"x.{kind}", exported.text))
    assert imported["version"] == made["version"]
    appended = await upload(evals, file=("x", '{"input": "?"}'), format="jsonl", mode="append")
    assert appended["cases"] == 5


async def test_a_file_may_have_columns_of_other_names(evals: Evaluating) -> None:
    await evals.do("POST", "/datasets", {"name": "faq"}, 201)
    table = "Question,Answer\nCapital of the UK?,London\n"
    columns = json.dumps({"input": "Question", "expected": "Answer"})
    await upload(evals, file=("faq.csv", table), columns=columns)
    [row] = await rows(evals)
    assert (row["input"], row["expected"]) == ("Capital of the UK?", "London")
    for fields, param in (
        ({"file": "no file"}, "file"),
        ({"file": ("x.bin", "?")}, "file"),
        ({"file": ("x.jsonl", "{")}, None),
        ({"file": ("x.csv", table), "columns": "[]"}, "columns"),
        ({"file": ("x.csv", table), "mode": "merge"}, "mode"),
        ({"file": ("x.csv", table), "format": "xlsx"}, "format"),
        ({"file": ("x.csv", table), "more": "x"}, "more"),
    ):
        refused = await upload(evals, 422, **fields)
        assert param is None or refused["error"]["param"] == param
    assert await rows(evals) == [row]


async def test_an_evaluator_is_made_changed_and_removed(evals: Evaluating) -> None:
    made = await evals.do("POST", "/evaluators", TONE, 201)
    assert TONE.items() <= made.items()
    changed = await evals.do("PATCH", "/evaluators/tone", {"range": None, "pass_threshold": 0.5})
    assert "range" not in changed
    assert (changed["id"], changed["version"] == made["version"]) == (made["id"], False)
    refused = await evals.ask("PATCH", "/evaluators/tone", {"pass_threshold": 5})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "pass_threshold")
    await evals.do("POST", "/evaluators", TONE, 409)
    assert (await evals.do("GET", "/evaluators"))["data"] == [changed]
    await evals.do("DELETE", f"/evaluators/{made['id']}")
    assert (await evals.ask("GET", "/evaluators/tone")).status_code == 404
    assert await changes(evals, "evaluator") == [
        "evaluator.add",
        "evaluator.update",
        "evaluator.remove",
    ]


async def test_an_evaluator_is_tried_out(evals: Evaluating) -> None:
    await evals.set_up()
    row = {"input": "Capital of the UK?", "expected": "London"}
    tried = await evals.do("POST", "/evaluators/exact/test", {"row": row, "output": "Paris"})
    assert (tried["object"], tried["passed"], tried["judge_tokens"]) == ("evals.score", False, 0)
    tried = await evals.do("POST", "/evaluators/tone/test", {"row": row, "output": "London!"})
    assert (tried["passed"], tried["score"], tried["judge_tokens"]) == (True, 1.0, 17)
    evals.provider.judgement = "I would rather not say"
    tried = await evals.do("POST", "/evaluators/tone/test", {"row": row, "output": "London!"})
    assert (tried["passed"], tried["score"]) == (None, None)
    assert tried["error"]
    for body, param in (
        ({"row": row, "output": 5}, "output"),
        ({"row": row, "tool_calls": [5]}, "tool_calls"),
        ({"output": "x"}, None),
        ({"row": row, "x": 1}, "x"),
    ):
        refused = await evals.ask("POST", "/evaluators/exact/test", body)
        assert refused.status_code == 422
        assert param is None or refused.json()["error"]["param"] == param


async def test_a_suite_is_made_changed_and_removed(evals: Evaluating) -> None:
    gate = {"pass_rate": 0.9, "max_cost": 0.5}
    await evals.set_up(gate=gate, max_cost=1.5)
    made = await evals.do("GET", "/suites/ci")
    assert made["gate"] == gate | {"max_error_rate": None, "no_regression_vs": None}
    assert (made["max_cost"], made["repeat"], made["baseline"]) == (1.5, 1, None)
    changed = await evals.do("PATCH", "/suites/ci", {"gate": {"max_cost": None}, "repeat": 3})
    assert (changed["gate"]["pass_rate"], changed["gate"]["max_cost"]) == (0.9, None)
    for patch, param in (
        ({"dataset": "none"}, "dataset"),
        ({"evaluators": ["none"]}, "evaluator"),
        ({"baseline": "none"}, "run_id"),
        ({"repeat": 0}, "repeat"),
        ({"models": []}, "models"),
    ):
        refused = await evals.ask("PATCH", "/suites/ci", patch)
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, param)
    assert (await evals.do("GET", "/suites"))["data"] == [changed]
    for path in ("/datasets/faq", "/evaluators/exact"):
        assert (await evals.ask("DELETE", path)).status_code == 409
    await evals.do("DELETE", "/suites/ci")
    await evals.do("DELETE", "/evaluators/exact")
    assert await changes(evals, "suite") == ["suite.add", "suite.update", "suite.remove"]


async def test_a_suite_of_what_is_not_there_is_refused(evals: Evaluating) -> None:
    await evals.do("POST", "/evaluators", EXACT, 201)
    refused = await evals.ask("POST", "/suites", SUITE)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "dataset")
