"""Suites in the Evaluations tab."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.console.conftest import Visitor, texts
from tests.http.evals.conftest import Evaluating

FORM: dict[str, str | list[str]] = {
    "name": "nightly",
    "dataset": "faq",
    "model": ["gpt", "judge"],
    "further_models": "{{item.before}}",
    "evaluator": ["exact", "tone"],
    "messages": '[{"role": "user", "content": "{{item.input}}"}]',
    "params": '{"temperature": 0}',
    "repeat": "2",
    "concurrency": "8",
    "max_cost": "1.5",
    "gate_pass_rate": "0.9",
    "gate_max_error_rate": "0.1",
    "gate_max_cost": "$2",
    "gate_no_regression_vs": "baseline",
}
SUITE: dict[str, Any] = {
    "name": "nightly",
    "dataset": "faq",
    "models": ["gpt", "judge", "{{item.before}}"],
    "evaluators": ["exact", "tone"],
    "messages": [{"role": "user", "content": "{{item.input}}"}],
    "params": {"temperature": 0},
    "repeat": 2,
    "concurrency": 8,
    "max_cost": 1.5,
    "gate": {
        "pass_rate": 0.9,
        "max_error_rate": 0.1,
        "max_cost": 2,
        "no_regression_vs": "baseline",
    },
    "baseline": None,
}


async def test_one_is_made_changed_and_deleted(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up()
    await visitor.get("/ui/evals/suites/new")
    answer = await visitor.post("/ui/evals/suites", FORM)
    assert answer.status_code == 303, texts(answer)
    path = answer.headers["location"]
    made = await evals.do("GET", "/suites/nightly")
    assert made.items() >= SUITE.items()
    assert 'Parameters { "temperature": 0 }' in texts(await visitor.get(path))
    # What the form shows of it is what it is.
    page = await visitor.get(f"{path}/edit")
    for shown in (
        'name="model" value="gpt" checked',
        'name="evaluator" value="tone" checked',
        'value="{{item.before}}"',
        'name="max_cost" type="text" value="1.5"',
        'name="gate_pass_rate" type="text" value="0.9"',
    ):
        assert shown in page.text
    form = FORM | {"name": "weekly", "further_models": "", "messages": "", "gate_pass_rate": ""}
    assert (await visitor.post(f"{path}/edit", form)).status_code == 303
    now = await evals.do("GET", "/suites/weekly")
    assert (now["models"], now["messages"]) == (["gpt", "judge"], [])
    assert now["gate"]["pass_rate"] is None
    assert "weekly" in texts(await visitor.get("/ui/evals/suites"))
    gone = await visitor.post(f"{path}/delete")
    assert "“weekly” is deleted" in texts(await visitor.get(gone.headers["location"]))


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"name": ""}, "name"),
        ({"name": "ci"}, "Another suite is called 'ci'"),
        ({"dataset": "none"}, "No dataset is called 'none'"),
        ({"model": [], "further_models": ""}, "models"),
        ({"evaluator": ["none"]}, "No evaluator is called 'none'"),
        ({"messages": "["}, "messages is not valid JSON"),
        ({"params": '{"stream": true}'}, "is what a run sets by itself"),
        ({"repeat": "many"}, "repeat takes a whole number, not 'many'"),
        ({"repeat": "101"}, "repeat"),
        ({"gate_pass_rate": "90"}, "gate.pass_rate"),
        ({"gate_max_cost": "x"}, "gate.max_cost takes a number, not 'x'"),
    ],
)
async def test_what_is_wrong_is_told_in_its_place(
    visitor: Visitor, evals: Evaluating, form: dict[str, str | list[str]], told: str
) -> None:
    await evals.set_up()
    await visitor.get("/ui/evals/suites/new")
    answer = await visitor.post("/ui/evals/suites", FORM | form)
    assert answer.status_code in (409, 422)
    problem = answer.text.partition('<p class="problem"')[2].partition("</p>")[0]
    assert told in texts(answer)
    assert problem
    assert "&#34;role&#34;" in answer.text or "messages" in form, "what was written stays"


async def test_nothing_to_make_one_of_is_told(visitor: Visitor) -> None:
    assert "No suites yet" in texts(await visitor.get("/ui/evals/suites"))
    said = texts(await visitor.get("/ui/evals/suites/new"))
    assert "There is no dataset yet" in said
    assert "No model is registered yet." in said
    assert "There is no evaluator yet." in said


async def test_it_runs_under_another_name_with_another_key_and_cap(
    visitor: Visitor, evals: Evaluating
) -> None:
    await evals.set_up()
    key = await evals.gateway.issue_key(label="<ci>", models=["gpt"])
    suite = await evals.do("GET", "/suites/ci")
    path = f"/ui/evals/suites/{suite['id']}"
    assert "&lt;ci&gt;</option>" in (await visitor.get(path)).text
    form = {"name": "new prompt", "key_id": key["id"], "max_cost": "2.5"}
    answer = await visitor.post(f"{path}/run", form)
    run = await evals.ended(answer.headers["location"].rpartition("/")[2])
    assert (run["name"], run["suite"], run["key_id"]) == ("new prompt", "ci", key["id"])
    assert run["max_cost"] == 2.5
    for wrong, told in (
        ({"max_cost": "much"}, "max_cost takes a number, not 'much'"),
        ({"key_id": "none"}, "the key 'none' cannot call, since it is revoked"),
    ):
        answer = await visitor.post(f"{path}/run", form | wrong)
        assert answer.status_code == 422
        assert told in texts(answer)
        assert 'value="new prompt"' in answer.text


async def test_why_it_cannot_run_is_told_on_its_page(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up(models=["gpt", "gone"])
    suite = await evals.do("GET", "/suites/ci")
    path = f"/ui/evals/suites/{suite['id']}"
    await visitor.get(path)
    answer = await visitor.post(f"{path}/run")
    assert answer.status_code == 422
    assert "It could not be run: models: no model is registered as 'gone'" in texts(answer)
