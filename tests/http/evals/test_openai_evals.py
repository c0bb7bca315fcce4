"""OpenAI's API of evaluations, with OpenAI's own client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from tests.http.evals.conftest import CAPITALS, Evaluating

ROWS = [{"item": {"country": name, "city": city}} for name, city in CAPITALS.items()]
CONFIG: Any = {
    "type": "custom",
    "item_schema": {"type": "object", "properties": {"country": {"type": "string"}}},
    "include_sample_schema": True,
}
EXACT = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.city }}",
}
NEAR = {
    "type": "text_similarity",
    "name": "near",
    "evaluation_metric": "fuzzy_match",
    "input": "{{sample.output_text}}",
    "reference": "{{item.city}}",
    "pass_threshold": 0.9,
}
KIND = {
    "type": "score_model",
    "name": "kind",
    "model": "judge",
    "input": [
        {
            "role": "user",
            "content": {"type": "input_text", "text": "How kind is {{sample.output_text}}?"},
        }
    ],
    "range": [1, 10],
    "pass_threshold": 7,
    "sampling_params": {"temperature": 0, "max_completions_tokens": 50},
}
LABEL = {
    "type": "label_model",
    "name": "label",
    "model": "judge",
    "input": [{"role": "user", "content": "Label {{sample.output_text}}"}],
    "labels": ["good", "bad"],
    "passing_labels": ["good"],
}
ASKED: Any = {
    "type": "completions",
    "model": "gpt",
    "input_messages": {
        "type": "template",
        "template": [
            {"role": "developer", "content": "Be short."},
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Capital of {{item.country}}?"}],
            },
        ],
    },
    "sampling_params": {"temperature": 0.5, "max_completion_tokens": 9, "seed": 1},
    "source": {"type": "file_content", "content": ROWS},
}


@pytest.fixture
async def client(evals: Evaluating) -> AsyncIterator[AsyncOpenAI]:
    for name in ("gpt", "judge"):
        await evals.gateway.add_model(name, litellm_params={"model": "gpt-4o"})
    async with evals.gateway.openai(evals.gateway.admin_key, "/v1") as made:
        yield made


async def made_eval(client: AsyncOpenAI, *graders: Any, **more: Any) -> str:
    criteria: Any = graders or [EXACT]
    created = await client.evals.create(
        data_source_config=CONFIG, testing_criteria=criteria, **more
    )
    return created.id


async def ended(client: AsyncOpenAI, eval_id: str, source: Any = ASKED, **more: Any) -> Any:
    run: Any = await client.evals.runs.create(eval_id, data_source=source, **more)
    while run.status in ("queued", "in_progress"):
        await asyncio.sleep(0.02)
        run = await client.evals.runs.retrieve(run.id, eval_id=eval_id)
    return run


async def test_evaluations_are_made_changed_listed_and_removed(client: AsyncOpenAI) -> None:
    ids = [await made_eval(client, name=f"Eval {n}", metadata={"n": str(n)}) for n in range(3)]
    first = await client.evals.retrieve(ids[0])
    assert (first.object, first.name, first.metadata) == ("eval", "Eval 0", {"n": "0"})
    assert first.testing_criteria[0].name == "exact"
    changed = await client.evals.update(ids[0], name="Renamed", metadata={"x": "y"})
    assert (changed.name, changed.metadata) == ("Renamed", {"x": "y"})
    assert [each.id async for each in client.evals.list(limit=2)] == ids
    newest = await client.evals.list(limit=1, order="desc")
    assert ([each.id for each in newest.data], newest.has_more) == (ids[2:], True)
    gone = await client.evals.delete(ids[1])
    assert (gone.deleted, gone.eval_id, gone.object) == (True, ids[1], "eval.deleted")
    with pytest.raises(NotFoundError):
        await client.evals.retrieve(ids[1])


async def test_a_run_with_graders_of_every_kind(evals: Evaluating, client: AsyncOpenAI) -> None:
    evals.provider.wrong = {"Japan"}
    evals.provider.judgement = '{"reason": "It is.", "score": 9}'
    eval_id = await made_eval(client, EXACT, NEAR, KIND)
    run = await ended(client, eval_id, name="Nightly", metadata={"a": "b"})
    assert (run.status, run.name, run.model, run.metadata) == (
        "completed",
        "Nightly",
        "gpt",
        {"a": "b"},
    )
    assert run.result_counts.model_dump() == {"total": 3, "passed": 2, "failed": 1, "errored": 0}
    criteria = {
        each.testing_criteria: (each.passed, each.failed)
        for each in run.per_testing_criteria_results
    }
    assert criteria == {"exact": (2, 1), "near": (2, 1), "kind": (3, 0)}
    [usage] = run.per_model_usage
    assert (usage.invocation_count, usage.total_tokens) == (3, 51)
    asked = [call for call in evals.provider.calls if call.get("seed") == 1]
    assert len(asked) == 3
    assert asked[0]["messages"] == [
        # litellm's word for it.
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Capital of UK?"},
    ]
    assert (asked[0]["temperature"], asked[0]["max_completion_tokens"]) == (0.5, 9)
    items = client.evals.runs.output_items
    found = [each async for each in items.list(run.id, eval_id=eval_id, limit=2)]
    assert [each.datasource_item["country"] for each in found] == list(CAPITALS)
    assert [each.status for each in found] == ["pass", "pass", "fail"]
    [failed] = (await items.list(run.id, eval_id=eval_id, status="fail")).data
    again = await items.retrieve(failed.id, eval_id=eval_id, run_id=run.id)
    assert again.model_dump() == failed.model_dump()
    assert failed.sample.output[0].content == "Atlantis"
    assert failed.sample.input[1].content == "Capital of Japan?"
    scores = {result.name: (result.passed, result.type) for result in failed.results}
    assert scores["exact"] == (False, "string_check")
    page = await evals.gateway.request("GET", run.report_url, evals.gateway.admin_key)
    assert page.status_code == 200


async def test_a_judge_that_labels(evals: Evaluating, client: AsyncOpenAI) -> None:
    evals.provider.said = lambda body: (  # type: ignore[method-assign]
        '{"reason": "So it is.", "label": "bad"}' if "response_format" in body else "London"
    )
    eval_id = await made_eval(client, LABEL)
    run = await ended(client, eval_id)
    assert run.result_counts.model_dump() == {"total": 3, "passed": 0, "failed": 3, "errored": 0}


async def test_answers_that_are_sent_are_graded_without_a_call(
    evals: Evaluating, client: AsyncOpenAI
) -> None:
    content = [row | {"sample": {"output_text": "Paris"}} for row in ROWS]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    run = await ended(client, await made_eval(client), source)
    assert run.result_counts.model_dump() == {"total": 3, "passed": 1, "failed": 2, "errored": 0}
    assert (evals.provider.calls, run.per_model_usage) == ([], [])
    of_items = EXACT | {"input": "{{item.country}}"}
    bare = {"type": "jsonl", "source": {"type": "file_content", "content": ROWS}}
    run = await ended(client, await made_eval(client, of_items), bare)
    assert run.result_counts.failed == 3


async def test_the_request_may_be_a_column(evals: Evaluating, client: AsyncOpenAI) -> None:
    messages = [{"role": "system", "content": "Hi."}, {"role": "user", "content": "UK?"}]
    content = [{"item": {"messages": messages, "city": "London"}}]
    reference = {"type": "item_reference", "item_reference": "item.messages"}
    source = ASKED | {
        "input_messages": reference,
        "source": {"type": "file_content", "content": content},
    }
    run = await ended(client, await made_eval(client), source)
    assert run.result_counts.passed == 1
    assert evals.provider.calls[0]["messages"] == messages


async def test_runs_are_listed_cancelled_and_removed(
    evals: Evaluating, client: AsyncOpenAI
) -> None:
    eval_id = await made_eval(client)
    done = await ended(client, eval_id)
    evals.gateway.provider.hangs()
    running = await client.evals.runs.create(eval_id, data_source=ASKED)
    cancelled = await client.evals.runs.cancel(running.id, eval_id=eval_id)
    assert cancelled.status == "canceled"
    listed = [run.id async for run in client.evals.runs.list(eval_id)]
    assert listed == [done.id, running.id]
    [found] = (await client.evals.runs.list(eval_id, status="completed")).data
    assert found.id == done.id
    gone = await client.evals.runs.delete(done.id, eval_id=eval_id)
    assert (gone.deleted, gone.run_id) == (True, done.id)
    other = await made_eval(client)
    for missing in (
        client.evals.runs.retrieve(done.id, eval_id=eval_id),
        client.evals.runs.retrieve(running.id, eval_id=other),
        client.evals.runs.output_items.retrieve("none", eval_id=eval_id, run_id=running.id),
    ):
        with pytest.raises(NotFoundError):
            await missing


@pytest.mark.parametrize(
    ("graders", "said"),
    [
        ([{"type": "python", "name": "p", "source": "import os"}], "testing_criteria[0].type"),
        ([EXACT, EXACT], "called 'exact'"),
        ([EXACT | {"operation": "is"}], "operation"),
        ([NEAR | {"evaluation_metric": "meteor"}], "meteor"),
        ([KIND | {"input": [{"role": "user", "content": {"type": "input_image"}}]}], "takes text"),
        ([KIND | {"sampling_params": {"logprobs": 1}}], "sampling_params.logprobs"),
    ],
)
async def test_what_cannot_be_graded_is_refused(
    client: AsyncOpenAI, graders: Any, said: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await client.evals.create(data_source_config=CONFIG, testing_criteria=graders)
    assert said in str(refused.value)
    assert (await client.evals.list()).data == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "logs"}, "data_source.type"),
        ({"source": {"type": "file_id", "id": "file-1"}}, "send the rows with the request"),
        ({"source": {"type": "file_content", "content": [{}]}}, "content[0].item"),
        ({"model": "none"}, "no model is registered as 'none'"),
        ({"model": None}, "models"),
        ({"input_messages": {"type": "template", "template": []}}, "takes messages"),
        ({"sampling_params": {"temperature": "hot"}}, "temperature"),
    ],
)
async def test_what_cannot_be_run_is_refused(client: AsyncOpenAI, change: Any, said: str) -> None:
    eval_id = await made_eval(client)
    with pytest.raises(BadRequestError) as refused:
        await client.evals.runs.create(eval_id, data_source=ASKED | change)
    assert said in str(refused.value)
    assert (await client.evals.runs.list(eval_id)).data == []


async def test_it_is_for_admin_keys_alone(evals: Evaluating) -> None:
    key = (await evals.gateway.issue_key())["key"]
    response = await evals.gateway.request("GET", "/v1/evals", key)
    assert response.status_code == 401
