"""Evaluators in the Evaluations tab."""

from __future__ import annotations

import orjson
import pytest

from gateway.evals.specs import evaluator_record
from gateway.http.console.evals.evaluator_types import TypeHint, type_hints
from tests.http.console.conftest import Visitor, texts
from tests.http.evals.conftest import Evaluating


async def made(visitor: Visitor, **form: str) -> str:
    """The path of an evaluator that was made with the form."""
    await visitor.get("/ui/evals/evaluators/new")
    given = {"name": "exact", "type": "string_check", "params": '{"operation": "eq"}', **form}
    answer = await visitor.post("/ui/evals/evaluators", given)
    assert answer.status_code == 303, texts(answer)
    return str(answer.headers["location"])


@pytest.mark.parametrize("hint", type_hints(), ids=lambda hint: hint.name)
def test_the_example_of_each_type_is_one(hint: TypeHint) -> None:
    params = orjson.loads(hint.example)
    made = evaluator_record({"name": "x", "type": hint.name, **params}, 0)
    assert made.type == hint.name
    assert set(params) <= {name for name, _, _ in hint.fields}


async def test_one_is_made_changed_and_deleted(visitor: Visitor, evals: Evaluating) -> None:
    assert "No evaluators yet" in texts(await visitor.get("/ui/evals/evaluators"))
    path = await made(visitor)
    assert "exact" in texts(await visitor.get(path))
    assert "string_check" in texts(await visitor.get("/ui/evals/evaluators"))
    form = {"name": "looks", "type": "regex", "params": '{"pattern": "a+"}'}
    assert (await visitor.post(f"{path}/edit", form)).status_code == 303
    now = await evals.do("GET", "/evaluators/looks")
    assert (now["type"], now["pattern"]) == ("regex", "a+")
    page = await visitor.get(f"{path}/edit")
    assert '<option value="regex"' in page.text
    assert "a+" in page.text
    gone = await visitor.post(f"{path}/delete")
    assert "“looks” is deleted" in texts(await visitor.get(gone.headers["location"]))


@pytest.mark.parametrize(
    ("form", "field", "told"),
    [
        ({"name": ""}, "name", "name"),
        ({"type": "none"}, "type", "none"),
        ({"params": "{"}, "params", "not valid JSON: unexpected end of data at line 1, column 2"),
        ({"params": "[]"}, "params", "params takes a JSON object"),
        ({"params": '{"operation": "equal"}'}, "params", "operation"),
        ({"params": '{"operation": "eq", "refrence": "x"}'}, "params", "did you mean reference?"),
    ],
)
async def test_what_is_wrong_is_told_in_its_place(
    visitor: Visitor, form: dict[str, str], field: str, told: str
) -> None:
    await visitor.get("/ui/evals/evaluators/new")
    given = {"name": "exact", "type": "string_check", "params": '{"operation": "eq"}', **form}
    answer = await visitor.post("/ui/evals/evaluators", given)
    assert answer.status_code == 422
    problem = answer.text.partition(f'id="{field}-problem">')[2].partition("</p>")[0]
    assert told in problem


async def test_one_that_a_suite_has_stays(visitor: Visitor, evals: Evaluating) -> None:
    await evals.set_up()
    evaluator = await evals.do("GET", "/evaluators/exact")
    path = f"/ui/evals/evaluators/{evaluator['id']}"
    await visitor.get(f"{path}/delete")
    refused = await visitor.post(f"{path}/delete")
    assert refused.status_code == 409
    assert "the suite 'ci' has it" in texts(refused)


async def test_it_is_tried_on_an_answer(visitor: Visitor) -> None:
    path = await made(visitor)
    await visitor.get(path)
    passing = await visitor.post(f"{path}/try", {"output": "Paris", "expected": "Paris"})
    assert "Passed" in texts(passing)
    assert '<textarea id="output" name="output" rows="4" spellcheck="false"' in passing.text
    part = await visitor.post(
        f"{path}/try", {"output": "Rome", "expected": "Paris"}, **{"hx-request": "true"}
    )
    assert "<html" not in part.text
    assert "Failed" in texts(part)
    wrong = await visitor.post(f"{path}/try", {"output": "x", "columns": "{"})
    assert wrong.status_code == 422
    assert "columns is not valid JSON" in texts(wrong)


async def test_calls_of_tools_are_tried(visitor: Visitor) -> None:
    path = await made(visitor, type="tool_use", params="{}")
    await visitor.get(path)
    calls = [{"type": "function", "function": {"name": "search", "arguments": "{}"}}]
    form = {"columns": '{"expected": ["search"]}', "calls": orjson.dumps(calls).decode()}
    assert "Passed" in texts(await visitor.post(f"{path}/try", form))


async def test_a_judge_is_asked_as_the_one_who_is_signed_in(
    visitor: Visitor, evals: Evaluating
) -> None:
    await evals.set_up()
    evaluator = await evals.do("GET", "/evaluators/tone")
    path = f"/ui/evals/evaluators/{evaluator['id']}"
    await visitor.get(path)
    said = texts(await visitor.post(f"{path}/try", {"output": "You are welcome", "input": "Hi"}))
    assert "Passed , score 1: 10 of 1 to 10: It is. The judge took 17 tokens" in said
