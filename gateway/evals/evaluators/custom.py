"""Functions of one's own: `module:function`, or an entry point of the group gateway.evaluators.

They are run as they are, so only for who runs the gateway's commands; never for who sends requests.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import math
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from gateway.errors import InvalidField
from gateway.evals.calls import Caller
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable
from gateway.evals.records import Score
from gateway.evals.specs.evaluators import Python

GROUP = "gateway.evaluators"


async def python(params: Python, subject: Subject, _: Caller | None) -> Outcome:
    """Calls `function(case, item, **arguments)`, which may be async.

    It gives a bool, which passes or fails, a number from 0 to 1, or a `records.Score`.
    """
    function = load(params.function)
    try:
        if inspect.iscoroutinefunction(function):
            result = await function(subject.case, subject.item, **params.arguments)
        else:
            result = await asyncio.to_thread(
                function, subject.case, subject.item, **params.arguments
            )
    except Exception as error:
        raise Unjudgeable(f"{params.function}: {type(error).__name__}: {error}") from error
    return _outcome(result, params)


def load(name: str) -> Callable[..., Any]:
    """The function of that name. Raises InvalidField where there is none."""
    try:
        if ":" in name:
            module, _, path = name.partition(":")
            function: Any = importlib.import_module(module)
            for part in path.split("."):
                function = getattr(function, part)
        else:
            function = entry_points(group=GROUP)[name].load()
    except KeyError:
        known = ", ".join(sorted(entry_points(group=GROUP).names)) or "none"
        raise InvalidField(
            f"function: {name} is no entry point of {GROUP}; there are {known}", param="function"
        ) from None
    except Exception as error:
        raise InvalidField(
            f"function: {name} cannot be imported: {type(error).__name__}: {error}",
            param="function",
        ) from error
    if not callable(function):
        raise InvalidField(f"function: {name} is no function", param="function")
    found: Callable[..., Any] = function
    return found


def _outcome(result: Any, params: Python) -> Outcome:
    if isinstance(result, Score):
        if result.error is not None or result.score is None:
            raise Unjudgeable(result.error or f"{params.function} gave no score")
        if result.passed is not None:
            return Outcome(_unit(result.score, params), result.passed, result.reason)
        score = _unit(result.score, params)
        return Outcome.scored(score, params.pass_threshold, result.reason)
    if isinstance(result, bool):
        return Outcome.of(result)
    return Outcome.scored(_unit(result, params), params.pass_threshold)


def _unit(score: Any, params: Python) -> float:
    number = isinstance(score, int | float) and math.isfinite(score)
    if not number or not 0 <= score <= 1:
        raise Unjudgeable(f"{params.function} gave {score!r}, which is no score from 0 to 1")
    return float(score)
