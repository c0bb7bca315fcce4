"""Whether a model called the tools that it should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.evals.calls import Caller
from gateway.evals.evaluators.outcome import Outcome, Subject, Unjudgeable
from gateway.evals.specs.evaluators import ToolUse
from gateway.evals.templates import json_of

_MOST_CALLS = 200


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    arguments: Any
    """None stands for whatever they are."""


async def tool_use(params: ToolUse, subject: Subject, _: Caller | None) -> Outcome:
    given = subject.value(params.expected) if isinstance(params.expected, str) else params.expected
    wanted = _wanted(given)
    made = [_made(call) for call in subject.item.tool_calls]
    if max(len(wanted), len(made)) > _MOST_CALLS:
        raise Unjudgeable(f"More than {_MOST_CALLS} calls are not compared")
    pairs = [[_fits(one, call, params.match) for call in made] for one in wanted]
    common = _in_order(pairs) if params.ordered else _in_any_order(pairs)
    score = _score(common, len(wanted), len(made), params.score)
    called = ", ".join(call.name for call in made) or "none"
    reason = f"{common} of {len(wanted)} expected calls among {len(made)}: {called}"
    return Outcome.scored(score, params.pass_threshold, reason)


def _wanted(given: Any) -> list[_Call]:
    if isinstance(given, str):
        try:
            given = json_of(given)
        except ValueError:
            given = [name.strip() for name in given.split(",") if name.strip()]
    calls = [given] if isinstance(given, str | Mapping) else given
    if not isinstance(calls, list | tuple):
        raise Unjudgeable("expected: takes the names of tools, or their calls")
    return [_expected(call) for call in calls]


def _expected(call: Any) -> _Call:
    if isinstance(call, str):
        return _Call(call, None)
    inner = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise Unjudgeable("expected: takes the names of tools, or their calls")
    return _Call(inner["name"], _parsed(inner.get("arguments")))


def _made(call: Mapping[str, Any]) -> _Call:
    function = call.get("function")
    inner = function if isinstance(function, Mapping) else {}
    arguments = _parsed(inner.get("arguments"))
    return _Call(str(inner.get("name")), {} if arguments in (None, "") else arguments)


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json_of(arguments)
    except ValueError:
        return arguments


def _fits(wanted: _Call, made: _Call, match: str) -> bool:
    if wanted.name != made.name:
        return False
    if match == "name" or wanted.arguments is None:
        return True
    if match == "exact":
        return bool(wanted.arguments == made.arguments)
    return _within(wanted.arguments, made.arguments)


def _within(wanted: Any, made: Any) -> bool:
    """Whether all that is wanted is there, whatever else there is in objects."""
    if isinstance(wanted, Mapping):
        return isinstance(made, Mapping) and all(
            name in made and _within(value, made[name]) for name, value in wanted.items()
        )
    return bool(wanted == made)


def _in_order(pairs: Sequence[Sequence[bool]]) -> int:
    """How many can be paired if none may cross: the longest common subsequence."""
    best = [0] * (len(pairs[0]) + 1) if pairs else [0]
    for row in pairs:
        before = best
        best = [0]
        for at, fits in enumerate(row):
            best.append(before[at] + 1 if fits else max(before[at + 1], best[at]))
    return best[-1]


def _in_any_order(pairs: Sequence[Sequence[bool]]) -> int:
    """How many can be paired: the largest matching, by paths that let others make room."""
    taken: dict[int, int] = {}

    def _place(row: int, tried: set[int]) -> bool:
        for at, fits in enumerate(pairs[row]):
            if fits and at not in tried:
                tried.add(at)
                if at not in taken or _place(taken[at], tried):
                    taken[at] = row
                    return True
        return False

    return sum(_place(row, set()) for row in range(len(pairs)))


def _score(common: int, wanted: int, made: int, score: str) -> float:
    if not wanted and not made:
        return 1.0
    if score == "recall":
        return common / wanted if wanted else 1.0
    if score == "precision":
        return common / made if made else 0.0
    return 2 * common / (wanted + made)
