"""Scorers of autoevals: with the gateway's models, once, and never with anybody else."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from typing import Any

import pytest

from gateway.evals.calls import CallFailed
from gateway.evals.specs.scorers import SCORERS
from tests.evals.callers import CASE, FakeCaller, Json, called, chose, embedded, said, score

FACT: Json = {"type": "autoevals", "scorer": "Factuality", "judge": "j", "pass_threshold": 0.6}
NEAR = embedded([1.0, 0.0])
APART = embedded([0.0, 1.0])


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """autoevals' own client would take this key to a service on the internet."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stray")

    def _refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", _refuse)


@pytest.mark.parametrize(
    ("choice", "expected", "passed"), [("C", 1, True), ("B", 0.6, True), ("A", 0.4, False)]
)
async def test_a_judge_chooses(choice: str, expected: float, passed: bool) -> None:
    caller = FakeCaller(chose(choice, "since"))
    found = await score(FACT, "Paris", caller=caller)
    assert (found.score, found.passed, found.reason) == (expected, passed, f"{choice}: since")
    [(model, body)] = caller.calls
    assert model == "j"
    prompt = body["messages"][0]["content"]
    assert all(text in prompt for text in (str(CASE.input), "Paris", "London"))
    assert "model" not in body


async def test_a_judge_is_called_by_what_it_is_registered_as() -> None:
    caller = FakeCaller(chose("C"))
    found = await score(FACT | {"judge": "gpt-5-mine"}, caller=caller)
    assert (found.score, caller.calls[0][0]) == (1.0, "gpt-5-mine")
    assert caller.calls[0][1]["tool_choice"]["function"]["name"] == "select_choice"


async def test_text_is_put_into_prompts_as_it_is() -> None:
    caller = FakeCaller(chose("C"))
    await score(FACT, "<b> {{input}} {{{x}}} & {{>partial}}", caller=caller)
    assert "<b> {{input}} {{{x}}} & {{>partial}}" in caller.calls[0][1]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (said("It is C."), "did not answer as Factuality asks: No tool call found"),
        (said(None, tool_calls=None), "did not answer as Factuality asks: TypeError"),
        (chose("F"), "did not answer as Factuality asks: KeyError: 'F'"),
        (chose("C", name="other"), "Unexpected tool call"),
        (called("select_choice", "{"), "did not answer as Factuality asks"),
        ({"choices": []}, "Empty response"),
        (CallFailed("429: too many"), "429: too many"),
    ],
)
async def test_a_judge_that_answers_otherwise_is_an_error(given: Any, message: str) -> None:
    caller = FakeCaller(given)
    found = await score(FACT, caller=caller)
    assert (found.score, found.passed) == (None, None)
    assert found.error is not None
    assert message in found.error
    assert len(caller.calls) == 1


async def test_what_ends_a_run_passes_through() -> None:
    for ends in (asyncio.CancelledError(), KeyError("the cost cap")):
        with pytest.raises(type(ends)):
            await score(FACT, caller=FakeCaller(ends))


