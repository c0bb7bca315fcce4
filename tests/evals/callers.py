"""Callers that answer as they are told, and what evaluators say of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.evals.calls import Caller, CallFailed, Spent
from gateway.evals.evaluators import evaluate
from gateway.evals.records import Case, Item, Score
from gateway.evals.specs import evaluator_record

Json = dict[str, Any]

CASE = Case(
    "uk",
    "Capital of UK?",
    "London",
    ("geo",),
    {"level": 3, "context": ["London is the capital.", "It is large."], "tools": ["search"]},
)


class FakeCaller:
    """Answers each call with the next of its answers; an exception is raised.

    Attributes:
        calls: The model and the body of each call.
    """

    def __init__(self, *answers: Any) -> None:
        self.spent = Spent()
        self.calls: list[tuple[str, Json]] = []
        self._answers = list(answers)

    async def chat(self, model: str, body: Mapping[str, Any]) -> Json:
        return self._next(model, body)

    async def embeddings(self, model: str, body: Mapping[str, Any]) -> Json:
        return self._next(model, body)

    def _next(self, model: str, body: Mapping[str, Any]) -> Json:
        # As the real one has to send it.
        self.calls.append((model, json.loads(json.dumps(body))))
        self.spent.tokens += 3
        answer = self._answers.pop(0) if self._answers else CallFailed("no answer is left")
        if isinstance(answer, BaseException):
            raise answer
        return dict(answer)


def said(content: str | None, finish_reason: str = "stop", **message: Any) -> Json:
    """A chat completion."""
    message = {"role": "assistant", "content": content} | message
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}


def chose(choice: str, reasons: str = "because", name: str = "select_choice") -> Json:
    """A chat completion that calls the tool of autoevals."""
    arguments = json.dumps({"reasons": reasons, "choice": choice})
    return called(name, arguments)


def called(name: str, arguments: str) -> Json:
    function = {"name": name, "arguments": arguments}
    return said(
        None, "tool_calls", tool_calls=[{"id": "1", "type": "function", "function": function}]
    )


def embedded(*vectors: Sequence[float]) -> Json:
    return {"data": [{"index": at, "embedding": list(one)} for at, one in enumerate(vectors)]}


def answer(output: str | None = "London", **fields: Any) -> Item:
    return Item("run", "model", CASE.id, 0, output, **fields)


async def score(
    description: Json,
    item: Item | str = "London",
    *,
    case: Case = CASE,
    caller: Caller | None = None,
    allow_python: bool = False,
) -> Score:
    """What the evaluator says of the answer."""
    evaluator = evaluator_record({"name": "it", **description}, 1)
    item = answer(item) if isinstance(item, str) else item
    return await evaluate(evaluator, case, item, caller, allow_python=allow_python)
