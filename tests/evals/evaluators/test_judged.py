"""Judges: what they are asked, what their answers are taken for, and what is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.evals.calls import CallFailed
from tests.evals.callers import CASE, FakeCaller, Json, answer, said, score

TONE: Json = {
    "type": "score_model",
    "judge": "judge-model",
    "prompt": "How polite is {{sample.output_text}} to {{item.input}}?",
    "range": [1, 10],
    "pass_threshold": 7,
}
KIND: Json = {
    "type": "label_model",
    "judge": "judge-model",
    "prompt": [
        {"role": "system", "content": "You sort answers about {{item.expected}}."},
        {"role": "user", "content": [{"type": "text", "text": "{{sample.output_text}}"}]},
    ],
    "labels": ["right", "wrong", "unclear"],
    "passing_labels": ["right", "unclear"],
    "params": {"temperature": 0},
}


async def test_what_a_judge_is_asked() -> None:
    caller = FakeCaller(said('{"reason": "r", "score": 7}'))
    await score(TONE | {"params": {"max_tokens": 50}}, "Yes, sir", caller=caller)
    wish = (
        'Answer with a JSON object: "reason", your reasoning in brief, then "score", a number from '
        "1 (worst) to 10 (best)."
    )
    [(model, body)] = caller.calls
    schema = body["response_format"]["json_schema"].pop("schema")
    assert (model, body) == (
        "judge-model",
        {
            "max_tokens": 50,
            "messages": [
                {
                    "role": "user",
                    "content": f"How polite is Yes, sir to {CASE.input}?\n\n{wish}",
                }
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True},
            },
        },
    )
    # What a model writes first, it reasons with.
    assert list(schema["properties"]) == schema["required"] == ["reason", "score"]
    assert schema["additionalProperties"] is False


async def test_messages_are_filled_in_and_the_wish_is_one_more() -> None:
    caller = FakeCaller(said('{"reason": "r", "label": "right"}'))
    await score(KIND, caller=caller)
    [(_, body)] = caller.calls
    assert body["temperature"] == 0
    assert body["messages"][:2] == [
        {"role": "system", "content": "You sort answers about London."},
        {"role": "user", "content": [{"type": "text", "text": "London"}]},
    ]
    assert "right, wrong, unclear" in body["messages"][2]["content"]
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == ["right", "wrong", "unclear"]


@pytest.mark.parametrize(
    ("content", "expected", "passed"),
    [
        ('{"reason": "r", "score": 7}', 2 / 3, True),
        ('{"reason": "r", "score": 6.5}', 5.5 / 9, False),
        ('{"reason": "r", "score": "10"}', 1, True),
        ('```json\n{"reason": "r", "score": 1}\n```', 0, False),
        (
            'So {"a": 1}, {"reason": "q", "score": 2} or {"reason": "r", "score": 10} it is.',
            1,
            True,
        ),
    ],
)
async def test_a_judges_score(content: str, expected: float, passed: bool) -> None:
    found = await score(TONE, caller=FakeCaller(said(content)))
    assert (found.error, found.passed) == (None, passed)
    assert found.score == pytest.approx(expected)
    assert found.reason is not None
    assert found.reason.endswith(" of 1 to 10: r")


async def test_without_a_threshold_a_score_neither_passes_nor_fails() -> None:
    description = {name: value for name, value in TONE.items() if name != "pass_threshold"}
    found = await score(description, caller=FakeCaller(said('{"reason": "r", "score": 10}')))
    assert (found.score, found.passed) == (1.0, None)


@pytest.mark.parametrize(
    ("label", "passed"), [("right", True), ("unclear", True), ("wrong", False), (" Right", True)]
)
async def test_a_judges_label(label: str, passed: bool) -> None:
    caller = FakeCaller(said(f'{{"reason": "r", "label": "{label}"}}'))
    found = await score(KIND, caller=caller)
    assert (found.error, found.passed, found.score) == (None, passed, float(passed))
    assert found.reason == f"{label.strip().lower()}: r"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (said("It is good."), "did not answer with the JSON it was asked for: 'It is good.'"),
        (said("7"), "did not answer with the JSON"),
        (said("[" * 50_000), "did not answer with the JSON"),
        (said("{" * 50_000), "did not answer with the JSON"),
        (said('{"score": 7}'), "did not answer with the JSON"),
        (said('{"reason": "r", "score": 11}'), "score 11 is not 1 to 10"),
        (said('{"reason": "r", "score": 0}'), "score 0 is not 1 to 10"),
        (said('{"reason": "r", "score": true}'), "score True is not 1 to 10"),
        (said('{"reason": "r", "score": "NaN"}'), "score 'NaN' is not 1 to 10"),
        (said('{"reason": "r", "score": [7]}'), "score [7] is not"),
        (said('{"reason": "r", "score": null}'), "score None is not"),
        (said(None), "answer is empty"),
        (said("  "), "answer is empty"),
        (said(None, refusal="I can't."), "refused: I can't."),
        (said('{"reason": "r', "length"), "cut off"),
        ({"choices": []}, "no chat completion"),
        ({}, "no chat completion"),
        ({"choices": [None]}, "no chat completion"),
        (CallFailed("429: slow down"), "429: slow down"),
    ],
)
async def test_a_judge_that_answers_otherwise_is_an_error(given: Any, message: str) -> None:
    found = await score(TONE, caller=FakeCaller(given))
    assert (found.score, found.passed) == (None, None)
    assert found.error is not None
    assert message in found.error


async def test_a_label_that_is_none_is_an_error() -> None:
    caller = FakeCaller(said('{"reason": "r", "label": "maybe"}'))
    found = await score(KIND, caller=caller)
    assert found.passed is None
    assert found.error == "the judge's label 'maybe' is none of: right, wrong, unclear"


async def test_nobody_is_asked_of_an_answer_that_lacks_what_they_would_be_asked_of() -> None:
    caller = FakeCaller()
    description = TONE | {"prompt": "{{sample.output_json.city}}"}
    found = await score(description, "London", caller=caller)
    assert (found.passed, found.error, caller.calls) == (False, None, [])


async def test_without_anybody_to_ask() -> None:
    found = await score(TONE, answer())
    assert found.error == "There is no judge to be asked"


@pytest.mark.parametrize("description", [TONE, KIND])
async def test_what_ends_a_run_passes_through(description: Json) -> None:
    for ends in (asyncio.CancelledError(), RuntimeError("the cost cap")):
        with pytest.raises(type(ends)):
            await score(description, caller=FakeCaller(ends))