@pytest.mark.parametrize(
    ("scorer", "arguments", "choice", "in_prompt"),
    [
        ("ClosedQA", {"criteria": "names {{item.expected}}"}, "Y", "names London"),
        ("Battle", {}, "Yes", "Capital of UK?"),
        ("Humor", {}, "Yes", "London"),
        ("Possible", {}, "B", "London"),
        ("Security", {}, "No", "London"),
        ("Sql", {}, "Correct", "London"),
        ("Summary", {}, "B", "London"),
        ("Translation", {"language": "French"}, "Y", "French"),
    ],
)
async def test_each_scorer_that_chooses(
    scorer: str, arguments: Json, choice: str, in_prompt: str
) -> None:
    caller = FakeCaller(chose(choice))
    found = await score(
        {"type": "autoevals", "scorer": scorer, "judge": "j", "arguments": arguments},
        caller=caller,
    )
    assert (found.error, found.score, found.passed) == (None, 1.0, None)
    assert in_prompt in caller.calls[0][1]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("scorer", "output", "expected", "wanted"),
    [
        ("Levenshtein", "Londn", "London", 5 / 6),
        ("ExactMatch", "London", "London", 1),
        ("ExactMatch", '{"b": 1, "a": 2}', {"b": 1, "a": 2}, 1),
        ("JSONDiff", '{"a": 1}', {"a": 1, "b": 2}, 0.5),
        ("JSONDiff", '{"a": 1}', '{"a": 1}', 1),
        ("JSONDiff", "no", {"a": 1}, 0),
        ("JSONDiff", "[" * 500 + "]" * 500, "[" * 90 + "]" * 90, 0),
        ("NumericDiff", "about 90", "100", 1 - 10 / 190),
        ("NumericDiff", "none", 100, 0),
        ("ValidJSON", "[1]", None, 1),
        ("ValidJSON", "no", None, 0),
        ("ValidJSON", "[" * 5000, None, 0),
    ],
)
async def test_scorers_that_ask_nobody(
    scorer: str, output: str, expected: Any, wanted: float
) -> None:
    found = await score(
        {"type": "autoevals", "scorer": scorer, "pass_threshold": 0.9},
        output,
        case=dataclasses.replace(CASE, expected=expected),
    )
    assert found.error is None
    assert found.score == pytest.approx(wanted)
    assert found.passed == (wanted >= 0.9)


async def test_embeddings_are_asked_for_each_time() -> None:
    description = {"type": "autoevals", "scorer": "EmbeddingSimilarity", "embedding": "e"}
    for second, expected in ((NEAR, 1.0), (APART, 0.0)):
        caller = FakeCaller(NEAR, second)
        found = await score(description, "City", caller=caller)
        assert (found.error, found.score) == (None, expected)
        assert [(model, body["input"]) for model, body in caller.calls] == [
            ("e", "City"),
            ("e", "London"),
        ]


@pytest.mark.parametrize(
    ("scorer", "answers", "expected"),
    [
        ("AnswerSimilarity", [NEAR, NEAR], 1),
        (
            "AnswerCorrectness",
            [called("f", '{"TP": ["a"], "FP": [], "FN": []}'), NEAR, NEAR],
            1,
        ),
        (
            "Faithfulness",
            [
                called("f", '{"statements": ["a", "b"]}'),
                called("f", '{"faithfulness": [{"verdict": 1}, {"verdict": 0}]}'),
            ],
            0.5,
        ),
        ("ContextPrecision", [called("f", '{"verdict": 1, "reason": "r"}')], 1),
        ("ContextRecall", [called("f", '{"statements": [{"attributed": 1}]}')], 1),
        ("ContextRelevancy", [called("f", '{"sentences": [{"sentence": ""}]}')], 0),
        (
            "AnswerRelevancy",
            [called("f", '{"question": "q", "noncommittal": 0}')] * 3 + [NEAR, NEAR] * 3,
            1,
        ),
    ],
)
async def test_scorers_of_retrieval(scorer: str, answers: list[Json], expected: float) -> None:
    needs = SCORERS[scorer]
    description: Json = {"type": "autoevals", "scorer": scorer}
    description |= {"judge": "j"} if needs.judge else {}
    description |= {"embedding": "e"} if needs.embedding else {}
    caller = FakeCaller(*answers)
    found = await score(description, caller=caller)
    assert (found.error, found.score) == (None, expected)
    assert len(caller.calls) == len(answers)
    assert all((model == "e") == ("input" in body) for model, body in caller.calls)


@pytest.mark.parametrize(
    ("description", "case", "message"),
    [
        (FACT, dataclasses.replace(CASE, expected=None), "the case has no expected"),
        (FACT, CASE, "no model to be asked"),
        ({"type": "autoevals", "scorer": "NumericDiff"}, CASE, "no number to compare with"),
        (
            {"type": "autoevals", "scorer": "Faithfulness", "judge": "j"},
            dataclasses.replace(CASE, fields={}),
            "the case has no context",
        ),
    ],
)
async def test_what_cannot_be_asked(description: Json, case: Any, message: str) -> None:
    found = await score(description, case=case)
    assert found.error is not None
    assert message in found.error
