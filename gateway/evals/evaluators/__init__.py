"""Evaluators: each type is a function of its parameters, an answer and who may be asked.

Whatever keeps an answer from being evaluated, a judge that talks nonsense say, is the score's
error, which never counts as a failure of the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.errors import InvalidField
from gateway.evals.calls import Caller, CallFailed
from gateway.evals.evaluators.custom import load, python
from gateway.evals.evaluators.documents import json_check, json_diff
from gateway.evals.evaluators.judged import label_model, score_model
from gateway.evals.evaluators.library import autoevals
from gateway.evals.evaluators.numbers import numeric
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable
from gateway.evals.evaluators.patterns import regex_check
from gateway.evals.evaluators.similarity import text_similarity
from gateway.evals.evaluators.texts import exact, string_check, text_check
from gateway.evals.evaluators.tools import tool_use
from gateway.evals.judges import NoVerdict
from gateway.evals.records import Case, Evaluator, Item, Score
from gateway.evals.specs.evaluators import TYPES, EvaluatorType
from gateway.evals.templates import Missing, NotInAnswer

__all__ = ["Scorer", "evaluate", "scorer_of"]

Scorer = Callable[[Case, Item, Caller | None], Awaitable[Score]]

LONGEST_REASON = 2000

_FUNCTIONS: Mapping[EvaluatorType, Callable[[Any, Subject, Caller | None], Awaitable[Outcome]]] = {
    "string_check": string_check,
    "text": text_check,
    "exact": exact,
    "regex": regex_check,
    "numeric": numeric,
    "json": json_check,
    "json_diff": json_diff,
    "text_similarity": text_similarity,
    "tool_use": tool_use,
    "autoevals": autoevals,
    "score_model": score_model,
    "label_model": label_model,
    "python": python,
}


def scorer_of(evaluator: Evaluator, *, allow_python: bool = False) -> Scorer:
    """What scores answers as the evaluator says, ready for a whole run.

    Args:
        evaluator: As `specs.evaluator_record` made it.
        allow_python: Whether it may run functions of the operator's: never for requests.

    Raises:
        InvalidField: It runs a function, which it may not, or which is not there.
    """
    kind: Any = evaluator.type
    params = TYPES[kind].model_validate(evaluator.params)
    if evaluator.type == "python":
        if not allow_python:
            raise InvalidField(
                f"evaluators: {evaluator.name} is of the type python, which runs from the command "
                "line alone: gateway evals run",
                param="evaluators",
            )
        load(evaluator.params["function"])
    function = _FUNCTIONS[kind]

    async def _score(case: Case, item: Item, caller: Caller | None) -> Score:
        if item.error is not None:
            return Score(evaluator.name, error="there is no answer to evaluate")
        try:
            outcome = await function(params, Subject(case, item), caller)
        except NotInAnswer as missing:
            return Score(evaluator.name, 0.0, passed=False, reason=str(missing))
        except (Missing, Unjudgeable, NoVerdict, CallFailed) as error:
            return Score(evaluator.name, error=_cut(str(error)))
        reason = None if outcome.reason is None else _cut(outcome.reason)
        return Score(evaluator.name, outcome.score, outcome.passed, reason)

    return _score


async def evaluate(
    evaluator: Evaluator,
    case: Case,
    item: Item,
    caller: Caller | None,
    *,
    allow_python: bool = False,
) -> Score:
    """One answer's score; `scorer_of` does the same for many. Raises as it does."""
    return await scorer_of(evaluator, allow_python=allow_python)(case, item, caller)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"
