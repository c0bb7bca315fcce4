"""Comparisons of numbers: of what an answer took, or one in it."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.evals.calls import Caller
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable
from gateway.evals.records import Item
from gateway.evals.specs.evaluators import Numeric
from gateway.money import dollars

# Not the 5 of 3-5 as a negative one, nor the 4 of gpt-4o or of 3.4.1.
_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,300}|(?=\.\d))(?:\.\d{1,300})?"
    r"(?:[eE][-+]?\d{1,3})?(?![\w])(?!\.\d)"
)
# At the end of a text: there is the last.
_LONGEST_SEARCHED = 10_000
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MEASURED: Mapping[str, Callable[[Item], float | None]] = {
    "latency_ms": lambda item: item.latency_ms,
    "prompt_tokens": lambda item: item.prompt_tokens,
    "completion_tokens": lambda item: item.completion_tokens,
    "total_tokens": lambda item: item.prompt_tokens + item.completion_tokens,
    "cost_usd": lambda item: None if item.cost is None else dollars(item.cost),
    "output_chars": lambda item: len(item.output or ""),
}
_UNKNOWN = {
    "latency_ms": "it is not known how long the answer took",
    "cost_usd": "the model has no known price",
}


async def numeric(params: Numeric, subject: Subject, _: Caller | None) -> Outcome:
    wanted = _wanted(params, subject)
    number = _measured(params, subject)
    if number is None:
        return Outcome.of(passed=False, reason="the answer has no number")
    if params.op in ("==", "!="):
        near = math.isclose(number, wanted, rel_tol=0, abs_tol=params.tolerance)
        passed = near == (params.op == "==")
    else:
        passed = _COMPARED[params.op](number, wanted)
    within = f" within {params.tolerance:g}" if params.tolerance else ""
    said = "is" if passed else "is not"
    return Outcome.of(
        passed, f"{params.measure} {number:.12g} {said} {params.op} {wanted:.12g}{within}"
    )


def number_in(value: Any) -> float | None:
    """A finite number as it is, or the last one in text; None where there is none.

    >>> number_in("Of 1,200 there are 3.5 left."), number_in("gpt-4o")
    (3.5, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        numbers = _NUMBER.findall(value[-_LONGEST_SEARCHED:])
        value = numbers[-1].replace(",", "").replace("−", "-") if numbers else None
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _measured(params: Numeric, subject: Subject) -> float | None:
    if params.measure == "output_number":
        return number_in(subject.value(params.input))
    measured = _MEASURED[params.measure](subject.item)
    if measured is None:
        raise Unjudgeable(_UNKNOWN[params.measure])
    return measured


def _wanted(params: Numeric, subject: Subject) -> float:
    if not isinstance(params.value, str):
        return params.value
    wanted = number_in(subject.value(params.value))
    if wanted is None:
        raise Unjudgeable("value: there is no number to compare with")
    return wanted
